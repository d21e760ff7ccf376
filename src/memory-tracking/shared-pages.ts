/**
 * `dump --dedup-pages`: pages that tasks have in common with the one they were forked from are kept once. What the format offers for it is the parent
 * set: in DIR/shared, the `parent` of DIR, the page maps of a task (the origin) and of those that share with it (its heirs) are the same and name
 * the same pages file, the origin's; in DIR the page map of an heir leaves to it what it has in common with the origin, at the same addresses, and
 * has the rest. That its page map in DIR/shared tells of more than it has does no harm: nobody looks there for what DIR does not leave to it.
 *
 * The set is complete before and after, and at each moment between: a file is replaced when what it refers to is there.
 */
import { closeSync, copyFileSync, ftruncateSync, linkSync, lstatSync, mkdirSync, openSync, readSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync, writeSync } from 'node:fs';
import { PAGE, PageFlag, core, type PageMap, type Ranges } from '../core/node.ts';
import type { DirectorySet } from '../image/node/directory.ts';
import { fileNames } from '../image/tree.ts';
import { readMap, total } from './parent.ts';

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
    makeShared(set, families);
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
  const families = new Map<number, Heir[]>();
  const originOf = new Map<number, number>();
  for (const [pid, map] of maps) {
    const parent = parents.get(pid), origin = originOf.get(parent ?? 0);
    const common = origin === undefined ? new BigUint64Array(0) : origin === parent ? withParent.get(pid)! : commonPages(set, maps.get(origin)!, map);
    const children = [...parents].filter(([, of]) => of === pid).map(([child]) => total(withParent.get(child)!));
    const asHeir = children.reduce((sum, theirs) => sum + (theirs < total(common) ? theirs : total(common)), total(common));
    const isHeir = total(common) >= WORTH && children.reduce((sum, theirs) => sum + theirs, 0n) <= asHeir;
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

const whole = (pid: number, map: PageMap): Heir => ({ pid, map, common: stored(map) });

/** Addresses of the pages that a map's file holds, flat. */
function stored(map: PageMap): Ranges {
  return core.ranges.normalise(BigUint64Array.from([...runsOf(map)].flatMap(({ start, end }) => [start, end])));
}

interface Run { readonly start: bigint; readonly end: bigint; readonly offset: bigint; readonly flags: number }

function* runsOf(map: PageMap): Generator<Run> {
  for (let i = 0; i < map.count; i++) {
    const flags = map.flags[i]!;
    if ((flags & PageFlag.PRESENT) !== 0) yield { start: map.vaddr[i]!, end: map.vaddr[i]! + map.nrPages[i]! * SIZE, offset: map.offset[i]!, flags };
  }
}

/** Addresses at which both files have the same page, flat. */
function commonPages(set: DirectorySet, a: PageMap, b: PageMap): Ranges {
  const both = core.ranges.intersect(stored(a), stored(b));
  const different: bigint[] = [];
  const files = [a, b].map(({ pagesId }) => openSync(set.path(fileNames.pages(pagesId)), 'r'));
  try {
    const [inA, inB] = [[...runsOf(a)], [...runsOf(b)]];
    let [i, k] = [0, 0];
    while (i < inA.length && k < inB.length) {
      const [x, y] = [inA[i]!, inB[k]!];
      const start = x.start > y.start ? x.start : y.start, end = x.end < y.end ? x.end : y.end;
      for (let at = start; at < end; at += BigInt(PIECE)) {
        const size = Number(end - at < PIECE ? end - at : BigInt(PIECE));
        const bits = core.pages.differing(readPiece(files[0]!, x.offset + (at - x.start), size), readPiece(files[1]!, y.offset + (at - y.start), size));
        if (bits.count > 0) for (const page of core.pages.ranges(bits, at / SIZE)) different.push(page * SIZE);
      }
      if (x.end <= y.end) i++;
      if (y.end <= x.end) k++;
    }
  } finally {
    files.forEach((fd) => { closeSync(fd); });
  }
  return core.ranges.subtract(both, core.ranges.normalise(BigUint64Array.from(different)));
}

function readPiece(fd: number, offset: bigint, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let done = 0; done < size;) {
    const got = readSync(fd, bytes, done, size - done, Number(offset) + done);
    if (got === 0) throw new Error(`a pages file ended ${size - done} bytes early`);
    done += got;
  }
  return bytes;
}

/** The set of the origins' pages, under a name that nobody looks for yet. */
function makeShared(set: DirectorySet, families: ReadonlyMap<number, readonly Heir[]>): void {
  const path = (name: string): string => set.path(`${SHARED}${UNFINISHED}/${name}`);
  rmSync(path(''), { recursive: true, force: true }); // of one that was killed
  mkdirSync(path(''), { mode: 0o755 });
  copyFileSync(set.path('inventory.img'), path('inventory.img'));
  for (const [origin, heirs] of families) {
    const name = fileNames.pagemap(origin);
    for (const pid of [origin, ...heirs.map((heir) => heir.pid)]) copyFileSync(set.path(name), path(fileNames.pagemap(pid)));
    const pages = fileNames.pages(readMap(set, name)!.pagesId);
    try {
      linkSync(set.path(pages), path(pages));
    } catch {
      copyFileSync(set.path(pages), path(pages)); // a file system without links
    }
  }
}

/** The map of a task in the set itself. @param common what it leaves to the parent set */
function ownMap(pagesId: number, map: PageMap, common: Ranges): Uint8Array {
  const vaddr: bigint[] = [], nrPages: bigint[] = [], flags: number[] = [];
  const add = (start: bigint, end: bigint, flag: number): void => {
    vaddr.push(start);
    nrPages.push((end - start) / SIZE);
    flags.push(flag);
  };
  for (const { start, end, shared, flags: own } of pieces(map, common)) add(start, end, shared ? PageFlag.PARENT : own);
  return core.pagemap.encode(pagesId, { vaddr: BigUint64Array.from(vaddr), nrPages: BigUint64Array.from(nrPages), flags: Uint32Array.from(flags) });
}

/** A map's runs, cut where what is common begins or ends. */
function* pieces(map: PageMap, common: Ranges): Generator<Run & { readonly shared: boolean }> {
  let r = 0;
  for (const run of runsOf(map)) {
    for (let at = run.start; at < run.end;) {
      while (r < common.length && common[r + 1]! <= at) r += 2;
      const [from = run.end, to = run.end] = [common[r], common[r + 1]];
      const shared = from <= at;
      const limit = shared ? to : from;
      const end = limit < run.end ? limit : run.end;
      yield { ...run, start: at, end, offset: run.offset + (at - run.start), shared };
      at = end;
    }
  }
}

/** What is not left to the parent set, in a pages file of its own. Pages that are zeros stay holes. */
function copyRest(set: DirectorySet, pagesId: number, map: PageMap, common: Ranges): void {
  const from = openSync(set.path(fileNames.pages(map.pagesId)), 'r');
  const to = openSync(set.path(fileNames.pages(pagesId)), 'wx', 0o644);
  try {
    let at = 0;
    for (const { start, end, offset, shared } of pieces(map, common)) {
      if (shared) continue;
      for (let done = 0n; done < end - start;) {
        const size = Number(end - start - done < PIECE ? end - start - done : BigInt(PIECE));
        writePages(to, at, readPiece(from, offset + done, size));
        at += size;
        done += BigInt(size);
      }
    }
    ftruncateSync(to, at);
  } finally {
    closeSync(from);
    closeSync(to);
  }
}

function writePages(fd: number, offset: number, bytes: Uint8Array): void {
  const zero = core.pages.zero(bytes);
  const zeros = core.pages.ranges(zero);
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
