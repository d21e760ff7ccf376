/**
 * Steps that run once for each of many rows of numbers, in one program: recorded, encoded and sent once. What they leave in their part of the data area and in
 * their results is put aside after each row, and looked at as if there had been no other.
 *
 *      start -> init -> top: columns of the row, steps, put aside, as it was -> top ... -> end
 */
import { Cond, Op, RanBlock, ResultAddress, type DataRef, type Program, type ResultRef } from './program.ts';

export interface Row {
  /** What its steps are about. */
  readonly resource: string;
  /** As many in each row; they fit 32 bits with their sign. */
  readonly values: readonly number[];
}

/** Which parts of a block belong to a row. */
interface Part { readonly data: number; readonly dataEnd: number; readonly results: number; readonly resultsEnd: number; readonly aside: DataRef; readonly stride: number }

const word = (n: number): number => Math.ceil(n / 8) * 8;

/** A block of which a row is seen. */
export class RowView extends RanBlock {
  constructor(ran: RanBlock, readonly part: Part, readonly row: number) { super(ran.program, ran.bytes); }

  /** All that is its own: equal for rows that cannot be told apart. */
  get key(): string {
    const { aside, stride } = this.part;
    return super.data(aside.at(this.row * stride), stride).toString('latin1');
  }

  override result(ref: ResultRef): bigint {
    const { data, dataEnd, results, resultsEnd, aside, stride } = this.part;
    if (ref.index < results || ref.index >= resultsEnd) return super.result(ref);
    return super.data(aside).readBigInt64LE(this.row * stride + word(dataEnd - data) + (ref.index - results) * 8);
  }

  override data(ref: DataRef, size = ref.size): Buffer {
    const { data, dataEnd, aside, stride } = this.part;
    return ref.offset < data || ref.offset >= dataEnd ? super.data(ref, size) : super.data(aside.at(this.row * stride + ref.offset - data), size);
  }
}

export interface Repeated<T> {
  readonly body: T;
  /** A row's own view of the block. */
  view(ran: RanBlock, row: number): RowView;
}

/** @param rows at least one @param body adds the steps; it is called once */
export function repeat<T>(p: Program, rows: readonly Row[], body: (columns: readonly ResultRef[]) => T): Repeated<T> {
  const width = rows[0]!.values.length;
  const numbers = Buffer.alloc(rows.length * width * 8);
  rows.forEach(({ values }, i) => values.forEach((value, k) => { numbers.writeInt32LE(value, (i * width + k) * 8); numbers.writeInt32LE(value < 0 ? -1 : 0, (i * width + k) * 8 + 4); }));
  const table = p.data(numbers), row = p.reserve(8), cursor = p.reserve(8), out = p.reserve(8);
  const places = { init: 0, end: 0 };
  const go = (to: () => number): void => { p.jump(0, Cond.EQ, 0, to); };
  go(() => places.init);

  const top = p.here;
  p.resource('each');
  const at = p.load(cursor, 8);
  const columns = Array.from({ length: width }, (_, i) => p.control(Op.LOAD, [i === 0 ? at : p.add(at, i * 8), 8], { expect: 'any' }));
  const work = p.reserve(0, 64);
  const results = p.resultCount;
  const value = body(columns);
  const part = { data: work.offset, dataEnd: p.dataSize, results, resultsEnd: p.resultCount };
  const size = part.dataEnd - part.data, resultSize = (part.resultsEnd - results) * 8;
  const stride = word(size) + resultSize;
  const fresh = p.data(p.initial(part.data, part.dataEnd)), aside = p.reserve(stride * rows.length);
  const copy = (...args: Parameters<Program['control']>[1]): void => { p.control(Op.COPY, args, { keep: false }); };
  const place = p.load(out, 8);
  if (size > 0) copy(place, work, size);
  if (resultSize > 0) copy(p.add(place, word(size)), new ResultAddress(results), resultSize);
  if (size > 0) copy(work, fresh, size);
  p.store(out, p.add(place, stride));
  p.store(cursor, p.add(at, width * 8));
  p.store(row, p.add(p.load(row, 8), 1));
  p.jump(p.load(row, 8), Cond.LT, rows.length, () => top);
  go(() => places.end);

  places.init = p.here;
  p.store(cursor, table);
  p.store(out, aside);
  go(() => top);
  places.end = p.here;
  p.repeated.push({ from: top, to: places.init, row, resources: rows.map(({ resource }) => resource) });
  return { body: value, view: (ran, i) => new RowView(ran, { ...part, aside, stride }, i) };
}

/** Reads rows that cannot be told apart only once. What is read must not be changed. */
export function once<T>(read: (ran: RanBlock) => T): (ran: RanBlock) => T {
  const known = new Map<string, T>();
  return (ran) => {
    if (!(ran instanceof RowView)) return read(ran);
    const { key } = ran;
    if (!known.has(key)) known.set(key, read(ran));
    return known.get(key)!;
  };
}
