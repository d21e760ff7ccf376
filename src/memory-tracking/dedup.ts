/**
 * Freeing what is not needed any more in image sets: pages of a set's parents that the set itself has newer (`dedup`, `--auto-dedup` of dump and
 * pre-dump), pages that a restore has brought into memory (`restore --auto-dedup`). The files keep their sizes and get holes.
 */
import { PAGE, PageFlag, type PageMap, type Ranges } from '../core/node.ts';
import { StillframeError } from '../errors.ts';
import type { Helper } from '../helper/client.ts';
import { DirectorySet } from '../image/node/directory.ts';
import { bytesOf } from '../image/text.ts';
import { fileNames } from '../image/tree.ts';
import { Program } from '../program/program.ts';
import { rangesOf, readMap } from './parent.ts';

const SIZE = BigInt(PAGE);
/** fallocate: FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE (<linux/falloc.h>) */
const PUNCH = 3;
const O_RDWR = 2;
/** Holes asked for in one request. */
const BATCH = 4096;
const MAP_NAME = /^pagemap-(?:shmem-)?\d+\.img$/u;

/** Bytes at an offset of a file. */
export interface Hole { readonly offset: bigint; readonly size: bigint }

/** @param path as the helper reaches it @throws StillframeError: the file system cannot, or the file is read-only */
export function punch(helper: Helper, path: string, holes: readonly Hole[]): void {
  const remedy = { EOPNOTSUPP: 'The file system has no holes: leave the option out', EROFS: 'Its file system is mounted read-only', EACCES: 'The user running this may not write to it' };
  for (let at = 0; at < holes.length; at += BATCH) {
    const program = new Program('helper').resource(path);
    const fd = program.call('openat', [-100, program.cstring(bytesOf(path)), O_RDWR, 0], { remedy });
    for (const { offset, size } of holes.slice(at, at + BATCH)) program.call('fallocate', [fd, PUNCH, offset, size], { keep: false, remedy });
    program.call('close', [fd], { keep: false });
    helper.local(program).check('dedup');
  }
}

/** Where in the pages file those of the map's pages are that lie in sorted ranges. */
function holesOf(map: PageMap, ranges: Ranges): Hole[] {
  const holes: { offset: bigint; size: bigint }[] = [];
  for (let i = 0, r = 0; i < map.count; i++) {
    if ((map.flags[i]! & PageFlag.PRESENT) === 0) continue;
    const from = map.vaddr[i]!, to = from + map.nrPages[i]! * SIZE;
    while (r < ranges.length && ranges[r + 1]! <= from) r += 2;
    for (let k = r; k < ranges.length && ranges[k]! < to; k += 2) {
      const start = ranges[k]! > from ? ranges[k]! : from, end = ranges[k + 1]! < to ? ranges[k + 1]! : to;
      const offset = map.offset[i]! + (start - from), last = holes.at(-1);
      if (last !== undefined && last.offset + last.size === offset) last.size += end - start;
      else holes.push({ offset, size: end - start });
    }
  }
  return holes;
}

/** All page maps of a set by their names, and the numbers of pages files that several of them name (`dump --dedup-pages`): what one does not need another may. */
function mapsOf(set: DirectorySet): { readonly maps: ReadonlyMap<string, PageMap>; readonly shared: ReadonlySet<number> } {
  const maps = new Map(set.names().filter((name) => MAP_NAME.test(name)).map((name) => [name, readMap(set, name)!]));
  const seen = new Set<number>(), shared = new Set<number>();
  for (const { pagesId } of maps.values()) (seen.has(pagesId) ? shared : seen).add(pagesId);
  return { maps, shared };
}

/**
 * Frees in all sets below one what it has itself.
 * @returns bytes that may have been freed @throws StillframeError when the set has no parent, or one of the chain is damaged
 */
export function dedupParents(set: DirectorySet, helper: Helper): bigint {
  if (set.parent() === undefined) {
    throw new StillframeError({ doing: 'dedup', where: set.label, why: "it has no 'parent' link: there is nothing that it could replace", remedy: 'Name the set of a dump or pre-dump that was made with --prev-images-dir' });
  }
  const chain: { readonly label: string; readonly maps: ReadonlyMap<string, PageMap>; readonly shared: ReadonlySet<number> }[] = [];
  for (let below = set.parent(); below instanceof DirectorySet; below = below.parent()) chain.push({ label: below.label, ...mapsOf(below) });
  let freed = 0n;
  for (const name of set.names().filter((file) => MAP_NAME.test(file))) {
    const own = readMap(set, name);
    if (own === undefined) continue;
    const ranges = rangesOf(own, PageFlag.PRESENT);
    for (const { label, maps, shared } of chain) {
      const map = maps.get(name);
      if (map === undefined) break;
      if (shared.has(map.pagesId)) continue;
      const holes = holesOf(map, ranges);
      if (holes.length > 0) punch(helper, `${label}/${fileNames.pages(map.pagesId)}`, holes);
      freed += holes.reduce((sum, { size }) => sum + size, 0n);
    }
  }
  return freed;
}
