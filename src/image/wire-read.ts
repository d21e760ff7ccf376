/**
 * Bytes of a message to an object: wire types checked, lengths bounded, nesting limited, required fields asked for, since images
 * come from anywhere. 64-bit values pass through two 32-bit halves: one bigint is made a value, none on the way.
 */
import { UnknownFieldHandler } from '@protobuf-ts/runtime';
import type { Desc } from './schema/define.ts';
import { textOf } from './text.ts';
import { MAX_DEPTH, planOf, Wire, WireError, type FieldPlan, type Plan } from './wire-plan.ts';

type Values = Record<string, unknown>;

/** The halves of a 64-bit number, and the number. Little-endian like the wire and every machine JavaScript runs on. */
const halves = new Uint32Array(2);
const unsigned = new BigUint64Array(halves.buffer);
const signed = new BigInt64Array(halves.buffer);

const CUT = 'it is cut short';

/** @param start, end where in the bytes it lies; undefined: it is all of them */
export function readMessage(desc: Desc<object>, bytes: Uint8Array, start = 0, end = bytes.length): object {
  return new Reader(bytes, start).message(planOf(desc), end, undefined);
}

class Reader {
  #at: number;
  #depth = 0;
  constructor(readonly bytes: Uint8Array, start: number) { this.#at = start; }

  message(plan: Plan, end: number, into: Values | undefined): Values {
    if (++this.#depth > MAX_DEPTH) throw new WireError('', `more than ${MAX_DEPTH} messages inside each other`);
    const message = into ?? plan.make();
    const { fields } = plan;
    if (into === undefined) for (const name of plan.repeated) message[name] = [];
    // fields mostly come in the order of their numbers
    let next = 0, seen = 0;
    while (this.#at < end) {
      const tag = this.#varint(end);
      while (next < fields.length && fields[next]!.tag < tag) next++;
      let field = fields[next];
      if (field?.tag === tag) {
        seen |= field.bit;
      } else {
        field = plan.byNumber.get(tag >>> 3);
        if (field !== undefined && field.wire === (tag & 7)) seen |= field.bit;
      }
      this.#field(plan, field, tag, end, message);
    }
    if (seen !== plan.complete || plan.complete === 0) for (const name of plan.required) if (message[name] === undefined) throw new WireError(name, 'a required field is missing');
    this.#depth--;
    return message;
  }

  #field(plan: Plan, field: FieldPlan | undefined, tag: number, end: number, message: Values): void {
    const [no, wire] = [tag >>> 3, tag & 7];
    if (no === 0 || tag > 0xffffffff) throw new WireError('', `a field has the number ${no}`);
    try {
      if (field === undefined) this.#unknown(plan, message, no, wire, end);
      else if (wire === field.wire) this.#known(field, end, message);
      else if (wire === Wire.LEN && field.repeated) this.#packed(field, end, message[field.name] as unknown[]);
      else this.#unknown(plan, message, no, wire, end);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      throw error.inside(field?.name ?? `number ${no}`);
    }
  }

  #known(field: FieldPlan, end: number, message: Values): void {
    const value = field.type === 'message' ? this.#inner(field, end, message) : this.#value(field.type, end);
    if (!field.repeated) {
      message[field.name] = value;
      return;
    }
    const list = message[field.name] as unknown[];
    list.push(value);
    if (field.type !== 'message' && field.tag < 0x4000) this.#more(field, end, list);
  }

  /** Further values of the same list right behind: those of register files are hundreds, most of them a byte long. */
  #more({ type, tag }: FieldPlan, end: number, list: unknown[]): void {
    const { bytes } = this;
    const [first, second, size] = tag < 0x80 ? [tag, 0, 1] : [tag & 0x7f | 0x80, tag >>> 7, 2];
    const plain = type === 'uint32', long = type === 'uint64';
    while (this.#at + size < end && bytes[this.#at] === first && (size === 1 || bytes[this.#at + 1] === second)) {
      this.#at += size;
      const byte = bytes[this.#at]!;
      if (byte < 0x80 && (plain || long)) {
        this.#at++;
        list.push(plain ? byte : byte === 0 ? 0n : BigInt(byte));
      } else {
        list.push(this.#value(type, end));
      }
    }
  }

  /** A message field that is there twice is merged, as protobuf says. */
  #inner(field: FieldPlan, end: number, message: Values): Values {
    const stop = this.#length(end);
    return this.message(planOf(field.message!()), stop, field.repeated ? undefined : message[field.name] as Values | undefined);
  }

  #packed(field: FieldPlan, end: number, list: unknown[]): void {
    const stop = this.#length(end);
    while (this.#at < stop) list.push(this.#value(field.type, stop));
  }

  #unknown(plan: Plan, message: Values, no: number, wire: number, end: number): void {
    const start = this.#at;
    if (wire === Wire.VARINT) this.#varint64(end);
    else if (wire === Wire.LEN) this.#at = this.#length(end);
    else if (wire === Wire.I64) this.#skip(8, end);
    else if (wire === Wire.I32) this.#skip(4, end);
    else throw new WireError('', wire === 3 || wire === 4 ? 'groups are not part of the format' : `wire type ${wire} does not exist`);
    UnknownFieldHandler.onRead(plan.name, message, no, wire, this.bytes.slice(start, this.#at));
  }

  #value(type: FieldPlan['type'], end: number): unknown {
    switch (type) {
      case 'enum':
      case 'int32': this.#varint64(end); return halves[0]! | 0;
      case 'uint32': this.#varint64(end); return halves[0]!;
      case 'sint32': this.#varint64(end); return halves[0]! >>> 1 ^ -(halves[0]! & 1);
      case 'bool': this.#varint64(end); return halves[0] !== 0 || halves[1] !== 0;
      case 'uint64': this.#varint64(end); return unsigned[0]!;
      case 'int64': this.#varint64(end); return signed[0]!;
      case 'sint64': return this.#zigzag(end);
      case 'fixed32': this.#skip(4, end); return this.#word(this.#at - 4);
      case 'fixed64':
        this.#skip(8, end);
        halves[0] = this.#word(this.#at - 8);
        halves[1] = this.#word(this.#at - 4);
        return unsigned[0]!;
      case 'string': return this.#text(end);
      case 'bytes': return this.#run(end).slice();
      case 'message': throw new TypeError('a message is no value');
    }
  }

  #zigzag(end: number): bigint {
    this.#varint64(end);
    const low = halves[0]!;
    const high = halves[1]!;
    const sign = -(low & 1);
    halves[0] = (low >>> 1 | high << 31) ^ sign;
    halves[1] = high >>> 1 ^ sign;
    return signed[0]!;
  }

  #word(at: number): number {
    const b = this.bytes;
    return (b[at]! | b[at + 1]! << 8 | b[at + 2]! << 16 | b[at + 3]! << 24) >>> 0;
  }

  #skip(size: number, end: number): void {
    if (this.#at + size > end) throw new WireError('', CUT);
    this.#at += size;
  }

  #text(end: number): string {
    const stop = this.#length(end);
    const start = this.#at;
    this.#at = stop;
    return textOf(this.bytes, start, stop);
  }

  #run(end: number): Uint8Array {
    const stop = this.#length(end);
    const run = this.bytes.subarray(this.#at, stop);
    this.#at = stop;
    return run;
  }

  /** A length; returns where what it measures ends. */
  #length(end: number): number {
    const size = this.#varint(end);
    if (size > end - this.#at) throw new WireError('', `${CUT}: it says ${size} bytes, ${end - this.#at} are left`);
    return this.#at + size;
  }

  /** A tag or a length, as a number. */
  #varint(end: number): number {
    const first = this.#at < end ? this.bytes[this.#at]! : 0x80;
    if (first < 0x80) {
      this.#at++;
      return first;
    }
    this.#varint64(end);
    return halves[1]! * 2 ** 32 + halves[0]!;
  }

  /** A varint of up to 10 bytes into `halves`. */
  #varint64(end: number): void {
    let low = 0, high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at >= end) throw new WireError('', CUT);
      const byte = this.bytes[this.#at++]!;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else if (shift < 63) high |= bits << shift - 32;
      else high |= bits << 31;
      if (byte < 0x80) {
        halves[0] = low;
        halves[1] = high;
        return;
      }
    }
    throw new WireError('', 'a number has more than 64 bits');
  }
}
