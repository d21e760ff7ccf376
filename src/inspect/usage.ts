/** How much memory is where: a row a mapping, and sums. Sizes are bytes. */
import { isDead, type Task } from '../image/tree.ts';
import type { AddressSpace } from './memory.ts';
import type { Mapping } from './mappings.ts';
import type { OpenSet } from './open.ts';

export interface MappingRow {
  readonly pid: number;
  readonly start: bigint;
  readonly end: bigint;
  readonly size: bigint;
  readonly perms: string;
  readonly kind: Mapping['kind'];
  readonly name: string;
  readonly pgoff: bigint;
  /** In the youngest set; in an older one of the chain; lazy (never dumped); wanted from a parent that lacks it. */
  readonly stored: bigint;
  readonly inParents: bigint;
  readonly lazy: bigint;
  readonly missing: bigint;
}

export function mappingRows(set: OpenSet, pid: number): MappingRow[] {
  const space = set.memory(pid);
  return space.mappings.map((mapping) => rowOf(space, mapping));
}

function rowOf(space: AddressSpace, mapping: Mapping): MappingRow {
  let stored = 0n;
  let inParents = 0n;
  let lazy = 0n;
  let missing = 0n;
  for (const run of space.runs(mapping.start, mapping.end)) {
    const size = run.end - run.start;
    if (run.state === 'lazy') lazy += size;
    else if (run.state === 'missing') missing += size;
    else if (run.link === 0) stored += size;
    else inParents += size;
  }
  const { start, end, perms, kind, name, pgoff } = mapping;
  return { pid: space.task.pid, start, end, size: end - start, perms, kind, name, pgoff, stored, inParents, lazy, missing };
}

export interface MemorySums { mapped: bigint; stored: bigint; inParents: bigint; lazy: bigint; missing: bigint }

export function sumsOf(rows: Iterable<MappingRow>): MemorySums {
  const sums: MemorySums = { mapped: 0n, stored: 0n, inParents: 0n, lazy: 0n, missing: 0n };
  for (const row of rows) {
    sums.mapped += row.size;
    sums.stored += row.stored;
    sums.inParents += row.inParents;
    sums.lazy += row.lazy;
    sums.missing += row.missing;
  }
  return sums;
}

export const liveTasks = (set: OpenSet): Task[] => [...set.tree.tasks.values()].filter((task) => !isDead(task) && task.mm !== undefined);
