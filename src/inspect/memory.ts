/**
 * A task's memory as its images have it: mappings, and for every page where its bytes are: in this set, in a set before it,
 * nowhere (zero, or as in the mapped file). Nothing is held but the page maps; bytes are read when asked for.
 */
import { StillframeError } from '../errors.ts';
import { PageFlag, type PageMap } from '../core/core.ts';
import type * as s from '../image/schema/index.ts';
import type { Task } from '../image/tree.ts';
import type { ByteFile } from '../image/source/source.ts';
import { mappingsOf, type Mapping } from './mappings.ts';
import type { OpenSet } from './open.ts';

/** Pages one behind the other, in memory and in a file. Addresses and offsets are bytes. */
export interface PageRun {
  readonly start: bigint;
  readonly end: bigint;
  /** `stored`: in `file` of set `link`. `missing`: they should be in a parent that is not there or does not have them. `lazy`: never dumped. */
  readonly state: 'stored' | 'missing' | 'lazy';
  /** Which set of the chain; 0 is the youngest. */
  readonly link: number;
  /** `pages-N.img`. */
  readonly file: string;
  readonly offset: number;
  /** They are also marked as lazy: post-copy may bring them later. */
  readonly lazy: boolean;
}

/** Pieces that `stored` yields at most. */
const PIECE = 1 << 20;
const NOWHERE = { link: -1, file: '', offset: 0, lazy: false } as const;

/** Runs of a page map's pages with addresses in [from, to), followed through the chain from `link` on. */
export function* runsOf(chain: readonly OpenSet[], name: string, link = 0, from = 0n, to = 1n << 64n): Generator<PageRun> {
  const map = chain[link]?.loaded.pageMaps.get(name);
  if (map === undefined) {
    if (link > 0 && from < to) yield { ...NOWHERE, start: from, end: to, state: 'missing' };
    return;
  }
  const size = BigInt(chain[link]!.loaded.pageSize);
  let covered = from;
  for (let i = firstEntry(map, from, size); i < map.count; i++) {
    const begin = map.vaddr[i]!;
    if (begin >= to) break;
    const finish = begin + map.nrPages[i]! * size;
    const start = begin > from ? begin : from;
    const end = finish < to ? finish : to;
    if (start >= end) continue;
    if (link > 0 && start > covered) yield { ...NOWHERE, start: covered, end: start, state: 'missing' };
    covered = end;
    const flags = map.flags[i]!;
    const lazy = (flags & PageFlag.LAZY) !== 0;
    if ((flags & PageFlag.PARENT) !== 0) yield* runsOf(chain, name, link + 1, start, end);
    else if ((flags & PageFlag.PRESENT) === 0) yield { ...NOWHERE, start, end, state: 'lazy', lazy };
    else yield { start, end, state: 'stored', link, file: `pages-${map.pagesId}.img`, offset: Number(map.offset[i]! + (start - begin)), lazy };
  }
  if (link > 0 && covered < to) yield { ...NOWHERE, start: covered, end: to, state: 'missing' };
}

/** The first entry that may reach beyond `address`. Entries of a sound map are sorted; of another one all are looked at. */
function firstEntry(map: PageMap, address: bigint, size: bigint): number {
  if ((map.allMarks & 0xff00) !== 0) return 0;
  let low = 0;
  let high = map.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (map.vaddr[middle]! + map.nrPages[middle]! * size <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class AddressSpace {
  readonly mappings: readonly Mapping[];
  readonly pageSize: bigint;
  readonly mapName: string;
  readonly #chain: OpenSet[];
  readonly #files = new Map<string, ByteFile>();

  /** @param mappings those of the task in another set of the chain, where this one has only pages (a pre-dump) */
  constructor(readonly set: OpenSet, readonly task: Task, mappings?: readonly Mapping[]) {
    this.mappings = mappings ?? mappingsOf(set.tree, task);
    this.pageSize = BigInt(set.loaded.pageSize);
    this.mapName = `pagemap-${task.pid}.img`;
    this.#chain = set.chain;
  }

  get mm(): s.mm_entry | undefined { return this.task.mm; }

  /** The mapping that has this address. */
  mappingAt(address: bigint): Mapping | undefined {
    return this.mappings.find((mapping) => address >= mapping.start && address < mapping.end);
  }

  /** All runs: private pages, and those of shared mappings at the addresses where this task has them; by address. */
  *runs(from = 0n, to = 1n << 64n): Generator<PageRun> {
    const shared = this.mappings.filter((mapping) => mapping.shmem !== undefined && mapping.end > from && mapping.start < to);
    if (shared.length === 0) {
      yield* runsOf(this.#chain, this.mapName, 0, from, to);
      return;
    }
    let at = from;
    for (const mapping of shared) {
      if (mapping.start > at) yield* runsOf(this.#chain, this.mapName, 0, at, mapping.start);
      yield* this.#sharedRuns(mapping, from, to);
      if (mapping.end > at) at = mapping.end;
    }
    if (at < to) yield* runsOf(this.#chain, this.mapName, 0, at, to);
  }

  *#sharedRuns(mapping: Mapping, from: bigint, to: bigint): Generator<PageRun> {
    // a page map of shared memory has offsets into the object where that of a task has addresses
    const shift = mapping.start - mapping.pgoff;
    const begin = (mapping.start > from ? mapping.start : from) - shift;
    const end = (mapping.end < to ? mapping.end : to) - shift;
    for (const run of runsOf(this.#chain, mapping.shmem!, 0, begin, end)) yield { ...run, start: run.start + shift, end: run.end + shift };
  }

  /** What is stored, in pieces of at most 1 MiB, by address. @throws StillframeError when a pages file is shorter than its map says */
  async *stored(from = 0n, to = 1n << 64n): AsyncGenerator<{ start: bigint; bytes: Uint8Array }> {
    for (const run of this.runs(from, to)) {
      if (run.state !== 'stored') continue;
      for (let at = run.start; at < run.end;) {
        const bytes = await this.bytesOf(run, at, Number(run.end - at < PIECE ? run.end - at : PIECE));
        yield { start: at, bytes };
        at += BigInt(bytes.length);
      }
    }
  }

  /** Bytes of a stored run: `length` of them from address `at` on. */
  async bytesOf(run: Pick<PageRun, 'start' | 'link' | 'file' | 'offset'>, at: bigint, length: number): Promise<Uint8Array> {
    const key = `${run.link}/${run.file}`;
    let file = this.#files.get(key);
    if (file === undefined) {
      file = await this.#chain[run.link]!.store.source(run.file);
      if (file === undefined) throw new StillframeError({ doing: 'read memory', where: `${this.#chain[run.link]!.name}, ${run.file}`, why: `it is missing; ${this.mapName} refers to it` });
      this.#files.set(key, file);
    }
    const offset = run.offset + Number(at - run.start);
    const bytes = await file.read(offset, length);
    if (bytes.length === length) return bytes;
    throw new StillframeError({
      doing: 'read memory', where: `task ${this.task.pid}, address 0x${at.toString(16)}: ${file.name}, byte ${offset}`,
      why: `the file ends ${length - bytes.length} bytes before what its page map says`, remedy: "'stillframe image check' lists everything that is wrong with the set.",
    });
  }

  /**
   * `length` bytes from `address`. `known[i]` is 0 where no set has the byte: not mapped, in a mapped file, or missing.
   * Anonymous memory without a page is zero, and known.
   */
  async read(address: bigint, length: number): Promise<{ bytes: Uint8Array; known: Uint8Array }> {
    const bytes = new Uint8Array(length);
    const known = new Uint8Array(length);
    const to = address + BigInt(length);
    for (const mapping of this.mappings) {
      if (mapping.end <= address || mapping.start >= to || !mapping.zeroFilled) continue;
      known.fill(1, clamp(mapping.start - address, length), clamp(mapping.end - address, length));
    }
    for (const run of this.runs(address, to)) {
      const at = clamp(run.start - address, length);
      const end = clamp(run.end - address, length);
      known.fill(run.state === 'stored' ? 1 : 0, at, end);
      if (run.state === 'stored') bytes.set(await this.bytesOf(run, run.start, end - at), at);
    }
    return { bytes, known };
  }

  /** A text that ends with a zero byte; undefined when no set has its first byte. */
  async text(address: bigint, limit = 4096): Promise<Uint8Array | undefined> {
    const { bytes, known } = await this.read(address, limit);
    if (known[0] === 0) return undefined;
    const end = bytes.findIndex((byte, i) => byte === 0 || known[i] === 0);
    return bytes.subarray(0, end < 0 ? limit : end);
  }
}

const clamp = (value: bigint, limit: number): number => (value < 0n ? 0 : value > BigInt(limit) ? limit : Number(value));
