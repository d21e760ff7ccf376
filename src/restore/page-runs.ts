/** Where the pages of a task or of a shared memory object lie: runs of pages in pages files, through chains of parent sets. */
import { StillframeError } from '../errors.ts';
import { fileNames, pageFlags, pagesOf, PE_PARENT, PE_PRESENT, type FrozenTree, type PageMap } from '../image/tree.ts';

const PAGE = 4096n;

/** Where pages are: a set, or one below it that may be a mere pre-dump. */
export interface PageSource {
  /** As a person knows it: the directory. */
  readonly name: string;
  readonly parent?: PageSource;
  pageMap(owner: PageOwner): PageMap | undefined;
}

/** An image set and the set it is an increment of. */
export interface SourceSet extends PageSource {
  readonly tree: FrozenTree;
}

/** Pages `[start, end)` at byte `offset` of a pages file. */
export interface PageRun {
  readonly start: bigint;
  readonly end: bigint;
  readonly set: PageSource;
  readonly pagesId: number;
  readonly offset: bigint;
}

export interface Range { readonly start: bigint; readonly end: bigint }

/** Which page map: of a task or of a shared memory object. */
export type PageOwner = { readonly pid: number } | { readonly shmid: bigint };

export function pageMapOf(tree: FrozenTree, owner: PageOwner): PageMap | undefined {
  return 'pid' in owner ? tree.tasks.get(owner.pid)?.pagemap : tree.shmem.get(owner.shmid);
}

export function ownerFile(owner: PageOwner): string {
  return 'pid' in owner ? fileNames.pagemap(owner.pid) : fileNames.shmem(owner.shmid);
}

/**
 * All runs of an owner in address order; pages in a parent set are looked up there.
 * @throws StillframeError when a page is said to be in a parent set that has no such page
 */
export function pageRuns(set: PageSource, owner: PageOwner): PageRun[] {
  const map = set.pageMap(owner);
  if (map === undefined) return [];
  const known = RUNS.get(map);
  if (known !== undefined && known.count === map.entries.length) return known.runs;
  const runs: PageRun[] = [];
  let offset = 0n;
  let parent: PageRun[] | undefined;
  for (const entry of map.entries) {
    const size = pagesOf(entry) * PAGE;
    const [start, end] = [entry.vaddr, entry.vaddr + size];
    const flags = pageFlags(entry);
    if ((flags & PE_PRESENT) !== 0) {
      runs.push({ start, end, set, pagesId: map.pages_id, offset });
      offset += size;
    } else if ((flags & PE_PARENT) !== 0) {
      parent ??= set.parent === undefined ? [] : pageRuns(set.parent, owner);
      const found = cut(parent, [{ start, end }]);
      if (total(found) !== size) throw missing(set, owner, start, end);
      runs.push(...found);
    }
  }
  RUNS.set(map, { count: map.entries.length, runs });
  return runs;
}
/** Runs are asked for when a set is checked and when it is compiled. */
const RUNS = new WeakMap<PageMap, { readonly count: number; readonly runs: PageRun[] }>();

function missing(set: PageSource, owner: PageOwner, start: bigint, end: bigint): StillframeError {
  return new StillframeError({
    doing: 'restore', where: `${set.name}/${ownerFile(owner)}`,
    why: `pages 0x${start.toString(16)}-0x${end.toString(16)} are said to be in the parent set, ${set.parent === undefined ? "but the set has no 'parent' link" : `but ${set.parent.name} does not have them`}`,
    remedy: "Put the sets of the chain back side by side, as the 'parent' links expect them",
  });
}

export function total(ranges: readonly Range[]): bigint {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0n);
}

/** The parts of sorted runs that lie inside sorted, disjoint ranges. */
export function cut(runs: readonly PageRun[], ranges: readonly Range[]): PageRun[] {
  const out: PageRun[] = [];
  let i = 0;
  for (const range of ranges) {
    while (i > 0 && runs[i - 1]!.end > range.start) i--;
    while (i < runs.length && runs[i]!.end <= range.start) i++;
    for (; i < runs.length && runs[i]!.start < range.end; i++) {
      const run = runs[i]!;
      const start = run.start > range.start ? run.start : range.start;
      const end = run.end < range.end ? run.end : range.end;
      out.push(start === run.start && end === run.end ? run : { ...run, start, end, offset: run.offset + (start - run.start) });
    }
  }
  return out;
}

/** The parts of sorted runs that lie in each of sorted, disjoint ranges. */
export function distribute(runs: readonly PageRun[], ranges: readonly Range[]): (readonly PageRun[])[] {
  let i = 0;
  return ranges.map((range) => {
    while (i < runs.length && runs[i]!.end <= range.start) i++;
    if (i >= runs.length || runs[i]!.start >= range.end) return NO_RUNS;
    let end = i + 1;
    while (end < runs.length && runs[end]!.start < range.end) end++;
    return cut(runs.slice(i, end), [range]);
  });
}
const NO_RUNS: readonly PageRun[] = [];

/** Sorted disjoint ranges `a` without `b` (sorted). */
export function subtract(a: readonly Range[], b: readonly Range[]): Range[] {
  const out: Range[] = [];
  let i = 0;
  for (const range of a) {
    let from = range.start;
    while (i > 0 && i <= b.length && b[i - 1]!.end > from) i--;
    while (i < b.length && b[i]!.end <= from) i++;
    for (; i < b.length && b[i]!.start < range.end; i++) {
      if (b[i]!.start > from) out.push({ start: from, end: b[i]!.start });
      if (b[i]!.end > from) from = b[i]!.end;
    }
    if (from < range.end) out.push({ start: from, end: range.end });
  }
  return out;
}

/** Sorted ranges with those that touch joined. */
export function join(ranges: readonly Range[]): Range[] {
  const out: { start: bigint; end: bigint }[] = [];
  for (const { start, end } of [...ranges].sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0))) {
    const last = out.at(-1);
    if (last !== undefined && last.end >= start) last.end = last.end > end ? last.end : end;
    else out.push({ start, end });
  }
  return out;
}
