/** All records of a file read in one pass (core/tape.h, which says what schema and tape are like). */
import type { CoreInstance } from '../../wasm/loader.ts';

/** enum sf_tape_kind */
export const TapeKind = { INT32: 1, SINT32: 2, BOOL: 3, INT64: 4, SINT64: 5, FIXED32: 6, FIXED64: 7, BYTES: 8, MESSAGE: 9 } as const;
const End = { OK: 0, UNFIT: 1, UNKNOWN: 2 } as const;

/** Files above this size are left to others, as the tape may be as large again, twice. */
const LARGEST = 4 << 20;

export interface Tape {
  readonly records: number;
  readonly words: Uint32Array;
  readonly longs: BigUint64Array;
}

/** What to read: a description that grows while it is used. */
export interface TapeSchema {
  readonly words: Uint32Array;
  /** Adds the message of the field at an index of `words`; false: it cannot be described. */
  describe(field: number): boolean;
}

export class TapeCore {
  constructor(readonly instance: CoreInstance) {}

  /**
   * @param offset of the first record @param first, rest the messages of the first and of all other records, as the schema names them
   * @param use is given views that end with it
   * @returns undefined when the file is not as such files are written: somebody else can read it, or say what is wrong
   */
  read<T>(file: Uint8Array, offset: number, schema: TapeSchema, first: number, rest: number, use: (tape: Tape) => T): T | undefined {
    if (file.length > LARGEST) return undefined;
    return this.instance.run((core) => {
      const { exports, scratch } = core;
      const at = core.place(file);
      // an item is two words for three bytes at least; two bytes a number of 64 bits
      const capacity = file.length, longCapacity = file.length >>> 1;
      const words = core.alloc(capacity * 4), longs = core.alloc(longCapacity * 8);
      for (;;) {
        const described = core.place(schema.words);
        const end = exports.sf_get_tape(at, file.length, offset, described, first, rest, words, capacity, longs, longCapacity, scratch);
        const [records, count, longCount, field] = core.u32(scratch, 4) as unknown as [number, number, number, number];
        if (end === End.OK) return use({ records, words: core.u32(words, count), longs: core.u64(longs, longCount) });
        if (end !== End.UNKNOWN || !schema.describe(field)) return undefined;
      }
    });
  }
}
