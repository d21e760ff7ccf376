/**
 * The one loader of the core (wasm/stillframe.wasm): instance, memory, errors. No `node:*` here: it runs in a browser too.
 * What the functions mean is in core/*.h; their typed forms are in src/core/.
 *
 * Memory: everything behind the module's own data and stack is one arena. A call marks it, places its input, reads its output
 * and releases it (`CoreInstance.run`); nothing handed to a caller points into it.
 */
import { StillframeError } from '../src/errors.ts';

type Pointer = number;

/** The exports of the module: wasm/exports.json with the C signatures of core/*.h. */
export interface CoreExports {
  readonly memory: WebAssembly.Memory;
  _initialize?(): void;
  sf_heap_base(): Pointer;
  sf_error_name(code: number): Pointer;
  sf_error_text(code: number): Pointer;
  sf_get_header(bytes: Pointer, size: bigint, header: Pointer, error: Pointer): number;
  sf_get_record(bytes: Pointer, offset: bigint, fileSize: bigint, record: Pointer, error: Pointer): number;
  sf_get_records(file: Pointer, size: number, offset: number, table: Pointer, capacity: number, count: Pointer, error: Pointer): number;
  sf_put_header(out: Pointer, kind: number, magic: number): number;
  sf_put_sizes(out: Pointer, sizes: Pointer, count: number, error: Pointer): number;
  sf_get_fields(message: Pointer, size: number, table: Pointer, capacity: number, count: Pointer, error: Pointer): number;
  sf_check_messages(file: Pointer, records: Pointer, count: number, error: Pointer): number;
  sf_get_tape(file: Pointer, size: number, offset: number, schema: Pointer, first: number, rest: number, words: Pointer, capacity: number, longs: Pointer, longCapacity: number, tape: Pointer): number;
  sf_get_pagemap(file: Pointer, size: number, offset: number, pageSize: number, map: Pointer, error: Pointer): number;
  sf_put_pagemap(out: Pointer, pagesId: number, vaddr: Pointer, nrPages: Pointer, flags: Pointer, count: number): number;
  sf_put_rows(out: Pointer, room: number, columns: Pointer, ncolumns: number, pool: Pointer, poolSize: number, rows: number, sizes: Pointer, total: Pointer, error: Pointer): number;
  sf_ranges_normalise(ranges: Pointer, count: number, outCount: Pointer, error: Pointer): number;
  sf_ranges_union(a: Pointer, na: number, b: Pointer, nb: number, out: Pointer, count: Pointer, error: Pointer): number;
  sf_ranges_intersect(a: Pointer, na: number, b: Pointer, nb: number, out: Pointer, count: Pointer, error: Pointer): number;
  sf_ranges_subtract(a: Pointer, na: number, b: Pointer, nb: number, out: Pointer, count: Pointer, error: Pointer): number;
  sf_ranges_split(ranges: Pointer, n: number, mappings: Pointer, m: number, out: Pointer, count: Pointer, error: Pointer): number;
  sf_hash_pages(pages: Pointer, count: number, seed: bigint, out: Pointer): void;
  sf_zero_pages(pages: Pointer, count: number, bitmap: Pointer): number;
  sf_differing_pages(a: Pointer, b: Pointer, count: number, bitmap: Pointer): number;
  sf_differing_bytes(a: Pointer, b: Pointer, size: number): number;
  sf_snapshot_diff(old: Pointer, nOld: number, now: Pointer, nNow: number, wanted: number, out: Pointer, count: Pointer, totals: Pointer, error: Pointer): number;
  sf_dedup(table: Pointer, slots: number, hashes: Pointer, count: number, first: number, out: Pointer, error: Pointer): number;
  sf_bitmap_ranges(bitmap: Pointer, count: number, base: bigint, out: Pointer): number;
  sf_crc32(crc: number, bytes: Pointer, size: number): number;
  sf_xxh64_update(state: Pointer, bytes: Pointer, size: number): void;
  sf_xxh64_digest(state: Pointer): bigint;
}

const EXPORT_NAMES = [
  'sf_heap_base', 'sf_error_name', 'sf_error_text', 'sf_get_header', 'sf_get_record', 'sf_get_records', 'sf_put_header',
  'sf_put_sizes', 'sf_get_fields', 'sf_check_messages', 'sf_get_tape', 'sf_get_pagemap', 'sf_put_pagemap', 'sf_put_rows',
  'sf_ranges_normalise', 'sf_ranges_union', 'sf_ranges_intersect', 'sf_ranges_subtract', 'sf_ranges_split', 'sf_hash_pages',
  'sf_zero_pages', 'sf_differing_pages', 'sf_differing_bytes', 'sf_snapshot_diff', 'sf_dedup', 'sf_bitmap_ranges',
  'sf_crc32', 'sf_xxh64_update', 'sf_xxh64_digest',
] as const satisfies readonly (keyof CoreExports)[];

export interface CoreErrorParts {
  /** Name of the code in core/sf.h, without its prefix: `RECORD_SHORT`. */
  readonly code: string;
  /** Byte of the input at which it went wrong. */
  readonly offset: bigint;
  /** Index of the record, entry or range, from 0. */
  readonly record: number;
  /** Why, as a sentence with its numbers. */
  readonly text: string;
  /** What the input is: a file's name, `core-5.img, record 2`. */
  readonly subject?: string;
  readonly doing?: string;
}

/** Input that the core refuses. */
export class CoreError extends StillframeError {
  readonly code: string;
  readonly offset: bigint;
  readonly record: number;
  readonly text: string;

  constructor({ code, offset, record, text, subject, doing = 'read image' }: CoreErrorParts) {
    const byte = `byte ${offset}`;
    super({ doing, where: subject === undefined ? byte : `${subject}, ${byte}`, why: text });
    this.name = 'CoreError';
    this.code = code;
    this.offset = offset;
    this.record = record;
    this.text = text;
  }

  /** The same error, told of a named input; `shift` is where that input's offset 0 lies in it. */
  of(subject: string, shift = 0): CoreError {
    return new CoreError({ code: this.code, offset: this.offset + BigInt(shift), record: this.record, text: this.text, subject, doing: this.parts.doing });
  }
}

const WASM_PAGE = 65536;
/** `struct sf_error` */
const ERROR_SIZE = 32;
/** Small outputs (headers, counts, one record) live behind the error record. */
const SCRATCH_SIZE = 128;
/** Most memory that the arena takes: inputs are cut into pieces or refused before. */
export const MAX_ARENA = 1 << 30;
/** An instance that grew beyond this is replaced by a fresh one when it is idle: WebAssembly memory never shrinks. */
const KEEP_ARENA = 64 << 20;

/** One instance of the module and its arena. */
export class CoreInstance {
  #module: WebAssembly.Module | (() => WebAssembly.Module);
  #exports: CoreExports | undefined;
  /** The memory's buffer: asking the memory for it takes longer than most calls. A new one comes with each growth. */
  #buffer = new ArrayBuffer(0);
  #base = 0;
  #top = 0;
  #depth = 0;
  #broken = false;

  /** @param module with a function, it is made and instantiated when it is first needed */
  constructor(module: WebAssembly.Module | (() => WebAssembly.Module)) {
    this.#module = module;
    if (typeof module !== 'function') this.#start();
  }

  /** Makes sure that there is an instance, so that no later moment has to wait for it. */
  start(): void {
    if (this.#exports === undefined) this.#start();
  }

  #start(): CoreExports {
    if (typeof this.#module === 'function') this.#module = this.#module();
    const exports = new WebAssembly.Instance(this.#module, {}).exports;
    if (!isCore(exports)) throw new TypeError('the WebAssembly module is not this version of the Stillframe core: build it again with make');
    exports._initialize?.();
    this.#exports = exports;
    this.#buffer = exports.memory.buffer;
    this.#base = align(exports.sf_heap_base(), 64);
    this.#top = this.#base + ERROR_SIZE + SCRATCH_SIZE;
    this.#broken = false;
    return exports;
  }

  get exports(): CoreExports { return this.#exports ?? this.#start(); }
  /** Address of the `struct sf_error` that every call may use. */
  get error(): Pointer { this.start(); return this.#base; }
  /** Address of 128 bytes for small outputs; any call may overwrite them. */
  get scratch(): Pointer { this.start(); return this.#base + ERROR_SIZE; }
  /** Bytes of WebAssembly memory in use by this instance. */
  get memorySize(): number { this.start(); return this.#buffer.byteLength; }

  /** Runs `use` with the arena marked, and releases what it allocated. */
  run<T>(use: (core: this) => T): T {
    this.start();
    const mark = this.#top;
    this.#depth++;
    try {
      return use(this);
    } catch (cause) {
      if (cause instanceof WebAssembly.RuntimeError) this.#broken = true;
      throw cause;
    } finally {
      this.#depth--;
      this.#top = mark;
      if (this.#depth === 0 && (this.#broken || this.memorySize > KEEP_ARENA)) this.#start();
    }
  }

  /** Allocates until the end of the current `run`. Contents are undefined. Views made before may be detached. */
  alloc(size: number, alignment = 8): Pointer {
    if (this.#depth === 0) throw new RangeError('the core allocates only inside run()');
    if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`${size} is no size`);
    const at = align(this.#top, alignment);
    const end = at + size;
    if (end - this.#base > MAX_ARENA) {
      throw new CoreError({ code: 'INPUT_TOO_LARGE', offset: 0n, record: 0, text: `it needs ${end - this.#base} bytes of working memory; the limit is ${MAX_ARENA}` });
    }
    const missing = end - this.memorySize;
    if (missing > 0) {
      // Half as much again, so that many small growths do not copy the memory each time.
      const wanted = Math.min(Math.max(missing, this.memorySize >>> 1), this.#base + MAX_ARENA + WASM_PAGE - this.memorySize);
      this.exports.memory.grow(Math.ceil(Math.max(wanted, missing) / WASM_PAGE));
      this.#buffer = this.exports.memory.buffer;
    }
    this.#top = end;
    return at;
  }

  /** Copies bytes in. */
  place(bytes: ArrayBufferView, alignment = 8): Pointer {
    const at = this.alloc(bytes.byteLength, alignment);
    this.bytes(at, bytes.byteLength).set(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    return at;
  }

  /** Views; valid until the next allocation. */
  bytes(at: Pointer, length: number): Uint8Array { return new Uint8Array(this.#buffer, at, length); }
  u32(at: Pointer, length: number): Uint32Array { return new Uint32Array(this.#buffer, at, length); }
  u64(at: Pointer, length: number): BigUint64Array { return new BigUint64Array(this.#buffer, at, length); }

  /** Throws what a call reported. `subject` names the input. */
  check(code: number, doing?: string, subject?: string): void {
    if (code !== 0) throw this.takeError(doing, subject);
  }

  takeError(doing?: string, subject?: string): CoreError {
    const [code = 0, record = 0] = this.u32(this.error, 2);
    const [offset = 0n, got = 0n, want = 0n] = this.u64(this.error + 8, 3);
    const numbers: Readonly<Record<string, string>> = {
      got: String(got), want: String(want), record: String(record), 'got:x': `0x${got.toString(16)}`, 'want:x': `0x${want.toString(16)}`,
    };
    const text = this.#string(this.exports.sf_error_text(code)).replace(/\{([\w:]+)\}/g, (whole, name: string) => numbers[name] ?? whole);
    return new CoreError({ code: this.#string(this.exports.sf_error_name(code)), offset, record, text, subject, doing });
  }

  #string(at: Pointer): string {
    const memory = new Uint8Array(this.#buffer);
    return String.fromCharCode(...memory.subarray(at, memory.indexOf(0, at)));
  }
}

const align = (n: number, to: number): number => Math.ceil(n / to) * to;

function isCore(exports: WebAssembly.Exports): exports is WebAssembly.Exports & CoreExports {
  return exports['memory'] instanceof WebAssembly.Memory && EXPORT_NAMES.every((name) => typeof exports[name] === 'function');
}

/** Compiles the module. @param source its bytes, or where they are (fetched; a `data:` address will do in a page that must be one file) */
export async function compileCore(source: BufferSource | URL | string): Promise<WebAssembly.Module> {
  if (typeof source !== 'string' && !(source instanceof URL)) return WebAssembly.compile(source);
  const response = await fetch(source);
  if (!response.ok) throw new StillframeError({ doing: 'load core', where: String(source), why: `HTTP ${response.status} ${response.statusText}` });
  return WebAssembly.compile(await response.arrayBuffer());
}
