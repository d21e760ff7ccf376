/** Protobuf wire scanning without a schema (core/wire.h), one level at a time. */
import type { CoreInstance } from '../../wasm/loader.ts';

export const WireType = { VARINT: 0, I64: 1, LEN: 2, I32: 5 } as const;

const FIELD_WORDS = 6;

/** The fields of one level of a message, in their order. Columns of one copied table; indices from 0 to `count - 1`. */
export class FieldTable {
  readonly count: number;
  readonly #words: Uint32Array;
  readonly #values: BigUint64Array;

  constructor(table: Uint8Array) {
    const buffer = table.buffer instanceof ArrayBuffer && table.byteOffset === 0 ? table.buffer : new Uint8Array(table).buffer;
    this.count = table.byteLength / (FIELD_WORDS * 4);
    this.#words = new Uint32Array(buffer, 0, this.count * FIELD_WORDS);
    this.#values = new BigUint64Array(buffer, 0, this.count * (FIELD_WORDS / 2));
  }

  number(i: number): number { return this.#words[i * FIELD_WORDS] ?? 0; }
  /** One of `WireType`. */
  type(i: number): number { return this.#words[i * FIELD_WORDS + 1] ?? 0; }
  /** First byte of the value in the message: behind the tag, and behind the length of a LEN field. */
  offset(i: number): number { return this.#words[i * FIELD_WORDS + 2] ?? 0; }
  /** Bytes of the value. */
  size(i: number): number { return this.#words[i * FIELD_WORDS + 3] ?? 0; }
  /** The number that is not LEN, as unsigned 64 bits; 0 for LEN. */
  value(i: number): bigint { return this.#values[i * (FIELD_WORDS / 2) + 2] ?? 0n; }
}

export class WireCore {
  constructor(readonly instance: CoreInstance) {}

  /** Checks one level of a message; returns how many fields it has. @throws CoreError with the bad byte's offset */
  checkMessage(message: Uint8Array): number {
    return this.instance.run((core) => {
      const at = core.place(message);
      core.check(core.exports.sf_get_fields(at, message.length, 0, 0, core.scratch, core.error));
      return core.u32(core.scratch, 1)[0] ?? 0;
    });
  }

  /** Scans one level of a message into a table. @throws CoreError with the bad byte's offset */
  scanFields(message: Uint8Array): FieldTable {
    return this.instance.run((core) => {
      const at = core.place(message);
      core.check(core.exports.sf_get_fields(at, message.length, 0, 0, core.scratch, core.error));
      const count = core.u32(core.scratch, 1)[0] ?? 0;
      const size = count * FIELD_WORDS * 4;
      const table = core.alloc(size);
      core.check(core.exports.sf_get_fields(at, message.length, table, count, core.scratch, core.error));
      return new FieldTable(core.bytes(table, size).slice());
    });
  }
}
