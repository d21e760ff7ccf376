/** The vDSO: the kernel maps its own at the place the task had it; a task of another kernel keeps its old one as well (./redirect.ts). */
import type { Task } from '../../image/tree.ts';
import { ARCH, MAP, PROT } from '../../kernel/memory.ts';
import { Op, type Program } from '../../program/program.ts';
import type { Range } from '../../restore/page-runs.ts';
import { VMA } from '../memory/status.ts';
import { jumpCode, type Redirect } from './redirect.ts';

export interface VdsoRange extends Range {
  /** Where the code starts; the kernel's data pages are before it. */
  readonly code: bigint;
}

/** Where a task has its vDSO with its data pages; undefined when it has none. */
function find(task: Task): VdsoRange | undefined {
  const code = task.mm?.vmas.find(({ status }) => (status & VMA.VDSO) !== 0);
  if (code === undefined) return undefined;
  const data = task.mm!.vmas.filter(({ status }) => (status & VMA.VVAR) !== 0).map(({ start }) => start);
  return { start: data.reduce((low, start) => (start < low ? start : low), code.start), end: code.end, code: code.start };
}

function map(p: Program, at: VdsoRange): void {
  p.resource('vDSO');
  mapAt(p, at.start, at.code);
}

function mapAt(p: Program, start: bigint, code: bigint): void {
  p.call('arch_prctl', [ARCH.MAP_VDSO_64, start], { keep: false });
  p.call('mincore', [code, 4096, p.reserve(8)], {
    keep: false, remedy: { ENOMEM: 'The kernel put its vDSO elsewhere: this kernel\'s differs from the one of the dump' },
  });
}

/**
 * Maps this kernel's vDSO where nobody has anything, and the old one's pages at their place, leading there.
 * @param free where this kernel's goes @param fill adds the steps that fill the old one's pages, which are mapped then
 */
function mapRedirected(p: Program, at: VdsoRange, { detours, dataSize, codeSize }: Redirect, free: bigint, fill: () => void): void {
  p.resource('vDSO, leading into this kernel\'s');
  const code = free + BigInt(dataSize);
  if (codeSize > 0) mapAt(p, free, code);
  p.call('mmap', [at.code, at.end - at.code, PROT.READ | PROT.WRITE, MAP.PRIVATE | MAP.ANONYMOUS | MAP.FIXED_NOREPLACE, -1, 0], { keep: false, expect: { equals: at.code } });
  fill();
  for (const detour of detours) {
    const bytes = detour.code ?? jumpCode(code + BigInt(detour.to ?? 0));
    p.control(Op.COPY, [at.code + BigInt(detour.at), p.data(bytes), bytes.length], { keep: false });
  }
  p.call('mprotect', [at.code, at.end - at.code, PROT.READ | PROT.EXEC], { keep: false });
}

export const addVdso = { find, map, mapRedirected };
