/**
 * Messages to bytes and back, with protobuf-ts. Each description's `MessageType` is made when first used: start-up costs nothing
 * for the 160 messages a command does not touch. Every field is optional at run time, so a written 0 is written again and an
 * absent field stays absent; unknown fields are kept. Bytes here are one message, without framing (see ./framing.ts).
 */
import { BinaryReader, BinaryWriter, MessageType, RepeatType, ScalarType, UnknownFieldHandler, WireType } from '@protobuf-ts/runtime';
import type { BinaryReadOptions, EnumInfo, IBinaryReader, PartialFieldInfo } from '@protobuf-ts/runtime';
import { bytesOf, textOf } from './text.ts';
import type { Cardinality, Desc, Field, Init, ScalarName } from './schema/define.ts';

/** Nesting deeper than this is not an image (the deepest real one, a cgroup tree, is bounded by the kernel's own limits). */
const MAX_DEPTH = 100;

/** A message that does not fit its description. `path` is the field, `sk.opts.so_mark`. */
export class WireError extends Error {
  constructor(readonly path: string, readonly why: string) {
    super(path === '' ? why : `field ${path}: ${why}`);
    this.name = 'WireError';
  }
}

const SCALARS: Readonly<Record<ScalarName, ScalarType>> = {
  int32: ScalarType.INT32, uint32: ScalarType.UINT32, sint32: ScalarType.SINT32, fixed32: ScalarType.FIXED32, bool: ScalarType.BOOL,
  string: ScalarType.STRING, bytes: ScalarType.BYTES, int64: ScalarType.INT64, uint64: ScalarType.UINT64, sint64: ScalarType.SINT64,
  fixed64: ScalarType.FIXED64,
};

type AnyField = Field<unknown, Cardinality>;
type Values = Record<string, unknown>;

const textDecoder = { decode: (bytes: Uint8Array) => textOf(bytes) } as unknown as TextDecoder;
const textEncoder = { encode: (text: string) => bytesOf(text) } as unknown as TextEncoder;

/** How many messages deep the reader is; reading is synchronous. */
let depth = 0;

class ImageMessage extends MessageType<object> {
  readonly #byNumber = new Map<number, readonly [string, AnyField]>();
  readonly #required: readonly string[];

  constructor(readonly desc: Desc<object>) {
    super(desc.name, Object.entries(desc.fields).map(([name, field]) => fieldInfo(name, field)));
    for (const [name, field] of Object.entries(desc.fields)) this.#byNumber.set(field.no, [name, field]);
    this.#required = Object.entries(desc.fields).filter(([, f]) => f.card === 'req').map(([name]) => name);
  }

  /** Reads with wire types checked, nesting bounded and required fields asked for: images come from anywhere. */
  override internalBinaryRead(reader: IBinaryReader, length: number, options: BinaryReadOptions, target?: object): object {
    const end = reader.pos + length;
    if (end > reader.len) throw new WireError('', `it says ${length} bytes, ${reader.len - reader.pos} are left`);
    if (++depth > MAX_DEPTH) throw new WireError('', `more than ${MAX_DEPTH} messages inside each other`);
    const message = (target ?? this.create()) as Values;
    try {
      while (reader.pos < end) this.#readField(reader, end, options, message);
    } finally {
      depth--;
    }
    for (const name of this.#required) if (message[name] === undefined) throw new WireError(name, 'a required field is missing');
    return message;
  }

  #readField(reader: IBinaryReader, end: number, options: BinaryReadOptions, message: Values): void {
    const [no, wireType] = reader.tag();
    const known = this.#byNumber.get(no);
    const name = known?.[0] ?? `number ${no}`;
    try {
      if (known === undefined || !fits(known[1], wireType)) {
        if (wireType === WireType.StartGroup || wireType === WireType.EndGroup) throw new WireError('', 'groups are not part of the format');
        const data = reader.skip(wireType);
        if (reader.pos > end) throw new WireError('', 'it reaches past the end of its message');
        UnknownFieldHandler.onRead(this.typeName, message, no, wireType, data.slice());
      } else {
        readKnown(reader, wireType, options, message, known[0], known[1]);
        if (reader.pos > end) throw new WireError('', 'it reaches past the end of its message');
      }
    } catch (error) {
      throw within(name, error);
    }
  }
}

function within(name: string, error: unknown): WireError {
  if (error instanceof WireError) return new WireError(error.path === '' ? name : `${name}.${error.path}`, error.why);
  return new WireError(name, error instanceof RangeError ? 'it is cut short' : error instanceof Error ? error.message : String(error));
}

function wireTypeOf(type: AnyField['type']): WireType {
  if (type === 'string' || type === 'bytes' || type === 'message') return WireType.LengthDelimited;
  if (type === 'fixed32') return WireType.Bit32;
  return type === 'fixed64' ? WireType.Bit64 : WireType.Varint;
}

function fits(field: AnyField, wireType: WireType): boolean {
  return wireType === wireTypeOf(field.type) || (field.card === 'rep' && wireType === WireType.LengthDelimited);
}

function readKnown(reader: IBinaryReader, wireType: WireType, options: BinaryReadOptions, into: Values, name: string, field: AnyField): void {
  if (field.type === 'message') {
    const type = typeOf(field.message!());
    const size = reader.uint32();
    if (field.card === 'rep') (into[name] as unknown[]).push(type.internalBinaryRead(reader, size, options));
    else into[name] = type.internalBinaryRead(reader, size, options, into[name] as object | undefined);
    return;
  }
  if (field.card !== 'rep') {
    into[name] = readScalar(reader, field.type);
    return;
  }
  const list = into[name] as unknown[];
  if (wireType === wireTypeOf(field.type)) {
    list.push(readScalar(reader, field.type));
    return;
  }
  const size = reader.uint32();
  const end = reader.pos + size;
  if (end > reader.len) throw new WireError('', 'it is cut short');
  while (reader.pos < end) list.push(readScalar(reader, field.type));
}

function readScalar(reader: IBinaryReader, type: ScalarName | 'enum'): unknown {
  switch (type) {
    case 'enum':
    case 'int32': return reader.int32();
    case 'uint32': return reader.uint32();
    case 'sint32': return reader.sint32();
    case 'fixed32': return reader.fixed32();
    case 'bool': return reader.bool();
    case 'string': return reader.string();
    case 'bytes': return reader.bytes().slice();
    case 'int64': return reader.int64().toBigInt();
    case 'uint64': return reader.uint64().toBigInt();
    case 'sint64': return reader.sint64().toBigInt();
    case 'fixed64': return reader.fixed64().toBigInt();
  }
}

function fieldInfo(name: string, field: AnyField): PartialFieldInfo {
  const common = { no: field.no, name, localName: name };
  const repeat = RepeatType.UNPACKED;
  if (field.type === 'message') {
    const T = (): MessageType<object> => typeOf(field.message!());
    return field.card === 'rep' ? { ...common, kind: 'message', T, repeat } : { ...common, kind: 'message', T };
  }
  if (field.type === 'enum') {
    // the names are ours to show (../crit/present.ts); protobuf-ts only needs to know that it is a number
    const T = (): EnumInfo => [name, {}];
    return field.card === 'rep' ? { ...common, kind: 'enum', T, repeat } : { ...common, kind: 'enum', T, opt: true };
  }
  const T = SCALARS[field.type];
  // L 0 is LongType.BIGINT
  return field.card === 'rep' ? { ...common, kind: 'scalar', T, L: 0, repeat } : { ...common, kind: 'scalar', T, L: 0, opt: true };
}

const types = new WeakMap<object, ImageMessage>();

/** The protobuf-ts type of a description, made at first use. */
export function typeOf<M extends object>(desc: Desc<M>): MessageType<M> {
  let type = types.get(desc);
  if (type === undefined) types.set(desc, type = new ImageMessage(desc as Desc<object>));
  return type as unknown as MessageType<M>;
}

/** A message with its repeated fields filled in: `create(pstree_entry, { pid, ppid, pgid, sid })`. */
export function create<M extends object>(desc: Desc<M>, values: Init<M>): M {
  const message: Values = {};
  for (const [name, field] of Object.entries(desc.fields)) if (field.card === 'rep') message[name] = [];
  for (const [name, value] of Object.entries(values)) if (value !== undefined) message[name] = value;
  return message as M;
}

/**
 * Decodes one message.
 * @throws WireError naming the field
 */
export function decodeMessage<M extends object>(desc: Desc<M>, bytes: Uint8Array): M {
  depth = 0;
  return typeOf(desc).fromBinary(bytes, { readerFactory: (b) => new BinaryReader(b, textDecoder) });
}

/**
 * Encodes one message, fields in the order of their numbers, unknown ones last.
 * @throws WireError naming the field that is missing or of the wrong type
 */
export function encodeMessage<M extends object>(desc: Desc<M>, message: M): Uint8Array {
  checkWritable(desc as Desc<object>, message as Values, '');
  return typeOf(desc).toBinary(message, { writerFactory: () => new BinaryWriter(textEncoder) });
}

function checkWritable(desc: Desc<object>, message: Values, path: string): void {
  for (const name in desc.fields) {
    const field = desc.fields[name]!;
    const value = message[name];
    const at = path === '' ? name : `${path}.${name}`;
    if (value === undefined) {
      if (field.card === 'req') throw new WireError(at, `${desc.name} cannot be written without it`);
      if (field.card === 'rep') message[name] = [];
    } else if (field.type === 'message') {
      const inner = field.message!();
      if (field.card === 'rep') (value as Values[]).forEach((one, i) => checkWritable(inner, one, `${at}[${i}]`));
      else checkWritable(inner, value as Values, at);
    } else if (field.card === 'rep') {
      for (const one of value as unknown[]) checkScalar(field, one, at);
    } else {
      checkScalar(field, value, at);
    }
  }
}

function checkScalar(field: AnyField, value: unknown, at: string): void {
  const range = RANGES[field.type as keyof typeof RANGES];
  if (range !== undefined) {
    if (typeof value !== typeof range[0]) throw new WireError(at, `a ${typeof range[0]} is needed, not ${describe(value)}`);
    const number = value as number;
    if (number < range[0] || number > range[1] || (typeof number === 'number' && !Number.isInteger(number))) {
      throw new WireError(at, `${String(value)} is not a ${field.type}`);
    }
  } else if (field.type === 'bytes') {
    if (!(value instanceof Uint8Array)) throw new WireError(at, `bytes are needed, not ${describe(value)}`);
  } else if (typeof value !== (field.type === 'bool' ? 'boolean' : 'string')) {
    throw new WireError(at, `a ${field.type} is needed, not ${describe(value)}`);
  }
}

const describe = (value: unknown): string => (value === null ? 'null' : typeof value === 'object' ? 'an object' : `${typeof value} ${String(value)}`);

const I32 = [-0x80000000, 0x7fffffff] as const;
const U32 = [0, 0xffffffff] as const;
const I64 = [-(1n << 63n), (1n << 63n) - 1n] as const;
const U64 = [0n, (1n << 64n) - 1n] as const;
const RANGES = { int32: I32, enum: I32, uint32: U32, sint32: I32, fixed32: U32, int64: I64, uint64: U64, sint64: I64, fixed64: U64 };
