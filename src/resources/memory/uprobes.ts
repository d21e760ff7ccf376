/**
 * The page where the kernel executes what a probe (uprobe) replaced. It comes with the first hit, stays when the probe is removed, and is
 * made again when it is needed: it is no memory of the program. But the probes' breakpoints are part of its text.
 */
import type { ErrorParts } from '../../errors.ts';
import type { DumpContext } from '../../dump/context.ts';
import { describeTask, type FrozenTask } from '../../dump/frozen.ts';
import { registersOf } from '../registers/dump.ts';
import type { inventory_entry } from '../../image/schema/index.ts';

export const UPROBES = '[uprobes]';

/** With --allow-uprobes the mapping is left out, and the set says so. Without, it is refused as a mapping. */
export function leaveOutProbes(task: FrozenTask, { options, tree, refusals }: DumpContext): void {
  if (!options.given.has('allow-uprobes')) return;
  const page = task.mappings.find(({ name }) => name === UPROBES);
  if (page === undefined) return;
  for (const { tid, state } of task.threads) {
    const { ip } = registersOf(state);
    if (ip >= page.start && ip < page.end) refusals.add(`${describeTask(task)}, thread ${tid}`, 'it is just inside of a probe (uprobe)', 'Dump again');
  }
  task.mappings = task.mappings.filter((mapping) => mapping !== page);
  tree.inventory.allow_uprobes = true;
}

/** Whoever restores must know that the probes have to be there. */
export function checkProbes({ allow_uprobes }: inventory_entry, allowed: boolean): ErrorParts[] {
  if (allow_uprobes !== true || allowed) return [];
  return [{
    doing: 'restore', where: 'inventory.img', why: 'probes (uprobes) had been hit in the tree when it was dumped',
    remedy: 'Restore with --allow-uprobes; those that were set must be set here as well: a task that comes to the place of one that is not gets SIGTRAP',
  }];
}
