/** Page contents (core/pagehash.h, core/pagediff.h): hashes, zero pages, differences between buffers and between snapshots. */
import { CoreError } from '../../wasm/loader.ts';
import type { CoreInstance } from '../../wasm/loader.ts';
import type { Ranges } from './ranges.ts';

export const PAGE = 4096;
/** Buffers are worked on in pieces that stay in the second-level cache. */
const PIECE = 64 * PAGE;
const DOING = 'compare pages';

/** One bit a page: bit `i % 8` of byte `i / 8`. */
export interface PageBitmap {
  readonly bits: Uint8Array;
  /** How many bits are set. */
  readonly count: number;
}

/** Page hashes by page number (address / 4096), ascending. */
export interface Snapshot {
  readonly pages: BigUint64Array;
  /** Low and high word of each page's hash. */
  readonly hashes: BigUint64Array;
}

/** What a snapshot comparison reports; may be or'ed. */
export const DiffKind = { SAME: 1, CHANGED: 2, ADDED: 4, REMOVED: 8 } as const;

export interface SnapshotDiff {
  /** Page numbers of the wanted kinds, as ranges. */
  readonly ranges: Ranges;
  readonly same: number;
  readonly changed: number;
  readonly added: number;
  readonly removed: number;
}

export class PagesCore {
  constructor(readonly instance: CoreInstance) {}

  /**
   * XXH3-128 of each 4096-byte page, as low and high word. Not cryptographic: see core/pagehash.h for what that means.
   * @throws CoreError NOT_PAGES
   */
  hash(pages: Uint8Array, seed = 0n): BigUint64Array {
    let at = 0;
    const out = new BigUint64Array(2 * wholePages(pages));
    const done = this.#hashPieces(seed, (into) => {
      const piece = pages.subarray(at, at + into.length);
      into.set(piece);
      at += piece.length;
      return piece.length;
    }, (hashes, first) => out.set(hashes, 2 * first));
    if (done * PAGE !== pages.length) throw new Error(`hashed ${done} of ${pages.length / PAGE} pages`);
    return out;
  }

  /**
   * The same for pages that `read` brings (`(into) => readSync(fd, into, ...)`): straight into the core's memory, no copy.
   * @param read fills `into` from its start and returns how many bytes it wrote, a whole number of pages; 0 ends. It must not use the core.
   */
  hashFrom(read: (into: Uint8Array) => number, seed = 0n): BigUint64Array {
    const parts: BigUint64Array[] = [];
    const pages = this.#hashPieces(seed, read, (hashes) => parts.push(hashes.slice()));
    const out = new BigUint64Array(2 * pages);
    let at = 0;
    for (const part of parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }

  #hashPieces(seed: bigint, read: (into: Uint8Array) => number, take: (hashes: BigUint64Array, first: number) => void): number {
    return this.instance.run((core) => {
      const buffer = core.alloc(PIECE, 64);
      const out = core.alloc((PIECE / PAGE) * 16);
      for (let first = 0; ;) {
        const size = read(core.bytes(buffer, PIECE));
        if (size === 0) return first;
        const count = pageCount(size);
        core.exports.sf_hash_pages(buffer, count, seed, out);
        take(core.u64(out, 2 * count), first);
        first += count;
      }
    });
  }

  /** Which pages are all zeros. @throws CoreError NOT_PAGES */
  zero(pages: Uint8Array): PageBitmap {
    const total = wholePages(pages);
    const bits = new Uint8Array(Math.ceil(total / 8));
    return this.instance.run((core) => {
      const buffer = core.alloc(PIECE, 64);
      const out = core.alloc(PIECE / PAGE / 8);
      let found = 0;
      for (let at = 0; at < pages.length; at += PIECE) {
        const piece = pages.subarray(at, at + PIECE);
        core.bytes(buffer, piece.length).set(piece);
        found += core.exports.sf_zero_pages(buffer, piece.length / PAGE, out);
        bits.set(core.bytes(out, Math.ceil(piece.length / PAGE / 8)), at / PAGE / 8);
      }
      return { bits, count: found };
    });
  }

  /** Which pages differ between two buffers of the same length. @throws CoreError NOT_PAGES */
  differing(a: Uint8Array, b: Uint8Array): PageBitmap {
    if (a.length !== b.length) throw new RangeError(`buffers of ${a.length} and ${b.length} bytes cannot be compared page by page`);
    const bits = new Uint8Array(Math.ceil(wholePages(a) / 8));
    return this.instance.run((core) => {
      const [left, right] = [core.alloc(PIECE, 64), core.alloc(PIECE, 64)];
      const out = core.alloc(PIECE / PAGE / 8);
      let found = 0;
      for (let at = 0; at < a.length; at += PIECE) {
        const piece = a.subarray(at, at + PIECE);
        core.bytes(left, piece.length).set(piece);
        core.bytes(right, piece.length).set(b.subarray(at, at + PIECE));
        found += core.exports.sf_differing_pages(left, right, piece.length / PAGE, out);
        bits.set(core.bytes(out, Math.ceil(piece.length / PAGE / 8)), at / PAGE / 8);
      }
      return { bits, count: found };
    });
  }

  /** How many bytes differ between two buffers of the same length. */
  differingBytes(a: Uint8Array, b: Uint8Array): number {
    if (a.length !== b.length) throw new RangeError(`buffers of ${a.length} and ${b.length} bytes cannot be compared`);
    return this.instance.run((core) => {
      const [left, right] = [core.alloc(PIECE, 64), core.alloc(PIECE, 64)];
      let found = 0;
      for (let at = 0; at < a.length; at += PIECE) {
        const piece = a.subarray(at, at + PIECE);
        core.bytes(left, piece.length).set(piece);
        core.bytes(right, piece.length).set(b.subarray(at, at + PIECE));
        found += core.exports.sf_differing_bytes(left, right, piece.length);
      }
      return found;
    });
  }

  /** The set bits as ranges of page numbers. @param base number of the page of bit 0 */
  ranges(bitmap: PageBitmap, base = 0n): Ranges {
    return this.instance.run((core) => {
      const count = bitmap.bits.length * 8;
      const at = core.place(bitmap.bits);
      const out = core.alloc(Math.ceil((count + 1) / 2) * 16);
      return core.u64(out, 2 * core.exports.sf_bitmap_ranges(at, count, base, out)).slice();
    });
  }

  /**
   * Compares two snapshots page by page.
   * @param wanted `DiffKind` bits: which pages `ranges` lists
   * @throws CoreError RANGE_ORDER when one is not ascending
   */
  diff(old: Snapshot, now: Snapshot, wanted: number = DiffKind.CHANGED | DiffKind.ADDED): SnapshotDiff {
    return this.instance.run((core) => {
      const [nOld, nNow] = [old.pages.length, now.pages.length];
      const [a, b] = [placeSnapshot(core, old), placeSnapshot(core, now)];
      const out = core.alloc((nOld + nNow) * 16);
      core.check(core.exports.sf_snapshot_diff(a, nOld, b, nNow, wanted, out, core.scratch, core.scratch + 16, core.error), DOING);
      const count = core.u32(core.scratch, 1)[0] ?? 0;
      const [same = 0, changed = 0, added = 0, removed = 0] = core.u32(core.scratch + 16, 4);
      return { ranges: core.u64(out, 2 * count).slice(), same, changed, added, removed };
    });
  }

  /** For each hash (low, high) the index of the first one that equals it: itself where the content is new. */
  duplicates(hashes: BigUint64Array): Uint32Array {
    if (hashes.length % 2 !== 0) throw new RangeError('a hash has two words');
    return this.instance.run((core) => {
      const count = hashes.length / 2;
      const slots = 2 ** Math.max(3, Math.ceil(Math.log2(count * 1.5 + 1)));
      const at = core.place(hashes);
      const out = core.alloc(count * 4);
      const table = core.alloc(slots * 24);
      core.bytes(table, slots * 24).fill(0);
      core.check(core.exports.sf_dedup(table, slots, at, count, 0, out, core.error), DOING);
      return core.u32(out, count).slice();
    });
  }
}

function placeSnapshot(core: CoreInstance, { pages, hashes }: Snapshot): number {
  if (hashes.length !== 2 * pages.length) throw new RangeError(`a snapshot of ${pages.length} pages has ${2 * pages.length} hash words, not ${hashes.length}`);
  const at = core.alloc(pages.length * 24);
  const out = core.u64(at, pages.length * 3);
  for (let i = 0; i < pages.length; i++) {
    out[3 * i] = pages[i] ?? 0n;
    out[3 * i + 1] = hashes[2 * i] ?? 0n;
    out[3 * i + 2] = hashes[2 * i + 1] ?? 0n;
  }
  return at;
}

function pageCount(size: number): number {
  if (size % PAGE === 0) return size / PAGE;
  throw new CoreError({
    code: 'NOT_PAGES', offset: BigInt(size - (size % PAGE)), record: 0, doing: DOING,
    text: `${size} bytes are not a whole number of ${PAGE}-byte pages`,
  });
}

const wholePages = (pages: Uint8Array): number => pageCount(pages.length);
