/**
 * The set a dump builds on: which pages it (or one before it) has, and what is in them. Read before anything is frozen and checked then:
 * a parent that cannot be used is refused while nothing has happened yet.
 */
import { closeSync, existsSync, openSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { CoreError, core, MARKS_BAD, PAGE, PageFlag, type PageMap, type Ranges, type Snapshot } from '../core/node.ts';
import { dataExtents } from '../dump/extents.ts';
import { StillframeError } from '../errors.ts';
import type { Helper } from '../helper/client.ts';
import { DirectorySet } from '../image/node/directory.ts';
import type { inventory_entry } from '../image/schema/index.ts';
import { readInventory } from '../image/tree-read.ts';
import { fileNames } from '../image/tree.ts';
import { hashFile, readHashes } from './hashes.ts';

const SIZE = BigInt(PAGE);

/** Whose pages: a task's, or those of a memory file. */
export type Owner = { readonly pid: number } | { readonly shmid: bigint };
export const ownerFile = (owner: Owner): string => ('pid' in owner ? fileNames.pagemap(owner.pid) : fileNames.shmem(owner.shmid));

/** Pages `[start, end)` at byte `offset` of a pages file of one set of the chain. */
export interface StoredRun { readonly start: bigint; readonly end: bigint; readonly set: DirectorySet; readonly pagesId: number; readonly offset: bigint }

const hex = (n: bigint): string => `0x${n.toString(16)}`;

export class ParentSet {
  readonly inventory: inventory_entry;
  readonly #maps = new Map<string, PageMap | undefined>();

  private constructor(readonly set: DirectorySet) {
    this.inventory = readInventory(set);
  }

  /**
   * @param link the directory as it was given: relative to the images directory
   * @throws StillframeError when it is missing, no finished image set, the images directory itself, or damaged
   */
  static open(imagesDir: string, link: string): ParentSet {
    const path = resolve(imagesDir, link);
    if (!existsSync(path)) throw refused(link, `there is no ${path}`, 'The directory is relative to the images directory (-D): write it as ../NAME');
    const set = new DirectorySet(path);
    const own = statSync(imagesDir), theirs = statSync(path);
    try {
      if (own.dev === theirs.dev && own.ino === theirs.ino) throw refused(link, 'it is the images directory itself', 'Name the directory of the dump before');
      if (set.open('inventory.img') === undefined) {
        const images = set.names().some((name) => name.endsWith('.img'));
        throw refused(link, images ? 'it holds a dump that did not finish (inventory.img is missing)' : 'it is not an image set (inventory.img is missing)', 'Name the directory of the dump or pre-dump before, or leave the option out: everything is written then');
      }
      const parent = new ParentSet(set);
      parent.#checkAll();
      return parent;
    } catch (error) {
      set.close();
      throw error;
    }
  }

  get label(): string { return this.set.label; }

  /** What tracking since this set is known by. */
  get runId(): string | undefined { return this.inventory.dump_criu_run_id; }

  /** Whether a process that started then can be the one of the parent set. @param startTime clock ticks after boot */
  mayKnow(startTime: bigint, ticksPerSecond = 100n): boolean {
    const { dump_uptime } = this.inventory;
    return dump_uptime === undefined || startTime < dump_uptime / (1_000_000n / ticksPerSecond);
  }

  /** Every set below, every page map of it and all they refer to. @throws StillframeError */
  #checkAll(): void {
    for (let below = this.set.parent(); below !== undefined; below = below.parent()) readInventory(below);
    for (const name of this.set.names()) {
      const [, shared, id] = /^pagemap-(shmem-)?(\d+)\.img$/u.exec(name) ?? [];
      if (id !== undefined) this.#checkChain(shared === undefined ? { pid: Number(id) } : { shmid: BigInt(id) });
    }
  }

  /** Whether the pages that each set leaves to the one below are there. */
  #checkChain(owner: Owner): void {
    for (let set: DirectorySet | undefined = this.set, below: DirectorySet | undefined; set !== undefined; set = below) {
      const left = this.#ranges(set, owner, PageFlag.PARENT);
      if (left.length === 0) return;
      const parent = set.parent();
      below = parent instanceof DirectorySet ? parent : undefined;
      const [start, end] = core.ranges.subtract(left, below === undefined ? new BigUint64Array(0) : this.#ranges(below, owner, PageFlag.PRESENT | PageFlag.PARENT));
      if (start !== undefined && end !== undefined) throw notBelow(set, owner, start, end);
    }
  }

  /** Whether it has pages of this owner. */
  has(owner: Owner): boolean { return this.#map(this.set, owner) !== undefined; }

  /** Addresses of pages that a set on top may leave to it, flat. */
  coverage(owner: Owner): Ranges { return this.#ranges(this.set, owner, PageFlag.PRESENT | PageFlag.PARENT); }

  /** Addresses of a set's entries that have one of some flags, flat. */
  #ranges(set: DirectorySet, owner: Owner, flags: number): Ranges {
    const map = this.#map(set, owner);
    return map === undefined ? new BigUint64Array(0) : rangesOf(map, flags);
  }

  /** Where an owner's pages are, through the chain, in address order. @throws StillframeError when one is nowhere */
  runs(owner: Owner): StoredRun[] { return this.#runs(this.set, owner); }

  #runs(set: DirectorySet, owner: Owner): StoredRun[] {
    const map = this.#map(set, owner);
    if (map === undefined) return [];
    const out: StoredRun[] = [];
    let above: StoredRun[] | undefined;
    let from = 0;
    for (let i = 0; i < map.count; i++) {
      const start = map.vaddr[i]!, end = start + map.nrPages[i]! * SIZE, flags = map.flags[i]!;
      if ((flags & PageFlag.PRESENT) !== 0) {
        out.push({ start, end, set, pagesId: map.pagesId, offset: map.offset[i]! });
      } else if ((flags & PageFlag.PARENT) !== 0) {
        const parent = set.parent();
        above ??= parent instanceof DirectorySet ? this.#runs(parent, owner) : [];
        while (from < above.length && above[from]!.end <= start) from++;
        const found = inside(above, start, end, from);
        if (found.reduce((sum, run) => sum + run.end - run.start, 0n) !== end - start) {
          throw notBelow(set, owner, start, end);
        }
        out.push(...found);
      }
    }
    return out;
  }

  #map(set: DirectorySet, owner: Owner): PageMap | undefined {
    const name = ownerFile(owner), key = `${set.label}/${name}`;
    if (!this.#maps.has(key)) this.#maps.set(key, readMap(set, name));
    return this.#maps.get(key);
  }

  /** Hashes of the pages in `wanted` (flat, sorted, all in `coverage`), as somebody who reads the chain finds them. */
  snapshot(owner: Owner, wanted: Ranges, helper: Helper): Snapshot {
    const files = new Map<string, BigUint64Array>();
    const count = Number(total(wanted) / SIZE);
    const pages = new BigUint64Array(count), hashes = new BigUint64Array(2 * count);
    let at = 0;
    const runs = this.runs(owner);
    for (let i = 0, from = 0; i < wanted.length; i += 2) {
      while (from < runs.length && runs[from]!.end <= wanted[i]!) from++;
      for (const run of inside(runs, wanted[i]!, wanted[i + 1]!, from)) {
        const key = `${run.set.label} ${run.pagesId}`;
        let all = files.get(key);
        if (all === undefined) files.set(key, all = pageHashes(run.set, run.pagesId, helper));
        const n = Number((run.end - run.start) / SIZE), first = Number(run.offset / SIZE);
        hashes.set(all.subarray(2 * first, 2 * (first + n)), 2 * at);
        for (let k = 0; k < n; k++) pages[at + k] = run.start / SIZE + BigInt(k);
        at += n;
      }
    }
    return { pages: pages.subarray(0, at), hashes: hashes.subarray(0, 2 * at) };
  }

  close(): void { this.set.close(); }
}

/**
 * Hashes of what a pages file really holds. Those beside it are believed where it has data: what was punched out since (dedup) is zeros by now,
 * whatever they say.
 */
function pageHashes(set: DirectorySet, pagesId: number, helper: Helper): BigUint64Array {
  const path = set.path(fileNames.pages(pagesId));
  const size = BigInt(statSync(path).size);
  const stored = readHashes(set, pagesId);
  if (stored === undefined || BigInt(stored.length / 2) * SIZE !== size) return hashFile(path);
  const fd = openSync(path, 'r');
  try {
    const [low, high] = core.pages.hash(new Uint8Array(PAGE));
    let hole = 0n;
    const zero = (from: bigint, to: bigint): void => {
      for (let page = Number(from / SIZE); page < Number(to / SIZE); page++) {
        stored[2 * page] = low!;
        stored[2 * page + 1] = high!;
      }
    };
    for (const { start, end } of dataExtents(helper, fd, size)) {
      zero(hole + SIZE - 1n, start);
      hole = end;
    }
    zero(hole + SIZE - 1n, size);
    return stored;
  } finally {
    closeSync(fd);
  }
}

/** A page map of a set, checked together with its pages file; undefined when there is none. @throws StillframeError: damaged */
export function readMap(set: DirectorySet, name: string): PageMap | undefined {
  const file = set.open(name);
  if (file === undefined) return undefined;
  const where = `${set.label}/${name}`;
  let map: PageMap;
  try {
    map = core.pagemap.decode(file.range(0, file.size));
  } catch (error) {
    throw damaged(where, error instanceof CoreError ? error.of(where).message : String(error), error);
  }
  if ((map.allMarks & MARKS_BAD) !== 0) throw damaged(where, 'its entries make no sense');
  let pages = 0n;
  for (let i = 0; i < map.count; i++) if ((map.flags[i]! & PageFlag.PRESENT) !== 0) pages += map.nrPages[i]!;
  const stored = set.open(fileNames.pages(map.pagesId))?.size ?? 0;
  if (BigInt(stored) < pages * SIZE) throw damaged(`${set.label}/${fileNames.pages(map.pagesId)}`, `it has ${stored} bytes, and ${name} says that ${pages} pages are in it`);
  return map;
}

/** Addresses of a map's entries that have one of some flags, flat. */
export function rangesOf(map: PageMap, flags: number): Ranges {
  const flat = new BigUint64Array(2 * map.count);
  let n = 0;
  for (let i = 0; i < map.count; i++) {
    if ((map.flags[i]! & flags) === 0) continue;
    flat[n++] = map.vaddr[i]!;
    flat[n++] = map.vaddr[i]! + map.nrPages[i]! * SIZE;
  }
  return core.ranges.normalise(flat.subarray(0, n));
}

/** The parts of sorted runs inside [start, end). */
function inside(runs: readonly StoredRun[], start: bigint, end: bigint, from = 0): StoredRun[] {
  const out: StoredRun[] = [];
  for (let i = from; i < runs.length && runs[i]!.start < end; i++) {
    const run = runs[i]!;
    if (run.end <= start) continue;
    const low = run.start > start ? run.start : start, high = run.end < end ? run.end : end;
    out.push({ ...run, start: low, end: high, offset: run.offset + (low - run.start) });
  }
  return out;
}

/** Bytes in flat ranges. */
export function total(ranges: Ranges): bigint {
  let sum = 0n;
  for (let i = 0; i < ranges.length; i += 2) sum += ranges[i + 1]! - ranges[i]!;
  return sum;
}

function refused(link: string, why: string, remedy: string): StillframeError {
  return new StillframeError({ doing: 'dump', where: `--prev-images-dir ${link}`, why, remedy });
}

const notBelow = (set: DirectorySet, owner: Owner, start: bigint, end: bigint): StillframeError =>
  damaged(`${set.label}/${ownerFile(owner)}`, `pages ${hex(start)}-${hex(end)} should be in the set it builds on, which ${set.parent() === undefined ? 'is not there' : 'does not have them'}`);

function damaged(where: string, why: string, cause?: unknown): StillframeError {
  return new StillframeError({ doing: 'dump', where, why, cause, remedy: 'The parent set is damaged or incomplete. Leave out --prev-images-dir: everything is written then' });
}
