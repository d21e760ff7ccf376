/** What can be told of pages by their contents, as bitmaps: which are all zero, which changed since the set before. */
import { theCore } from '../core/core.ts';
import { runsOf } from '../inspect/memory.ts';
import type { OpenSet } from '../inspect/open.ts';

/** Of one `pages-N.img`; bit `i % 8` of byte `i / 8` is the page at `i * pageSize`. */
export interface PageFacts {
  readonly pages: number;
  readonly zero: Uint8Array;
  /** Stored again and different from what the chain had before. Absent for the oldest set. */
  readonly changed?: Uint8Array;
}

const PIECE = 1 << 20;
const CORE_PAGE = 4096;

/**
 * Reads all pages of one set of a chain, and what they replace.
 * Pages files that are missing or too short are left out: the check tells of them.
 */
export async function analysePages(set: OpenSet, link: number): Promise<Map<string, PageFacts>> {
  const facts = new Map<string, PageFacts>();
  const { chain } = set;
  const one = chain[link]!;
  const size = one.loaded.pageSize;
  const { pages } = theCore();
  for (const [name, map] of one.loaded.pageMaps) {
    const file = `pages-${map.pagesId}.img`;
    const source = await one.store.source(file);
    if (source === undefined || facts.has(file)) continue;
    const count = Math.floor((source.size ?? 0) / size);
    const zero = new Uint8Array(Math.ceil(count / 8));
    const changed = link + 1 < chain.length ? new Uint8Array(Math.ceil(count / 8)) : undefined;
    for (const run of runsOf(chain.slice(link), name)) {
      if (run.state !== 'stored' || run.link !== 0) continue;
      for (let at = run.start; at < run.end;) {
        const length = Number(run.end - at < BigInt(PIECE) ? run.end - at : BigInt(PIECE));
        const offset = run.offset + Number(at - run.start);
        if (offset % size !== 0) break;
        const bytes = await source.read(offset, length);
        if (bytes.length < length) break;
        const first = offset / size;
        marks(pages.zero(bytes).bits, length, size, true, (i) => set1(zero, first + i));
        if (changed !== undefined) await markChanged(chain, link + 1, name, at, bytes, size, (i) => set1(changed, first + i));
        at += BigInt(length);
      }
    }
    facts.set(file, { pages: count, zero, ...(changed === undefined ? {} : { changed }) });
  }
  return facts;
}

const set1 = (bits: Uint8Array, i: number): void => {
  if (i >> 3 < bits.length) bits[i >> 3] = bits[i >> 3]! | 1 << (i & 7);
};

export const bit = (bits: Uint8Array, i: number): boolean => (bits[i >> 3]! >> (i & 7) & 1) === 1;

/** From bits of the core's 4096-byte pages to those of the set: all of them set, or any. */
function marks(bits: Uint8Array, length: number, size: number, all: boolean, mark: (page: number) => void): void {
  const each = size / CORE_PAGE;
  for (let page = 0; page < length / size; page++) {
    let found = 0;
    for (let i = 0; i < each; i++) if (bit(bits, page * each + i)) found++;
    if (all ? found === each : found > 0) mark(page);
  }
}

/** Pages the chain did not have before count as changed. */
async function markChanged(chain: readonly OpenSet[], from: number, name: string, start: bigint, bytes: Uint8Array, size: number, mark: (page: number) => void): Promise<void> {
  const known = new Uint8Array(bytes.length / size);
  const end = start + BigInt(bytes.length);
  const older = chain.slice(from);
  if (older[0]?.loaded.pageMaps.has(name) !== true) {
    for (let i = 0; i < known.length; i++) mark(i);
    return;
  }
  for (const run of runsOf(older, name, 0, start, end)) {
    if (run.state !== 'stored') continue;
    const source = await older[run.link]!.store.source(run.file);
    const length = Number(run.end - run.start);
    const before = await source?.read(run.offset, length);
    if (before === undefined || before.length < length) continue;
    const first = Number(run.start - start) / size;
    marks(theCore().pages.differing(bytes.subarray(first * size, first * size + length), before).bits, length, size, false, (i) => mark(first + i));
    known.fill(1, first, first + length / size);
  }
  known.forEach((one, i) => { if (one === 0) mark(i); });
}
