/** Whether this kernel's vDSO can take the place of the one a task had (the same functions at the same places), or else how it is led there. */
import { closeSync, openSync, readSync } from 'node:fs';
import type { ErrorParts } from '../../errors.ts';
import { fileNames, type FrozenTree, type Task } from '../../image/tree.ts';
import { cut, pageRuns, total, type SourceSet } from '../../restore/page-runs.ts';
import { canGoOnAt, redirect, type Redirect } from './redirect.ts';
import { addVdso } from './restore.ts';
import { sameVdso, type VdsoImage } from './symbols.ts';

/** Tasks of one tree come from one kernel: when this many have the vDSO of this one, so have the others. */
const LOOKED_AT = 2;

export interface JudgedVdsos {
  readonly reasons: readonly ErrorParts[];
  /** By pid: those whose vDSO is of another kernel. */
  readonly redirects: ReadonlyMap<number, Redirect>;
}

/** @param host this kernel's vDSO; undefined: it has none */
export function judgeVdsos(set: SourceSet, tree: FrozenTree, host: VdsoImage | undefined): JudgedVdsos {
  const reasons: ErrorParts[] = [];
  const redirects = new Map<number, Redirect>();
  let same = 0;
  for (const task of tree.tasks.values()) {
    if (same === LOOKED_AT) break;
    if (addVdso.find(task) === undefined) continue;
    const judged = judgeVdso(set, task, host);
    if (judged === 'same') same++;
    else if (typeof judged === 'string') reasons.push({ doing: 'restore', where: `task ${task.pid}, vDSO`, why: judged, remedy: 'Restore it under the kernel it was dumped under' });
    else redirects.set(task.pid, judged);
  }
  return { reasons, redirects };
}

/** `same`, how it is to be redirected, or why neither can be. */
export function judgeVdso(set: SourceSet, task: Task, host: VdsoImage | undefined): 'same' | Redirect | string {
  const range = addVdso.find(task)!;
  const [code, data] = [Number(range.end - range.code), Number(range.code - range.start)];
  const image = readMemory(set, task, range.code, code);
  const fits = host !== undefined && code === host.bytes.length && data === host.dataSize;
  if (image === undefined) return fits ? 'same' : `it is of another kernel (${code} bytes behind ${data} bytes of data), and its pages are not in the set`;
  if (fits && sameVdso(image, host.bytes)) return 'same';
  const found = redirect(image, host);
  if (typeof found === 'string') return `it is of another kernel, and ${found}`;
  for (const [tid, { thread_info }] of task.threads) {
    const ip = thread_info?.gpregs.ip;
    if (ip === undefined || ip < range.code || ip >= range.end || canGoOnAt(image, Number(ip - range.code), found)) continue;
    return `it is of another kernel, and thread ${tid} was inside one of its functions, which needs that kernel's data`;
  }
  return found;
}

/** Bytes of a task's memory from the set; undefined when the set does not have all of them. */
function readMemory(set: SourceSet, task: Task, start: bigint, size: number): Uint8Array | undefined {
  const runs = cut(pageRuns(set, { pid: task.pid }), [{ start, end: start + BigInt(size) }]);
  if (total(runs) !== BigInt(size)) return undefined;
  const bytes = new Uint8Array(size);
  for (const run of runs) {
    const fd = openSync(`${run.set.name}/${fileNames.pages(run.pagesId)}`, 'r');
    try {
      readSync(fd, bytes, Number(run.start - start), Number(run.end - run.start), run.offset);
    } finally {
      closeSync(fd);
    }
  }
  return bytes;
}
