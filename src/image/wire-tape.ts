/**
 * Many records to objects by way of the core, which walks the bytes: faster than ./wire-read.ts in code that runs once, as that of a
 * restore does. What the core does not take, and all errors, are left to that one; both make the same objects.
 */
import { theCore } from '../core/core.ts';
import { TapeKind, type TapeSchema } from '../core/tape.ts';
import type { Desc } from './schema/define.ts';
import { textOf } from './text.ts';
import { planOf, type FieldPlan, type Plan } from './wire-plan.ts';

type Values = Record<string, unknown>;

const KINDS: Readonly<Record<FieldPlan['type'], number>> = {
  enum: TapeKind.INT32, int32: TapeKind.INT32, uint32: TapeKind.INT32, sint32: TapeKind.SINT32, bool: TapeKind.BOOL, int64: TapeKind.INT64,
  uint64: TapeKind.INT64, sint64: TapeKind.SINT64, fixed32: TapeKind.FIXED32, fixed64: TapeKind.FIXED64, string: TapeKind.BYTES,
  bytes: TapeKind.BYTES, message: TapeKind.MESSAGE,
};
/** How a value is made of what is on the tape. */
const Make = { UNSIGNED: 0, SIGNED: 1, BOOL: 2, UNSIGNED64: 3, SIGNED64: 4, STRING: 5, BYTES: 6, MESSAGE: 7 } as const;
const MAKERS: Readonly<Record<FieldPlan['type'], number>> = {
  enum: Make.SIGNED, int32: Make.SIGNED, sint32: Make.SIGNED, uint32: Make.UNSIGNED, fixed32: Make.UNSIGNED, bool: Make.BOOL, uint64: Make.UNSIGNED64,
  fixed64: Make.UNSIGNED64, int64: Make.SIGNED64, sint64: Make.SIGNED64, string: Make.STRING, bytes: Make.BYTES, message: Make.MESSAGE,
};

interface Maker {
  readonly name: string;
  readonly make: number;
  readonly repeated: boolean;
  /** Of a message, once one was met. */
  inner: Described | undefined;
}

/** A message in the schema. */
interface Described {
  readonly at: number;
  readonly plan: Plan;
  /** By place. */
  readonly makers: readonly Maker[];
}

/** Limits of core/tape.h, and field numbers worth a table. */
const MAX_FIELDS = 64, MAX_NUMBER = 255;
const HEAD = 3, REPEATED = 0x10000;

class Schema implements TapeSchema {
  #room = new Uint32Array(4096);
  #used = 1;
  readonly #known = new Map<Desc<object>, Described | undefined>();
  /** By the index of a message field that has no message yet. */
  readonly #open = new Map<number, { readonly maker: Maker; readonly field: FieldPlan }>();

  get words(): Uint32Array { return this.#room.subarray(0, this.#used); }

  describe(field: number): boolean {
    const open = this.#open.get(field);
    const inner = open === undefined ? undefined : this.of(open.field.message!());
    if (open === undefined || inner === undefined) return false;
    open.maker.inner = inner;
    this.#room[field + 1] = inner.at;
    this.#open.delete(field);
    return true;
  }

  /** Undefined: the core cannot read such messages. */
  of(desc: Desc<object>): Described | undefined {
    if (this.#known.has(desc)) return this.#known.get(desc);
    const described = this.#add(planOf(desc));
    this.#known.set(desc, described);
    return described;
  }

  #add(plan: Plan): Described | undefined {
    const limit = (plan.fields.at(-1)?.no ?? 0) + 1;
    if (plan.fields.length > MAX_FIELDS || limit > MAX_NUMBER) return undefined;
    const at = this.#used;
    this.#reserve(HEAD + 2 * limit);
    this.#room[at] = limit;
    const makers = plan.fields.map((field) => this.#addField(at, field));
    return { at, plan, makers };
  }

  #addField(message: number, field: FieldPlan): Maker {
    const { name, no, place, type, repeated, required } = field;
    const at = message + HEAD + 2 * no;
    this.#room[at] = KINDS[type] | place << 8 | (repeated ? REPEATED : 0);
    if (required) this.#room[message + 1 + (place >>> 5)]! |= 1 << (place & 31);
    const maker: Maker = { name, make: MAKERS[type], repeated, inner: undefined };
    if (type === 'message') this.#open.set(at, { maker, field });
    return maker;
  }

  #reserve(words: number): void {
    this.#used += words;
    if (this.#used <= this.#room.length) return;
    const room = new Uint32Array(2 * this.#used);
    room.set(this.#room);
    this.#room = room;
  }
}

const schema = new Schema();

/** One reader serves everybody, as in ./wire-read.ts. */
let bytes: Uint8Array = new Uint8Array(0);
let words: Uint32Array = new Uint32Array(0);
let unsigned: BigUint64Array = new BigUint64Array(0), signed: BigInt64Array = new BigInt64Array(0);
let at = 0, long = 0;

/**
 * The messages of a file's records.
 * @param offset of the first record
 * @returns undefined: `readMessage` is to be asked
 */
export function readTape(file: Uint8Array, offset: number, first: Desc<object>, rest: Desc<object>): object[] | undefined {
  const one = schema.of(first), others = schema.of(rest);
  if (one === undefined || others === undefined) return undefined;
  return theCore().tape.read(file, offset, schema, one.at, others.at, (tape) => {
    bytes = file;
    words = tape.words;
    unsigned = tape.longs;
    signed = new BigInt64Array(unsigned.buffer, unsigned.byteOffset, unsigned.length);
    at = long = 0;
    const messages: object[] = [];
    for (let i = 0; i < tape.records; i++) messages.push(makeMessage(i === 0 ? one : others));
    return messages;
  });
}

function makeMessage({ plan, makers }: Described): Values {
  const message = plan.make();
  for (const name of plan.repeated) message[name] = [];
  for (let left = words[at++]!; left > 0; left--) {
    const item = words[at++]!;
    const maker = makers[item & 0xff]!;
    if (maker.repeated) makeMany(maker, item >>> 8, message[maker.name] as unknown[]);
    else message[maker.name] = makeOne(maker);
  }
  return message;
}

function makeMany(maker: Maker, count: number, list: unknown[]): void {
  if (maker.make === Make.UNSIGNED) for (let left = count; left > 0; left--) list.push(words[at++]);
  else for (let left = count; left > 0; left--) list.push(makeOne(maker));
}

function makeOne(maker: Maker): unknown {
  switch (maker.make) {
    case Make.UNSIGNED: return words[at++];
    case Make.SIGNED: return words[at++]! | 0;
    case Make.BOOL: return words[at++] !== 0;
    case Make.UNSIGNED64: return unsigned[long++];
    case Make.SIGNED64: return signed[long++];
    case Make.STRING: return textOf(bytes, words[at]!, words[at++]! + words[at++]!);
    case Make.BYTES: return bytes.slice(words[at]!, words[at++]! + words[at++]!);
    default: return makeMessage(maker.inner!);
  }
}
