/** The vDSO: the kernel maps its own at the place the task had it. */
import type { Task } from '../../image/tree.ts';
import { ARCH } from '../../kernel/memory.ts';
import type { Program } from '../../program/program.ts';
import type { Range } from '../../restore/page-runs.ts';
import { VMA } from '../memory/status.ts';

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
  p.call('arch_prctl', [ARCH.MAP_VDSO_64, at.start], { keep: false });
  p.call('mincore', [at.code, 4096, p.reserve(8)], {
    keep: false, remedy: { ENOMEM: 'The kernel put its vDSO elsewhere: this kernel\'s differs from the one of the dump' },
  });
}

export const addVdso = { find, map };
