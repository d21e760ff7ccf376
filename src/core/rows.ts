/** Tables of messages to wire bytes (core/rows.h): many messages of one kind in one call. */
import type { CoreInstance } from '../../wasm/loader.ts';

/** `enum sf_column_kind`. */
export const ColumnKind = { VARINT: 0, ZIGZAG: 1, FIXED32: 2, FIXED64: 3, BYTES: 4, WORDS: 5, QUADS: 6, RAW: 7, OPEN: 8, RECORD: 9, CLOSE: 10 } as const;

export interface Column {
  /** One of `ColumnKind`. */
  readonly kind: number;
  /** Field number and wire type, as the number before the value. */
  readonly tag: number;
  /** Two words a row, the lower first: the number, signed ones extended to 64 bits; of the kinds from BYTES to RAW: where in the pool, and how many bytes. */
  readonly values?: Uint32Array;
  /** One byte a row, 0: it has none. Undefined: every row has it. */
  readonly present?: Uint8Array | undefined;
}

export interface Rows {
  /** One row behind the other. */
  readonly bytes: Uint8Array;
  /** Bytes of each. */
  readonly sizes: Uint32Array;
}

/** SF_COLUMN_BOUND */
export const BOUND = 15;
const COLUMN_WORDS = 4;

export class RowsCore {
  constructor(readonly instance: CoreInstance) {}

  /**
   * Encodes a table.
   * @param pooled bytes that rows take of the pool, and `BOUND` for each number of WORDS and QUADS
   * @throws CoreError RECORD_TOO_LARGE, INPUT_TOO_LARGE
   */
  encode(columns: readonly Column[], rows: number, pool: Uint8Array, pooled: number): Rows {
    return this.instance.run((core) => {
      const words = columns.flatMap(({ kind, tag, values, present }) => [
        kind, tag, values === undefined ? 0 : core.place(values), present === undefined ? 0 : core.place(present),
      ]);
      const [table, poolAt, sizes] = [core.place(Uint32Array.from(words)), core.place(pool), core.alloc(4 * rows)];
      const room = rows * columns.length * BOUND + Math.ceil(pooled);
      const out = core.alloc(room);
      core.check(core.exports.sf_put_rows(out, room, table, words.length / COLUMN_WORDS, poolAt, pool.length, rows, sizes, core.scratch, core.error), 'write image');
      return { bytes: core.bytes(out, core.u32(core.scratch, 1)[0]!).slice(), sizes: core.u32(sizes, rows).slice() };
    });
  }
}
