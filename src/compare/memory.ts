/**
 * A task's memory against another one's, page by page; the core compares the bytes. Runs that lie in the very same place of the same
 * file (two links of a chain) are equal without reading them.
 */
import { theCore } from '../core/core.ts';
import type { AddressSpace, PageRun } from '../inspect/memory.ts';
import { bit } from '../view/pages.ts';

export interface MemoryChange {
  /** Pages whose bytes differ, and how many bytes that is. */
  changedPages: number;
  changedBytes: number;
  /** Pages stored on one side only (the other has zeros or the file's contents, or no mapping). */
  onlyA: number;
  onlyB: number;
  same: number;
  /** Ranges of pages that differ or are on one side only, by address. */
  readonly ranges: { start: bigint; end: bigint; kind: 'changed' | 'added' | 'removed'; bytes: number }[];
  /** Ranges left out of `ranges`: there is a limit. */
  more: number;
}

const PIECE = 1 << 20;
const CORE_PAGE = 4096;
const MAX_RANGES = 10_000;

type Stored = Pick<PageRun, 'start' | 'end' | 'link' | 'file' | 'offset'>;

/** Stored runs, one after the other; those not at an address after the last are left out (damaged maps). */
function* storedRuns(space: AddressSpace): Generator<Stored> {
  let last = 0n;
  for (const run of space.runs()) {
    if (run.state !== 'stored' || run.start < last) continue;
    last = run.end;
    yield run;
  }
}

export async function compareMemory(a: AddressSpace, b: AddressSpace): Promise<MemoryChange> {
  const change: MemoryChange = { changedPages: 0, changedBytes: 0, onlyA: 0, onlyB: 0, same: 0, ranges: [], more: 0 };
  const page = Number(a.pageSize);
  const [left, right] = [new Cursor(storedRuns(a)), new Cursor(storedRuns(b))];
  for (;;) {
    const [x, y] = [left.run, right.run];
    if (x === undefined && y === undefined) return change;
    if (y === undefined || (x !== undefined && x.start < y.start)) {
      const end = y === undefined || x!.end <= y.start ? x!.end : y.start;
      change.onlyA += Number(end - x!.start) / page;
      add(change, x!.start, end, 'removed', 0);
      left.cut(end);
    } else if (x === undefined || y.start < x.start) {
      const end = x === undefined || y.end <= x.start ? y.end : x.start;
      change.onlyB += Number(end - y.start) / page;
      add(change, y.start, end, 'added', 0);
      right.cut(end);
    } else {
      const end = x.end < y.end ? x.end : y.end;
      if (samePlace(a, x, b, y)) change.same += Number(end - x.start) / page;
      else await compareRange(a, x, b, y, x.start, end, page, change);
      left.cut(end);
      right.cut(end);
    }
  }
}

function samePlace(a: AddressSpace, x: Stored, b: AddressSpace, y: Stored): boolean {
  return a.set.chain[x.link] === b.set.chain[y.link] && x.file === y.file && x.offset === y.offset;
}

class Cursor {
  run: Stored | undefined;
  constructor(readonly runs: Iterator<Stored>) { this.#next(); }
  #next(): void {
    const { value, done } = this.runs.next() as IteratorResult<Stored, undefined>;
    this.run = done === true ? undefined : value;
  }
  /** Drops what lies before `address`. */
  cut(address: bigint): void {
    const { run } = this;
    if (run === undefined) return;
    if (address >= run.end) this.#next();
    else if (address > run.start) this.run = { ...run, start: address, offset: run.offset + Number(address - run.start) };
  }
}

async function compareRange(a: AddressSpace, one: Stored, b: AddressSpace, two: Stored, from: bigint, to: bigint, page: number, change: MemoryChange): Promise<void> {
  const { pages } = theCore();
  const read = (at: bigint): Promise<[Uint8Array, Uint8Array]> => {
    const length = Number(to - at < BigInt(PIECE) ? to - at : BigInt(PIECE));
    const both = Promise.all([a.bytesOf(one, at, length), b.bytesOf(two, at, length)]);
    both.catch(() => undefined); // whoever awaits it gets the error
    return both;
  };
  // the next pieces are read while these are compared
  let next = read(from);
  for (let at = from; at < to;) {
    const [x, y] = await next;
    const { length } = x;
    if (at + BigInt(length) < to) next = read(at + BigInt(length));
    const differing = pages.differing(x, y);
    if (differing.count === 0) {
      change.same += length / page;
      at += BigInt(length);
      continue;
    }
    for (let i = 0; i < length / page; i++) {
      let differs = false;
      for (let j = i * page / CORE_PAGE; j < (i + 1) * page / CORE_PAGE; j++) differs ||= bit(differing.bits, j);
      if (!differs) {
        change.same++;
        continue;
      }
      const bytes = pages.differingBytes(x.subarray(i * page, (i + 1) * page), y.subarray(i * page, (i + 1) * page));
      change.changedPages++;
      change.changedBytes += bytes;
      add(change, at + BigInt(i * page), at + BigInt((i + 1) * page), 'changed', bytes);
    }
    at += BigInt(length);
  }
}

function add(change: MemoryChange, start: bigint, end: bigint, kind: 'changed' | 'added' | 'removed', bytes: number): void {
  const last = change.ranges.at(-1);
  if (last !== undefined && last.kind === kind && last.end === start) {
    last.end = end;
    last.bytes += bytes;
  } else if (change.ranges.length >= MAX_RANGES) change.more++;
  else change.ranges.push({ start, end, kind, bytes });
}
