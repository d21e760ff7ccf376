/** Building C structures of another machine: byte order and word size are the target's. */
export class Struct {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  at = 0;

  constructor(size: number, readonly little: boolean, readonly wide: boolean) {
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
  }

  u8(value: number): this { this.#view.setUint8(this.at, value & 0xff); this.at += 1; return this; }
  u16(value: number): this { this.#view.setUint16(this.at, value & 0xffff, this.little); this.at += 2; return this; }
  u32(value: number): this { this.#view.setUint32(this.at, value >>> 0, this.little); this.at += 4; return this; }
  u64(value: bigint): this { this.#view.setBigUint64(this.at, BigInt.asUintN(64, value), this.little); this.at += 8; return this; }
  /** An unsigned long of the target. */
  word(value: bigint): this { return this.wide ? this.u64(value) : this.u32(Number(BigInt.asUintN(32, value))); }
  u32s(values: readonly number[], count = values.length): this { for (let i = 0; i < count; i++) this.u32(values[i] ?? 0); return this; }
  u64s(values: readonly bigint[], count = values.length): this { for (let i = 0; i < count; i++) this.u64(values[i] ?? 0n); return this; }
  skip(bytes: number): this { this.at += bytes; return this; }
  to(at: number): this { this.at = at; return this; }
  raw(bytes: Uint8Array): this { this.bytes.set(bytes.subarray(0, this.bytes.length - this.at), this.at); this.at += bytes.length; return this; }
}

export const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

export const align = (value: number, to: number): number => Math.ceil(value / to) * to;
