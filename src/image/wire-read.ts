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

/** One reader serves everybody: reading is synchronous, and nothing that it returns points into the bytes. */
let bytes: Uint8Array = new Uint8Array(0);
let at = 0;
let depth = 0;

/** @param start, end where in the bytes it lies; undefined: it is all of them */
export function readMessage(desc: Desc<object>, from: Uint8Array, start = 0, end = from.length): object {
  bytes = from;
  at = start;
  depth = 0;
  return readFields(planOf(desc), end, undefined);
}

function readFields(plan: Plan, end: number, into: Values | undefined): Values {
  if (++depth > MAX_DEPTH) throw new WireError('', `more than ${MAX_DEPTH} messages inside each other`);
  const message = into ?? plan.make();
  const { fields } = plan;
  if (into === undefined) for (const name of plan.repeated) message[name] = [];
  // fields mostly come in the order of their numbers
  let next = 0, seen = 0;
  while (at < end) {
    const tag = readVarint(end);
    while (next < fields.length && fields[next]!.tag < tag) next++;
    let field = fields[next];
    if (field?.tag === tag) {
      seen |= field.bit;
    } else {
      field = plan.byNumber.get(tag >>> 3);
      if (field !== undefined && field.wire === (tag & 7)) seen |= field.bit;
    }
    readField(plan, field, tag, end, message);
  }
  if (seen !== plan.complete || plan.complete === 0) for (const name of plan.required) if (message[name] === undefined) throw new WireError(name, 'a required field is missing');
  depth--;
  return message;
}

function readField(plan: Plan, field: FieldPlan | undefined, tag: number, end: number, message: Values): void {
  const no = tag >>> 3, wire = tag & 7;
  if (no === 0 || tag > 0xffffffff) throw new WireError('', `a field has the number ${no}`);
  try {
    if (field === undefined) readUnknown(plan, message, no, wire, end);
    else if (wire === field.wire) readKnown(field, end, message);
    else if (wire === Wire.LEN && field.repeated) readPacked(field, end, message[field.name] as unknown[]);
    else readUnknown(plan, message, no, wire, end);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw error.inside(field?.name ?? `number ${no}`);
  }
}

function readKnown(field: FieldPlan, end: number, message: Values): void {
  const value = field.type === 'message' ? readInner(field, end, message) : readValue(field.type, end);
  if (!field.repeated) {
    message[field.name] = value;
    return;
  }
  const list = message[field.name] as unknown[];
  list.push(value);
  if (field.type !== 'message' && field.tag < 0x4000) readMore(field, end, list);
}

/** Further values of the same list right behind: those of register files are hundreds, most of them a byte long. */
function readMore({ type, tag }: FieldPlan, end: number, list: unknown[]): void {
  const from = bytes;
  const size = tag < 0x80 ? 1 : 2, first = size === 1 ? tag : tag & 0x7f | 0x80, second = tag >>> 7;
  const plain = type === 'uint32', short = plain || type === 'uint64';
  let next = at;
  while (next + size < end && from[next] === first && (size === 1 || from[next + 1] === second)) {
    next += size;
    const byte = from[next]!;
    if (byte < 0x80 && short) {
      next++;
      list.push(plain ? byte : byte === 0 ? 0n : BigInt(byte));
    } else {
      at = next;
      list.push(readValue(type, end));
      next = at;
    }
  }
  at = next;
}

/** A message field that is there twice is merged, as protobuf says. */
function readInner(field: FieldPlan, end: number, message: Values): Values {
  const stop = readLength(end);
  return readFields(planOf(field.message!()), stop, field.repeated ? undefined : message[field.name] as Values | undefined);
}

function readPacked(field: FieldPlan, end: number, list: unknown[]): void {
  const stop = readLength(end);
  while (at < stop) list.push(readValue(field.type, stop));
}

function readUnknown(plan: Plan, message: Values, no: number, wire: number, end: number): void {
  const start = at;
  if (wire === Wire.VARINT) readVarint64(end);
  else if (wire === Wire.LEN) at = readLength(end);
  else if (wire === Wire.I64) skip(8, end);
  else if (wire === Wire.I32) skip(4, end);
  else throw new WireError('', wire === 3 || wire === 4 ? 'groups are not part of the format' : `wire type ${wire} does not exist`);
  UnknownFieldHandler.onRead(plan.name, message, no, wire, bytes.slice(start, at));
}

function readValue(type: FieldPlan['type'], end: number): unknown {
  switch (type) {
    case 'enum':
    case 'int32': readVarint64(end); return halves[0]! | 0;
    case 'uint32': readVarint64(end); return halves[0]!;
    case 'sint32': readVarint64(end); return halves[0]! >>> 1 ^ -(halves[0]! & 1);
    case 'bool': readVarint64(end); return halves[0] !== 0 || halves[1] !== 0;
    case 'uint64': readVarint64(end); return unsigned[0]!;
    case 'int64': readVarint64(end); return signed[0]!;
    case 'sint64': return readZigzag(end);
    case 'fixed32': skip(4, end); return readWord(at - 4);
    case 'fixed64':
      skip(8, end);
      halves[0] = readWord(at - 8);
      halves[1] = readWord(at - 4);
      return unsigned[0]!;
    case 'string': return readText(end);
    case 'bytes': return readRun(end).slice();
    case 'message': throw new TypeError('a message is no value');
  }
}

function readZigzag(end: number): bigint {
  readVarint64(end);
  const low = halves[0]!;
  const high = halves[1]!;
  const sign = -(low & 1);
  halves[0] = (low >>> 1 | high << 31) ^ sign;
  halves[1] = high >>> 1 ^ sign;
  return signed[0]!;
}

function readWord(at: number): number {
  const b = bytes;
  return (b[at]! | b[at + 1]! << 8 | b[at + 2]! << 16 | b[at + 3]! << 24) >>> 0;
}

function skip(size: number, end: number): void {
  if (at + size > end) throw new WireError('', CUT);
  at += size;
}

function readText(end: number): string {
  const stop = readLength(end);
  const start = at;
  at = stop;
  return textOf(bytes, start, stop);
}

function readRun(end: number): Uint8Array {
  const stop = readLength(end);
  const run = bytes.subarray(at, stop);
  at = stop;
  return run;
}

/** A length; returns where what it measures ends. */
function readLength(end: number): number {
  const size = readVarint(end);
  if (size > end - at) throw new WireError('', `${CUT}: it says ${size} bytes, ${end - at} are left`);
  return at + size;
}

/** A tag or a length, as a number. */
function readVarint(end: number): number {
  const first = at < end ? bytes[at]! : 0x80;
  if (first < 0x80) {
    at++;
    return first;
  }
  readVarint64(end);
  return halves[1]! * 2 ** 32 + halves[0]!;
}

/** A varint of up to 10 bytes into `halves`. */
function readVarint64(end: number): void {
  let low = 0, high = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    if (at >= end) throw new WireError('', CUT);
    const byte = bytes[at++]!;
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
