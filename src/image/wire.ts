/**
 * Messages to bytes and back. Each description's plan and protobuf-ts `MessageType` are made when first used: start-up costs
 * nothing for the 170 messages a command does not touch. Every field is optional on the wire, so a written 0 is written again
 * and an absent field stays absent; unknown fields are kept. Bytes here are one message, without framing (see ./codec.ts).
 * Reading and writing are in ./wire-read.ts and ./wire-write.ts.
 */
import { MessageType, RepeatType, ScalarType } from '@protobuf-ts/runtime';
import type { EnumInfo, PartialFieldInfo } from '@protobuf-ts/runtime';
import type { Cardinality, Desc, Field, Init, ScalarName } from './schema/define.ts';
import { readMessage } from './wire-read.ts';
import { writeMessage } from './wire-write.ts';

export { WireError } from './wire-plan.ts';
export { shared } from './wire-write.ts';

const SCALARS: Readonly<Record<ScalarName, ScalarType>> = {
  int32: ScalarType.INT32, uint32: ScalarType.UINT32, sint32: ScalarType.SINT32, fixed32: ScalarType.FIXED32, bool: ScalarType.BOOL,
  string: ScalarType.STRING, bytes: ScalarType.BYTES, int64: ScalarType.INT64, uint64: ScalarType.UINT64, sint64: ScalarType.SINT64,
  fixed64: ScalarType.FIXED64,
};

/** protobuf-ts's view of a message (reflection, clone, equals, JSON), with our reading and writing of bytes. */
class ImageMessage<M extends object> extends MessageType<M> {
  constructor(readonly desc: Desc<M>) {
    super(desc.name, Object.entries(desc.fields).map(([name, field]) => fieldInfo(name, field)));
  }
  override fromBinary(bytes: Uint8Array): M { return decodeMessage(this.desc, bytes); }
  override toBinary(message: M): Uint8Array { return encodeMessage(this.desc, message); }
}

function fieldInfo(name: string, field: Field<unknown, Cardinality>): PartialFieldInfo {
  const common = { no: field.no, name, localName: name };
  const repeat = RepeatType.UNPACKED;
  if (field.type === 'message') {
    const T = (): MessageType<object> => typeOf(field.message!());
    return field.card === 'rep' ? { ...common, kind: 'message', T, repeat } : { ...common, kind: 'message', T };
  }
  if (field.type === 'enum') {
    // the names are ours to show (../crit/convert.ts); protobuf-ts only needs to know that it is a number
    const T = (): EnumInfo => [name, {}];
    return field.card === 'rep' ? { ...common, kind: 'enum', T, repeat } : { ...common, kind: 'enum', T, opt: true };
  }
  const T = SCALARS[field.type];
  // L 0 is LongType.BIGINT
  return field.card === 'rep' ? { ...common, kind: 'scalar', T, L: 0, repeat } : { ...common, kind: 'scalar', T, L: 0, opt: true };
}

const types = new WeakMap<object, unknown>();

/** The protobuf-ts type of a description, made at first use. */
export function typeOf<M extends object>(desc: Desc<M>): MessageType<M> {
  let type = types.get(desc) as ImageMessage<M> | undefined;
  if (type === undefined) types.set(desc, type = new ImageMessage(desc));
  return type;
}

/** A message with its repeated fields filled in: `create(pstree_entry, { pid, ppid, pgid, sid })`. */
export function create<M extends object>(desc: Desc<M>, values: Init<M>): M {
  const message: Record<string, unknown> = {};
  let lists = repeated.get(desc);
  if (lists === undefined) repeated.set(desc, lists = Object.entries(desc.fields).filter(([, field]) => field.card === 'rep').map(([name]) => name));
  for (const name of lists) message[name] = [];
  for (const name of Object.keys(values)) {
    const value = (values as Record<string, unknown>)[name];
    if (value !== undefined) message[name] = value;
  }
  return message as M;
}

/** Names of a message's repeated fields. */
const repeated = new WeakMap<object, readonly string[]>();

/**
 * Decodes one message. What it returns does not point into `bytes`.
 * @param start, end where in the bytes it lies; undefined: it is all of them
 * @throws WireError naming the field
 */
export function decodeMessage<M extends object>(desc: Desc<M>, bytes: Uint8Array, start?: number, end?: number): M {
  return readMessage(desc as Desc<object>, bytes, start, end) as M;
}

/**
 * Encodes one message, fields in the order of their numbers, unknown ones last. A missing repeated field is an empty one.
 * @throws WireError naming the field that is missing or of the wrong type
 */
export function encodeMessage<M extends object>(desc: Desc<M>, message: M): Uint8Array {
  return writeMessage(desc as Desc<object>, message);
}
