/** Whether this kernel's vDSO can take the place of the one a task had: the same functions at the same places. */
import { closeSync, openSync, readSync } from 'node:fs';
import type { ErrorParts } from '../../errors.ts';
import { fileNames, type Task } from '../../image/tree.ts';
import { cut, pageRuns, total, type SourceSet } from '../../restore/page-runs.ts';
import { addVdso } from './restore.ts';
import { sameVdso, vdsoFunctions, type VdsoImage } from './symbols.ts';

/** @param host this kernel's vDSO; undefined: it has none */
export function checkVdso(set: SourceSet, task: Task, host: VdsoImage | undefined): ErrorParts[] {
  const range = addVdso.find(task);
  if (range === undefined) return [];
  const refuse = (why: string): ErrorParts[] => [{
    doing: 'restore', where: `task ${task.pid}, vDSO`, why, remedy: 'Restore it under the kernel it was dumped under',
  }];
  if (host === undefined) return refuse('this kernel has none (vdso=0), and the task uses one');
  const [code, data] = [Number(range.end - range.code), Number(range.code - range.start)];
  if (code !== host.bytes.length || data !== host.dataSize) {
    return refuse(`it has ${code} bytes behind ${data} bytes of data; this kernel's has ${host.bytes.length} behind ${host.dataSize}`);
  }
  const image = readMemory(set, task, range.code, code);
  if (image === undefined || sameVdso(image, host.bytes)) return [];
  const here = vdsoFunctions(host.bytes);
  const moved = [...vdsoFunctions(image)].filter(([name, at]) => here.get(name) !== at).map(([name]) => name);
  return refuse(`this kernel's differs: ${moved.length === 0 ? 'it has other functions' : `${moved.join(', ')} ${moved.length === 1 ? 'is' : 'are'} elsewhere`}`);
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
