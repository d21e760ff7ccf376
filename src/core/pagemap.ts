/** Page maps (core/pagemap.h): which pages of a task are in pages-N.img, and where. */
import type { CoreInstance } from '../../wasm/loader.ts';

/** `flags` of an entry. */
export const PageFlag = { PARENT: 1, LAZY: 2, PRESENT: 4 } as const;

/** What decoding noticed of an entry; the bits of `MARKS_BAD` say that it makes no sense. */
export const PageMark = {
  NR_PAGES: 1, FLAGS: 2, IN_PARENT: 4, UNKNOWN: 8,
  UNALIGNED: 0x100, OVERFLOW: 0x200, UNORDERED: 0x400, OVERLAP: 0x800, EMPTY: 0x1000,
} as const;
export const MARKS_BAD = 0xff00;

/** Entries as columns of equal length. */
export interface PageMapColumns {
  /** Addresses, in bytes. */
  readonly vaddr: BigUint64Array;
  /** Pages of the entry. */
  readonly nrPages: BigUint64Array;
  /** `PageFlag` bits. */
  readonly flags: Uint32Array;
}

export interface PageMap extends PageMapColumns {
  /** N of `pages-N.img`. */
  readonly pagesId: number;
  readonly count: number;
  /** First byte of the entry's pages in `pages-N.img`; meaningful for PRESENT entries. */
  readonly offset: BigUint64Array;
  /** `PageMark` bits. */
  readonly marks: Uint32Array;
  /** All marks or'ed. */
  readonly allMarks: number;
}

const MAP_WORDS = 9;
const MAX_ENTRY = 34;
/** SF_MAX_PAGEMAP over the smallest entry that is written */
const MAX_COUNT = (512 << 20) / 16;

export class PagemapCore {
  constructor(readonly instance: CoreInstance) {}

  /**
   * Decodes a whole page map file. What is malformed throws; what is well-formed but makes no sense (unaligned, overlapping,
   * beyond the address space) is marked.
   * @param pageSize 4096, or that of the images' architecture (a power of two up to 65536)
   * @throws CoreError; its `record` is the record's index, the head being 0
   */
  decode(file: Uint8Array, pageSize = 4096): PageMap {
    return this.instance.run((core) => {
      const { exports, error, scratch } = core;
      const at = core.place(file);
      core.check(exports.sf_get_header(at, BigInt(file.length), scratch, error));
      const headerSize = core.u32(scratch, 3)[2] ?? 0;
      core.check(exports.sf_get_records(at, file.length, headerSize, 0, 0, scratch, error));
      const capacity = Math.max(0, (core.u32(scratch, 1)[0] ?? 0) - 1);
      const columns = [8, 8, 8, 4, 4].map((width) => core.alloc(capacity * width));
      core.u32(scratch, MAP_WORDS).set([...columns, capacity, 0, 0, 0]);
      core.check(exports.sf_get_pagemap(at, file.length, headerSize, pageSize, scratch, error));
      const [vaddr = 0, nrPages = 0, offset = 0, flags = 0, marks = 0, , count = 0, pagesId = 0, allMarks = 0] = core.u32(scratch, MAP_WORDS);
      return {
        pagesId, count, allMarks,
        vaddr: core.u64(vaddr, count).slice(),
        nrPages: core.u64(nrPages, count).slice(),
        offset: core.u64(offset, count).slice(),
        flags: core.u32(flags, count).slice(),
        marks: core.u32(marks, count).slice(),
      };
    });
  }

  /** Encodes a whole page map file, byte for byte as CRIU 4.2 writes it. */
  encode(pagesId: number, { vaddr, nrPages, flags }: PageMapColumns): Uint8Array {
    const count = vaddr.length;
    if (nrPages.length !== count || flags.length !== count) throw new RangeError(`page map columns differ in length: ${count}, ${nrPages.length}, ${flags.length}`);
    if (count > MAX_COUNT) throw new RangeError(`a page map has at most ${MAX_COUNT} entries, not ${count}`);
    return this.instance.run((core) => {
      const columns = [vaddr, nrPages, flags].map((column) => core.place(column));
      const out = core.alloc(24 + count * MAX_ENTRY);
      const size = core.exports.sf_put_pagemap(out, pagesId, columns[0] ?? 0, columns[1] ?? 0, columns[2] ?? 0, count);
      return core.bytes(out, size).slice();
    });
  }
}
