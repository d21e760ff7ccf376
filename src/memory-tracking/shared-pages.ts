/**
 * `dump --dedup-pages`: pages that tasks have in common with the one they were forked from are kept once. What the format offers for it is the parent
 * set: in DIR/shared, the `parent` of DIR, the page maps of a task (the origin) and of those that share with it (its heirs) are the same and name
 * the same pages file, the origin's; in DIR the page map of an heir leaves to it what it has in common with the origin, at the same addresses, and
 * has the rest. That its page map in DIR/shared tells of more than it has does no harm: nobody looks there for what DIR does not leave to it.
 *
 * The set is complete before and after, and at each moment between: a file is replaced when what it refers to is there.
 */
import { closeSync, copyFileSync, ftruncateSync, linkSync, lstatSync, mkdirSync, openSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync, writeSync } from 'node:fs';
import { NO_MAPPING, PAGE, PageFlag, core, type PageMap, type Ranges } from '../core/node.ts';
import type { ByteSource } from '../image/codec.ts';
import type { DirectorySet } from '../image/node/directory.ts';
import { fileNames } from '../image/tree.ts';
import { rangesOf, readMap, total } from './parent.ts';

const SIZE = BigInt(PAGE);
/** Bytes compared or copied at a time. */
const PIECE = 1 << 20;
/** Fewer pages are not worth a second page map. */
const WORTH = 16n * SIZE;
/** Names in the set. */
const SHARED = 'shared', PARENT = 'parent', UNFINISHED = '.new';

/** A task with pages, and the task it was forked from. */
export interface Relative { readonly pid: number; readonly ppid: number }

export interface Sharing {
  /** Bytes that are kept once less. */
  readonly saved: bigint;
  /** Tasks that share with another. */
  readonly heirs: number;
}

interface Heir { readonly pid: number; readonly map: PageMap; readonly common: Ranges }

/**
 * @param set complete, with nothing in the way (`inTheWay`)
 * @param tasks parents before their children
 * @param newPagesId a number that no pages file of the set has
 * @throws when the file system fails; the set is complete then as well
 */
export function sharePages(set: DirectorySet, tasks: readonly Relative[], newPagesId: () => number): Sharing {
  const maps = new Map<number, PageMap>();
  for (const { pid } of tasks) {
    const map = readMap(set, fileNames.pagemap(pid));
    if (map !== undefined && map.count > 0) maps.set(pid, map);
  }
  const families = findFamilies(set, tasks, maps);
  const heirs = [...families.values()].flat();
  if (heirs.length === 0) return { saved: 0n, heirs: 0 };
  const rewritten = [...heirs, ...[...families.keys()].map((pid) => whole(pid, maps.get(pid)!))].map((one) => ({ ...one, pagesId: newPagesId() }));
  try {
    makeShared(set, families, maps);
    for (const { pid, pagesId, map, common } of rewritten) {
      writeFileSync(set.path(`${fileNames.pagemap(pid)}${UNFINISHED}`), ownMap(pagesId, map, common));
      copyRest(set, pagesId, map, common);
    }
    renameSync(set.path(`${SHARED}${UNFINISHED}`), set.path(SHARED));
    symlinkSync(SHARED, set.path(PARENT));
  } catch (error) {
    takeBack(set, rewritten);
    throw error;
  }
  for (const { pid } of rewritten) renameSync(set.path(`${fileNames.pagemap(pid)}${UNFINISHED}`), set.path(fileNames.pagemap(pid)));
  for (const { map } of rewritten) unlinkSync(set.path(fileNames.pages(map.pagesId)));
  return { saved: heirs.reduce((sum, { common }) => sum + total(common), 0n), heirs: heirs.length };
}

/** What of a directory is in the way of sharing; undefined: nothing. @param path of a name in it */
export const inTheWay = (path: (name: string) => string): string | undefined => [SHARED, PARENT].find((name) => lstatSync(path(name), { throwIfNoEntry: false }) !== undefined);

/**
 * Heirs by their origin. An heir is nobody's origin, as in a set below a task has one page map: a task whose children have more in common with it than
 * with where it came from becomes an origin itself.
 */
function findFamilies(set: DirectorySet, tasks: readonly Relative[], maps: ReadonlyMap<number, PageMap>): Map<number, Heir[]> {
  const parents = parentsWithPages(tasks, maps);
  const withParent = new Map([...parents].map(([pid, parent]) => [pid, commonPages(set, maps.get(parent)!, maps.get(pid)!)]));
  const children = new Map<number, bigint[]>();
  for (const [pid, parent] of parents) children.set(parent, [...children.get(parent) ?? [], total(withParent.get(pid)!)]);
  const families = new Map<number, Heir[]>();
  const originOf = new Map<number, number>();
  for (const [pid, map] of maps) {
    const parent = parents.get(pid), origin = originOf.get(parent ?? 0);
    const common = origin === undefined ? new BigUint64Array(0) : origin === parent ? withParent.get(pid)! : commonPages(set, maps.get(origin)!, map);
    const own = total(common), theirs = children.get(pid) ?? [];
    const asHeir = theirs.reduce((sum, bytes) => sum + (bytes < own ? bytes : own), own);
    const isHeir = own >= WORTH && theirs.reduce((sum, bytes) => sum + bytes, 0n) <= asHeir;
    originOf.set(pid, isHeir ? origin! : pid);
    if (isHeir) families.set(origin!, [...families.get(origin!) ?? [], { pid, map, common }]);
  }
  return families;
}

/** The nearest ancestor with pages of its own: who has none, as it has ended or shares its parent's memory, passes on what it came from. */
function parentsWithPages(tasks: readonly Relative[], maps: ReadonlyMap<number, PageMap>): Map<number, number> {
  const nearest = new Map<number, number>(), parents = new Map<number, number>();
  for (const { pid, ppid } of tasks) {
    const parent = maps.has(ppid) ? ppid : nearest.get(ppid);
    if (parent === undefined) continue;
    nearest.set(pid, parent);
    if (maps.has(pid)) parents.set(pid, parent);
  }
  return parents;
}

const whole = (pid: number, map: PageMap): Heir => ({ pid, map, common: rangesOf(map, PageFlag.PRESENT) });

interface Run { readonly start: bigint; readonly end: bigint; readonly offset: bigint; readonly flags: number }

/** What a map's file holds, in address order. */
function runsOf(map: PageMap): Run[] {
  const runs: Run[] = [];
  for (let i = 0; i < map.count; i++) {
    const flags = map.flags[i]!;
    if ((flags & PageFlag.PRESENT) !== 0) runs.push({ start: map.vaddr[i]!, end: map.vaddr[i]! + map.nrPages[i]! * SIZE, offset: map.offset[i]!, flags });
  }
  return runs;
}

const flat = (runs: readonly Run[]): Ranges => BigUint64Array.from(runs.flatMap(({ start, end }) => [start, end]));

/** Of a set's pages files. */
const pagesOf = (set: DirectorySet, { pagesId }: PageMap): ByteSource => {
  const file = set.open(fileNames.pages(pagesId));
  if (file === undefined) throw new Error(`${set.label}/${fileNames.pages(pagesId)} is missing`);
  return file;
};

/** Offsets and sizes of the pieces of a part of a file. */
function* piecesOf(size: bigint): Generator<[at: bigint, bytes: number]> {
  for (let at = 0n; at < size; at += BigInt(PIECE)) yield [at, Number(size - at < PIECE ? size - at : BigInt(PIECE))];
}

/** Addresses at which both files have the same page, flat. */
function commonPages(set: DirectorySet, a: PageMap, b: PageMap): Ranges {
  const [inA, inB] = [runsOf(a), runsOf(b)], [fileA, fileB] = [pagesOf(set, a), pagesOf(set, b)];
  const both = core.ranges.split(flat(inA), flat(inB)).filter(({ mapping }) => mapping !== NO_MAPPING);
  const different: bigint[] = [];
  for (const { start, end, range, mapping } of both) {
    const [x, y] = [inA[range]!, inB[mapping]!];
    for (const [at, size] of piecesOf(end - start)) {
      const bits = core.pages.differing(fileA.range(Number(x.offset + (start + at - x.start)), size), fileB.range(Number(y.offset + (start + at - y.start)), size));
      if (bits.count > 0) for (const page of core.pages.ranges(bits, (start + at) / SIZE)) different.push(page * SIZE);
    }
  }
  const shared = core.ranges.normalise(BigUint64Array.from(both.flatMap(({ start, end }) => [start, end])));
  return core.ranges.subtract(shared, core.ranges.normalise(BigUint64Array.from(different)));
}

/** The set of the origins' pages, under a name that nobody looks for yet. */
function makeShared(set: DirectorySet, families: ReadonlyMap<number, readonly Heir[]>, maps: ReadonlyMap<number, PageMap>): void {
  const path = (name: string): string => set.path(`${SHARED}${UNFINISHED}/${name}`);
  rmSync(path(''), { recursive: true, force: true }); // of one that was killed
  mkdirSync(path(''), { mode: 0o755 });
  copyFileSync(set.path('inventory.img'), path('inventory.img'));
  for (const [origin, heirs] of families) {
    for (const pid of [origin, ...heirs.map((heir) => heir.pid)]) copyFileSync(set.path(fileNames.pagemap(origin)), path(fileNames.pagemap(pid)));
    const pages = fileNames.pages(maps.get(origin)!.pagesId);
    try {
      linkSync(set.path(pages), path(pages));
    } catch {
      copyFileSync(set.path(pages), path(pages)); // a file system without links
    }
  }
}

/** A map's runs, cut where what is common begins or ends. */
function parts(map: PageMap, common: Ranges): (Run & { readonly shared: boolean })[] {
  const runs = runsOf(map);
  return core.ranges.split(flat(runs), common).map(({ start, end, range, mapping }) => {
    const run = runs[range]!;
    return { start, end, offset: run.offset + (start - run.start), flags: run.flags, shared: mapping !== NO_MAPPING };
  });
}

/** The map of a task in the set itself. @param common what it leaves to the parent set */
function ownMap(pagesId: number, map: PageMap, common: Ranges): Uint8Array {
  const all = parts(map, common);
  return core.pagemap.encode(pagesId, {
    vaddr: BigUint64Array.from(all, ({ start }) => start), nrPages: BigUint64Array.from(all, ({ start, end }) => (end - start) / SIZE),
    flags: Uint32Array.from(all, ({ shared, flags }) => (shared ? PageFlag.PARENT : flags)),
  });
}

/** What is not left to the parent set, in a pages file of its own. Pages that are zeros stay holes. */
function copyRest(set: DirectorySet, pagesId: number, map: PageMap, common: Ranges): void {
  const from = pagesOf(set, map);
  const to = openSync(set.path(fileNames.pages(pagesId)), 'wx', 0o644);
  try {
    let written = 0;
    for (const { start, end, offset, shared } of parts(map, common)) {
      if (shared) continue;
      for (const [at, size] of piecesOf(end - start)) {
        writePages(to, written, from.range(Number(offset + at), size));
        written += size;
      }
    }
    ftruncateSync(to, written);
  } finally {
    closeSync(to);
  }
}

function writePages(fd: number, offset: number, bytes: Uint8Array): void {
  const zeros = core.pages.ranges(core.pages.zero(bytes));
  let from = 0;
  for (let i = 0; i <= zeros.length; i += 2) {
    const to = i < zeros.length ? Number(zeros[i]!) * PAGE : bytes.length;
    for (let at = from; at < to;) at += writeSync(fd, bytes, at, to - at, offset + at);
    from = i < zeros.length ? Number(zeros[i + 1]!) * PAGE : bytes.length;
  }
}

function takeBack(set: DirectorySet, rewritten: readonly { readonly pid: number; readonly pagesId: number }[]): void {
  const names = rewritten.flatMap(({ pid, pagesId }) => [`${fileNames.pagemap(pid)}${UNFINISHED}`, fileNames.pages(pagesId)]);
  for (const name of [PARENT, SHARED, `${SHARED}${UNFINISHED}`, ...names]) rmSync(set.path(name), { recursive: true, force: true });
}
