/** An object to the bytes of a message, its values checked against the description on the way. */
import { UnknownFieldHandler } from '@protobuf-ts/runtime';
import type { Desc } from './schema/define.ts';
import { bytesOf } from './text.ts';
import { planOf, WireError, type FieldPlan, type Plan } from './wire-plan.ts';

type Values = Readonly<Record<string, unknown>>;

const halves = new Uint32Array(2);
const unsigned = new BigUint64Array(halves.buffer);

/** A message longer than this gets a buffer of its own that is not kept. */
const KEEP = 1 << 20;
/** Varint of 10 bytes plus a tag. */
const MAX_SCALAR = 16;
/** Tags below are at most two bytes; no list of numbers has a higher one. */
const MOST_TAG = 0x4000;

/** One writer serves everybody: writing is synchronous, and what is returned is a copy. */
let buffer = new Uint8Array(4096);
let at = 0;

/** Bytes of values that are written often, with the field they were written for. */
const fixed = new WeakMap<object, { field: FieldPlan | undefined; bytes: Uint8Array }>();
const NOT_YET = new Uint8Array(0);

/** Freezes a message or a list that many messages have in common: it is encoded once, and copied after. */
export function shared<T extends object>(value: T): T {
  Object.freeze(value);
  fixed.set(value, { field: undefined, bytes: NOT_YET });
  return value;
}

export const isShared = (value: unknown): boolean => typeof value === 'object' && value !== null && fixed.has(value);

/** One field of a message, tags included. */
export function fieldBytes(field: FieldPlan, value: unknown): Uint8Array {
  at = 0;
  writePresent(field, value);
  return buffer.slice(0, at);
}

export function writeMessage(desc: Desc<object>, message: object): Uint8Array {
  at = 0;
  writeFields(planOf(desc), message as Values);
  const bytes = buffer.slice(0, at);
  if (buffer.length > KEEP) buffer = new Uint8Array(4096);
  return bytes;
}

/** Bytes left free before each message of a MessageWriter, and before the first of all. */
const GAP = 4;
export const HEAD = 8;

/** Messages one after the other, each behind a gap for its length. */
export class MessageWriter {
  readonly sizes: number[] = [];

  constructor() { at = HEAD; }

  /** Nothing else may be written before `finish`. @throws WireError; the writer is of no use then */
  add(desc: Desc<object>, message: object): void {
    room(GAP);
    at += GAP;
    const start = at;
    writeFields(planOf(desc), message as Values);
    this.sizes.push(at - start);
  }

  /** All of it, a copy. */
  finish(): Uint8Array {
    const bytes = buffer.slice(0, at);
    if (buffer.length > KEEP) buffer = new Uint8Array(4096);
    return bytes;
  }
}

function room(size: number): void {
  if (at + size <= buffer.length) return;
  const larger = new Uint8Array(Math.max(buffer.length * 2, at + size));
  larger.set(buffer.subarray(0, at));
  buffer = larger;
}

function writeFields(plan: Plan, message: Values): void {
  const { fields } = plan;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    const value = message[field.name];
    if (value === undefined) {
      if (field.required) throw new WireError(field.name, `${plan.name} cannot be written without it`);
    } else if (field.small && typeof value === 'number' && (value & 0x7f) === value) {
      if (at + 2 > buffer.length) room(2);
      buffer[at++] = field.tag;
      buffer[at++] = value;
    } else {
      writePresent(field, value);
    }
  }
  if (Object.getOwnPropertySymbols(message).length > 0) {
    for (const unknown of UnknownFieldHandler.list(message)) {
      room(MAX_SCALAR + unknown.data.length);
      varint((unknown.no << 3 | unknown.wireType) >>> 0);
      buffer.set(unknown.data, at);
      at += unknown.data.length;
    }
  }
}

function writePresent(field: FieldPlan, value: unknown): void {
  if (!field.repeated) {
    writeField(field, value, undefined);
  } else if (value instanceof Uint32Array && field.type === 'uint32' && field.tag < MOST_TAG) {
    writeWords(field.tag, value, 1);
  } else if (value instanceof BigUint64Array && field.type === 'uint64' && field.tag < MOST_TAG) {
    writeWords(field.tag, new Uint32Array(value.buffer, value.byteOffset, 2 * value.length), 2);
  } else if (!Array.isArray(value)) {
    throw new WireError(field.name, `a list is needed, not ${describe(value)}`);
  } else if (!writeShared(field, value)) {
    const start = at;
    if (field.type === 'uint32' || field.type === 'uint64') writeNumbers(field, value);
    else for (let i = 0; i < value.length; i++) writeField(field, value[i] as unknown, i);
    if (fixed.has(value)) fixed.set(value, { field, bytes: buffer.slice(start, at) });
  }
}

/** A value that was written for this field before. */
function writeShared(field: FieldPlan, value: object): boolean {
  const known = fixed.get(value);
  if (known === undefined || known.field !== field) return false;
  room(known.bytes.length);
  buffer.set(known.bytes, at);
  at += known.bytes.length;
  return true;
}

/** Numbers of one or two words, the lower first: register files as they lie in memory. Most are 0. */
function writeWords(tag: number, words: Uint32Array, width: 1 | 2): void {
  room(words.length / width * MAX_SCALAR);
  const out = buffer;
  const long = tag >= 0x80, first = long ? tag & 0x7f | 0x80 : tag, second = tag >>> 7;
  let to = at;
  for (let i = 0; i < words.length; i += width) {
    out[to++] = first;
    if (long) out[to++] = second;
    const low = words[i]!;
    if (low < 0x80 && (width === 1 || words[i + 1] === 0)) {
      out[to++] = low;
    } else {
      at = to;
      varint64(low, width === 1 ? 0 : words[i + 1]!);
      to = at;
    }
  }
  at = to;
}

/** Register files are lists of hundreds of numbers, most of them 0. */
function writeNumbers(field: FieldPlan, list: readonly unknown[]): void {
  const { tag } = field;
  const zero = field.type === 'uint32' ? 0 : 0n;
  room(list.length * MAX_SCALAR);
  for (let i = 0; i < list.length; i++) {
    if (list[i] !== zero) {
      writeField(field, list[i], i);
      continue;
    }
    if (tag < 0x80) buffer[at++] = tag;
    else varint(tag);
    buffer[at++] = 0;
  }
}

function writeField(field: FieldPlan, value: unknown, index: number | undefined): void {
  room(MAX_SCALAR);
  if (field.tag < 0x80) buffer[at++] = field.tag;
  else varint(field.tag);
  try {
    writeValue(field, value);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw error.inside(index === undefined ? field.name : `${field.name}[${index}]`);
  }
}

function writeValue(field: FieldPlan, value: unknown): void {
  switch (field.type) {
    case 'message': return writeInner(field, value);
    case 'string': return writeString(value);
    case 'bytes': return writeBytes(value);
    case 'bool':
      if (typeof value !== 'boolean') throw needed('a boolean', value);
      buffer[at++] = value ? 1 : 0;
      return;
    case 'uint32': return varint(integer(value, 0, 0xffffffff, field.type));
    case 'fixed32':
      word(integer(value, 0, 0xffffffff, field.type));
      return;
    case 'sint32': {
      const number = integer(value, -0x80000000, 0x7fffffff, field.type);
      return varint((number << 1 ^ number >> 31) >>> 0);
    }
    case 'enum':
    case 'int32': {
      const number = integer(value, -0x80000000, 0x7fffffff, field.type);
      return number < 0 ? varint64(number >>> 0, 0xffffffff) : varint(number);
    }
    default: return writeLong(field.type, value);
  }
}

function writeLong(type: FieldPlan['type'], value: unknown): void {
  if (typeof value !== 'bigint') throw needed('a bigint', value);
  const isSigned = type === 'int64' || type === 'sint64';
  if (isSigned ? value < -0x8000000000000000n || value > 0x7fffffffffffffffn : value < 0n || value > 0xffffffffffffffffn) {
    throw new WireError('', `${value} is not a ${type}`);
  }
  unsigned[0] = value;
  const low = halves[0]!;
  const high = halves[1]!;
  if (type === 'fixed64') {
    word(low);
    word(high);
  } else if (type === 'sint64') {
    const sign = high >>> 31 === 0 ? 0 : -1;
    varint64((low << 1 ^ sign) >>> 0, ((high << 1 | low >>> 31) ^ sign) >>> 0);
  } else {
    varint64(low, high);
  }
}

function integer(value: unknown, least: number, most: number, type: string): number {
  if (typeof value !== 'number') throw needed('a number', value);
  if (value < least || value > most || !Number.isInteger(value)) throw new WireError('', `${value} is not a ${type}`);
  return value;
}

function varint(number: number): void {
  let rest = number;
  while (rest > 0x7f) {
    buffer[at++] = rest & 0x7f | 0x80;
    rest >>>= 7;
  }
  buffer[at++] = rest;
}

function varint64(low: number, high: number): void {
  let l = low, h = high;
  while (h > 0) {
    buffer[at++] = l & 0x7f | 0x80;
    l = (l >>> 7 | h << 25) >>> 0;
    h >>>= 7;
  }
  varint(l);
}

function word(number: number): void {
  buffer[at++] = number;
  buffer[at++] = number >>> 8;
  buffer[at++] = number >>> 16;
  buffer[at++] = number >>> 24;
}

/** A message inside: one byte is left for its length, and it is moved when it needs more. */
function writeInner(field: FieldPlan, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw needed('an object', value);
  if (writeShared(field, value)) return;
  const before = at;
  const start = ++at;
  writeFields(planOf(field.message!()), value as Values);
  endInner(start);
  if (fixed.has(value)) fixed.set(value, { field, bytes: buffer.slice(before, at) });
}

function endInner(start: number): void {
  const size = at - start;
  if (size < 0x80) {
    buffer[start - 1] = size;
    return;
  }
  const extra = size < 0x4000 ? 1 : size < 0x200000 ? 2 : size < 0x10000000 ? 3 : 4;
  room(extra);
  buffer.copyWithin(start + extra, start, at);
  at = start - 1;
  varint(size);
  at += size;
}

function writeString(value: unknown): void {
  if (typeof value !== 'string') throw needed('a string', value);
  // paths and names are short and ASCII
  if (value.length < 0x80) {
    room(value.length + 1);
    let i = 0;
    for (let code; i < value.length && (code = value.charCodeAt(i)) < 0x80; i++) buffer[at + 1 + i] = code;
    if (i === value.length) {
      buffer[at] = i;
      at += i + 1;
      return;
    }
  }
  writeBytes(bytesOf(value));
}

function writeBytes(value: unknown): void {
  if (!(value instanceof Uint8Array)) throw needed('bytes', value);
  room(MAX_SCALAR + value.length);
  varint(value.length);
  buffer.set(value, at);
  at += value.length;
}

function needed(what: string, value: unknown): WireError {
  const got = value === null ? 'null' : typeof value === 'object' ? 'an object' : `${typeof value} ${String(value)}`;
  return new WireError('', `${what} is needed, not ${got}`);
}

const describe = (value: unknown): string => (value === null ? 'null' : typeof value === 'object' ? 'an object' : typeof value);
