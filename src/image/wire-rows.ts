/**
 * Many messages of one kind to bytes at once: their fields are gathered into columns, and the core makes the bytes (core/rows.h). What it is
 * not made for - values that do not fit, fields nobody knows - is left to ./wire-write.ts, which says what is wrong.
 */
import { UnknownFieldHandler } from '@protobuf-ts/runtime';
import { CoreError, theCore } from '../core/core.ts';
import { BOUND, ColumnKind, type Column, type Rows } from '../core/rows.ts';
import type { Desc } from './schema/define.ts';
import { bytesOf } from './text.ts';
import { planOf, WireError, type FieldPlan, type Plan } from './wire-plan.ts';
import { fieldBytes, isShared } from './wire-write.ts';

type Values = Readonly<Record<string | symbol, unknown>>;
/** What rows have; undefined: the row has none. */
type Cells = readonly unknown[];

/** With fewer messages the columns cost more than they save. */
export const MANY = 16;

/** Not for here. */
class Misfit extends Error {}

/** Bytes that columns point to. */
class Pool {
  bytes = new Uint8Array(4096);
  size = 0;

  /** @returns where they lie, and how many */
  add(bytes: Uint8Array): Place {
    const start = this.size;
    this.size += bytes.length;
    if (this.size > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.size));
      larger.set(this.bytes);
      this.bytes = larger;
    }
    this.bytes.set(bytes, start);
    return [start, bytes.length];
  }
}
type Place = readonly [start: number, size: number];

/** Places of a column's values that may come more than once: each is made once. */
function once(make: (cell: unknown) => Place): (cell: unknown) => Place {
  const known = new Map<unknown, Place>();
  return (cell) => {
    let place = known.get(cell);
    if (place === undefined) known.set(cell, place = make(cell));
    return place;
  };
}

class Table {
  readonly columns: Column[] = [];
  readonly pool = new Pool();
  /** Bytes that rows write of what is in the pool, at most. */
  #pooled = 0;

  constructor(readonly rows: number) {}

  encode(): Rows {
    return theCore().rows.encode(this.columns, this.rows, this.pool.bytes.subarray(0, this.pool.size), this.#pooled);
  }

  /** Bytes that every row starts with. */
  head(bytes: Uint8Array): void {
    const place = this.pool.add(bytes);
    this.#placed(ColumnKind.RAW, 0, new Array<unknown>(this.rows).fill(bytes), undefined, () => place);
  }

  /** The fields of a message, between OPEN or RECORD and CLOSE. */
  message(kind: number, tag: number, plan: Plan, messages: Cells, present?: Uint8Array): void {
    this.columns.push({ kind, tag, present });
    for (const message of messages) {
      if (message === undefined) continue;
      if (typeof message !== 'object' || message === null || (message as Values)[UnknownFieldHandler.symbol] !== undefined) throw new Misfit();
    }
    for (const field of plan.fields) this.#field(field, messages as readonly (Values | undefined)[]);
    this.columns.push({ kind: ColumnKind.CLOSE, tag: 0 });
  }

  #field(field: FieldPlan, messages: readonly (Values | undefined)[]): void {
    const { name } = field;
    const cells = new Array<unknown>(this.rows);
    let found = 0, missing = 0;
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i];
      if (message === undefined) continue;
      const value = message[name];
      if (value === undefined) missing++;
      else found++;
      cells[i] = value;
    }
    if (missing > 0 && field.required) throw new Misfit();
    if (found === 0) return;
    const present = missing === 0 ? undefined : presence(cells);
    if (field.repeated) this.#lists(field, cells, present);
    else if (field.type === 'message') this.#inner(field, cells, present);
    else if (field.type === 'string' || field.type === 'bytes') this.#texts(field, cells, present);
    else this.columns.push({ kind: KINDS[field.type], tag: field.tag, values: LONG.has(field.type) ? longs(field, cells) : numbers(field, cells), present });
  }

  #inner(field: FieldPlan, cells: Cells, present: Uint8Array | undefined): void {
    const first = cells.find((cell) => cell !== undefined);
    if (isShared(first)) this.#placed(ColumnKind.RAW, 0, cells, present, once((cell) => this.pool.add(fieldBytes(field, cell))));
    else this.message(ColumnKind.OPEN, field.tag, planOf(field.message!()), cells, present);
  }

  #texts(field: FieldPlan, cells: Cells, present: Uint8Array | undefined): void {
    this.#placed(ColumnKind.BYTES, field.tag, cells, present, once((cell) => {
      const bytes = field.type === 'string' && typeof cell === 'string' ? bytesOf(cell) : cell;
      if (!(bytes instanceof Uint8Array) || (field.type === 'string' && bytes === cell)) throw new Misfit();
      return this.pool.add(bytes);
    }));
  }

  #lists(field: FieldPlan, cells: Cells, present: Uint8Array | undefined): void {
    const lists = cells as readonly (ArrayLike<unknown> | undefined)[];
    if (lists.every((list) => list === undefined || list.length === 0)) return;
    if (field.type === 'message' && lists.every((list) => list === undefined || (Array.isArray(list) && !isShared(list)))) {
      const all = (lists as readonly (unknown[] | undefined)[]).flatMap((list) => list ?? []);
      if (all.length >= MANY) return this.#together(field, lists, all, present);
    }
    if (lists.every((list) => list === undefined || isWords(field, list))) {
      const width = field.type === 'uint32' ? 4 : 8;
      this.#placed(width === 4 ? ColumnKind.WORDS : ColumnKind.QUADS, field.tag, cells, present, (cell) => this.pool.add(bytesIn(cell as Uint32Array)), BOUND / width);
      return;
    }
    this.#placed(ColumnKind.RAW, 0, cells, present, once((cell) => this.pool.add(fieldBytes(field, cell))));
  }

  /** The messages of all rows' lists as one table. */
  #together(field: FieldPlan, lists: readonly (ArrayLike<unknown> | undefined)[], all: Cells, present: Uint8Array | undefined): void {
    const table = new Table(all.length);
    table.message(ColumnKind.OPEN, field.tag, planOf(field.message!()), all);
    const { bytes, sizes } = table.encode();
    let [at] = this.pool.add(bytes), next = 0;
    const places = lists.map((list) => {
      const start = at;
      for (const end = next + (list?.length ?? 0); next < end; next++) at += sizes[next]!;
      return list === undefined ? undefined : [start, at - start] satisfies Place;
    });
    this.#placed(ColumnKind.RAW, 0, places, present, (place) => place as Place);
  }

  #placed(kind: number, tag: number, cells: Cells, present: Uint8Array | undefined, place: (cell: unknown) => Place, growth = 1): void {
    const values = new Uint32Array(2 * this.rows);
    let last: unknown, at: Place = [0, 0];
    for (let i = 0; i < cells.length; i++) {
      const cell = cells[i];
      if (cell === undefined) continue;
      if (cell !== last) at = place(last = cell);
      values[2 * i] = at[0];
      values[2 * i + 1] = at[1];
      this.#pooled += at[1] * growth;
    }
    this.columns.push({ kind, tag, values, present });
  }
}

/** Numbers as they lie in memory: register files. */
const isWords = ({ type }: FieldPlan, list: unknown): boolean => (type === 'uint32' ? list instanceof Uint32Array : type === 'uint64' && list instanceof BigUint64Array);
const bytesIn = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);

const KINDS: Readonly<Record<Exclude<FieldPlan['type'], 'string' | 'bytes' | 'message'>, number>> = {
  bool: ColumnKind.VARINT, uint32: ColumnKind.VARINT, int32: ColumnKind.VARINT, enum: ColumnKind.VARINT, uint64: ColumnKind.VARINT, int64: ColumnKind.VARINT,
  sint32: ColumnKind.ZIGZAG, sint64: ColumnKind.ZIGZAG, fixed32: ColumnKind.FIXED32, fixed64: ColumnKind.FIXED64,
};
const LONG: ReadonlySet<FieldPlan['type']> = new Set(['uint64', 'int64', 'sint64', 'fixed64']);
const UNSIGNED: ReadonlySet<FieldPlan['type']> = new Set(['uint32', 'fixed32', 'uint64', 'fixed64']);

function presence(cells: Cells): Uint8Array {
  const present = new Uint8Array(cells.length);
  for (let i = 0; i < cells.length; i++) if (cells[i] !== undefined) present[i] = 1;
  return present;
}

function numbers({ type }: FieldPlan, cells: Cells): Uint32Array {
  const words = new Uint32Array(2 * cells.length), unsigned = UNSIGNED.has(type);
  for (let i = 0; i < cells.length; i++) {
    const value = cells[i];
    if (value === undefined) continue;
    if (type === 'bool' ? typeof value !== 'boolean' : typeof value !== 'number' || (unsigned ? value >>> 0 : value | 0) !== value) throw new Misfit();
    words[2 * i] = Number(value);
    if (!unsigned && (value as number) < 0) words[2 * i + 1] = 0xffffffff;
  }
  return words;
}

function longs({ type }: FieldPlan, cells: Cells): Uint32Array {
  const words = new Uint32Array(2 * cells.length);
  const quads = UNSIGNED.has(type) ? new BigUint64Array(words.buffer) : new BigInt64Array(words.buffer);
  for (let i = 0; i < cells.length; i++) {
    const value = cells[i];
    if (value === undefined) continue;
    if (typeof value !== 'bigint') throw new Misfit();
    quads[i] = value;
    if (quads[i] !== value) throw new Misfit();
  }
  return words;
}

/**
 * Messages as records of image files, each its message behind its size.
 * @param head what every one of them starts with
 * @returns undefined: they have to be written one by one
 */
export function recordRows(desc: Desc<object>, messages: readonly object[], head?: Uint8Array): Rows | undefined {
  try {
    const table = new Table(messages.length);
    if (head !== undefined) table.head(head);
    table.message(ColumnKind.RECORD, 0, planOf(desc), messages);
    return table.encode();
  } catch (error) {
    // too much at once, too: what is written one by one takes less room
    if (error instanceof Misfit || error instanceof WireError || error instanceof CoreError) return undefined;
    throw error;
  }
}
