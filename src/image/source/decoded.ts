/**
 * Random access into a gzip or zstd stream without unpacking it. Going forward decodes; every few megabytes the decoder's state
 * is kept as a point to start again from, and the last decoded chunks are cached. Both are bounded, however long the stream is.
 * What is decoded for the first time goes through the stream's checksums (./verify.ts).
 */
import { Gunzip } from 'fflate';
import { Decompress } from 'fzstd';
import { StillframeError } from '../../errors.ts';
import { concat, readExactly, type ByteFile } from './source.ts';
import { ChecksumError, GzipCheck, ZstdCheck } from './verify.ts';

export type Compression = 'gzip' | 'zstd';

/** Bytes of compressed input a step takes. Small, because a step of gzip can give a thousand times as much. */
const STEP = 16 << 10;
const CHUNK = 256 << 10;
/** Decoded chunks kept: 48 MiB. */
const CHUNKS = 192;
/** Decoder states kept, in bytes. */
const POINT_BUDGET = 48 << 20;
const FIRST_SPACING = 4 << 20;
/** A decoder with a larger window than this is not copied: going back starts from the front. */
const MAX_POINT = 16 << 20;

/** What the two libraries' streaming decoders have in common. */
interface Decoder {
  ondata?: ((data: Uint8Array, final?: boolean) => unknown) | null;
  push(chunk: Uint8Array, final?: boolean): void;
  /** gzip: a further member starts at this byte of the stream. */
  onmember?: (start: number) => void;
}

interface Point { readonly out: number; readonly in: number; readonly state: Decoder; readonly size: number }

/** Which compression a stream's first bytes say; undefined for none that is known. */
export function compressionOf(start: Uint8Array): Compression | undefined {
  if (start[0] === 0x1f && start[1] === 0x8b) return 'gzip';
  if (start[0] === 0x28 && start[1] === 0xb5 && start[2] === 0x2f && start[3] === 0xfd) return 'zstd';
  // a skippable frame comes first in streams of pzstd
  if ((start[0]! & 0xf0) === 0x50 && start[1] === 0x2a && start[2] === 0x4d && start[3] === 0x18) return 'zstd';
  return undefined;
}

export class DecodedSource implements ByteFile {
  size: number | undefined;
  readonly #chunks = new Map<number, Uint8Array>();
  #points: Point[] = [];
  #spacing = FIRST_SPACING;
  #decoder: Decoder;
  #in = 0;
  #out = 0;
  #ended = false;
  #failed: StillframeError | undefined;
  readonly #gzip: GzipCheck | undefined;
  readonly #zstd: ZstdCheck | undefined;
  /** Where the decoded bytes end that went through the checksums. */
  #checkedOut = 0;
  /** The chunk being put together; valid only when its first byte was seen. */
  #open: { index: number; parts: Uint8Array[]; filled: number } | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(readonly name: string, readonly input: ByteFile, readonly compression: Compression) {
    if (compression === 'gzip') this.#gzip = new GzipCheck();
    else this.#zstd = new ZstdCheck();
    this.#decoder = this.#fresh();
    this.#openChunk();
  }

  /** Decodes what was never read, so that every checksum has been compared. @throws StillframeError when one does not fit */
  async verify(): Promise<void> {
    for (let at = this.#checkedOut; this.size === undefined; at += CHUNK) await this.read(at, 1);
    if (this.#failed !== undefined) throw this.#failed;
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    const result = this.#queue.then(() => this.#read(offset, length));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (let at = offset; at < offset + length;) {
      const index = Math.floor(at / CHUNK);
      const chunk = await this.#chunk(index);
      const from = at - index * CHUNK;
      const part = chunk.subarray(from, Math.min(chunk.length, from + offset + length - at));
      if (part.length === 0) break;
      parts.push(part);
      at += part.length;
      if (chunk.length < CHUNK) break;
    }
    return concat(parts);
  }

  async #chunk(index: number): Promise<Uint8Array> {
    const known = this.#chunks.get(index);
    if (known !== undefined) {
      this.#chunks.delete(index);
      this.#chunks.set(index, known);
      return known;
    }
    if (this.size !== undefined && index * CHUNK >= this.size) return new Uint8Array(0);
    if (this.#failed !== undefined && this.#out <= index * CHUNK) throw this.#failed;
    this.#seek(index * CHUNK);
    while (!this.#ended && !this.#chunks.has(index)) await this.#step();
    return this.#chunks.get(index) ?? new Uint8Array(0);
  }

  /** Puts the decoder at the nearest place at or before `out` that it can start from. */
  #seek(out: number): void {
    let best: Point | undefined;
    for (const point of this.#points) if (point.out <= out) best = point;
    const here = !this.#ended && this.#open !== undefined && this.#open.index * CHUNK <= out;
    if (here && (best === undefined || best.out <= this.#out)) return;
    this.#decoder = best === undefined ? this.#fresh() : this.#attach(clone(best.state).copy);
    this.#in = best?.in ?? 0;
    this.#out = best?.out ?? 0;
    this.#ended = false;
    this.#openChunk();
  }

  #fresh(): Decoder {
    return this.#attach((this.compression === 'gzip' ? new Gunzip() : new Decompress()) as unknown as Decoder);
  }

  #attach(decoder: Decoder): Decoder {
    decoder.ondata = (data) => this.#take(data);
    if (this.#gzip !== undefined) decoder.onmember = (start) => { if (this.#out === this.#checkedOut) this.#gzip!.member(start); };
    return decoder;
  }

  async #step(): Promise<void> {
    const at = this.#in;
    let bytes = await this.input.read(at, STEP);
    try {
      if (this.#zstd !== undefined && bytes.length > 0) bytes = this.#zstd.upToFrameEnd(bytes, at);
      // the decoders keep parts of what they are given
      if (bytes.length > 0) this.#decoder.push(bytes.slice(), false);
      else this.#decoder.push(new Uint8Array(0), true);
      if (this.#zstd !== undefined) this.#zstd.pushed(at + bytes.length);
      else await this.#checkMembers(bytes.length === 0 ? at : undefined);
    } catch (cause) {
      this.#ended = true;
      const why = cause instanceof Error ? cause.message : String(cause);
      if (cause instanceof StillframeError) throw cause;
      throw this.#failed = new StillframeError({
        doing: 'read archive', where: `${this.name}, near byte ${at} of the ${this.compression} stream`, why: bytes.length === 0 && !(cause instanceof ChecksumError) ? `it is cut short (${why})` : why, cause,
        remedy: 'The archive is damaged: fetch or export it again.',
      });
    }
    this.#in += bytes.length;
    if (bytes.length === 0) this.#finish();
    else this.#maybePoint();
  }

  /** @param end where the stream ends, when it does */
  async #checkMembers(end?: number): Promise<void> {
    for (const trailer of this.#gzip!.ended(end)) {
      const bytes = await readExactly(this.input, trailer.at, 8, 'read archive');
      trailer.compare(bytes);
    }
  }

  #finish(): void {
    this.#ended = true;
    this.size = this.#out;
    if (this.#open !== undefined && this.#open.filled > 0) this.#keep(this.#open.index, concat(this.#open.parts, this.#open.filled));
    this.#open = undefined;
  }

  #take(data: Uint8Array): void {
    if (this.#out + data.length > this.#checkedOut) {
      // a start from an earlier point brings what was checked before
      (this.#gzip ?? this.#zstd)!.contents(data.subarray(this.#checkedOut - this.#out));
      this.#checkedOut = this.#out + data.length;
    }
    for (let from = 0; from < data.length;) {
      const room = CHUNK - (this.#out % CHUNK);
      const part = data.subarray(from, from + room);
      if (this.#open !== undefined) {
        this.#open.parts.push(part.slice());
        this.#open.filled += part.length;
      }
      this.#out += part.length;
      from += part.length;
      if (this.#out % CHUNK === 0) {
        if (this.#open !== undefined) this.#keep(this.#open.index, concat(this.#open.parts, CHUNK));
        this.#openChunk();
      }
    }
  }

  #openChunk(): void {
    this.#open = this.#out % CHUNK === 0 ? { index: this.#out / CHUNK, parts: [], filled: 0 } : undefined;
  }

  #keep(index: number, bytes: Uint8Array): void {
    this.#chunks.delete(index);
    this.#chunks.set(index, bytes);
    if (this.#chunks.size > CHUNKS) this.#chunks.delete(this.#chunks.keys().next().value!);
  }

  #maybePoint(): void {
    const last = this.#points.at(-1)?.out ?? 0;
    if (this.#out - last < this.#spacing || (this.#zstd?.window ?? 0) > MAX_POINT) return;
    const { copy, size } = clone(this.#decoder);
    this.#points.push({ out: this.#out, in: this.#in, state: copy, size });
    this.#spacing = Math.max(this.#spacing, 4 * size);
    while (this.#points.length > 1 && this.#points.reduce((sum, point) => sum + point.size, 0) > POINT_BUDGET) {
      this.#points = this.#points.filter((_, i) => i % 2 === 1);
      this.#spacing *= 2;
    }
  }
}

/**
 * A copy of a decoder that can go on by itself: all its fields, arrays and plain objects copied, functions shared. It does not
 * depend on what the library calls its fields; test/image-source/decoded.test.ts notices if a version keeps state elsewhere.
 */
function clone(decoder: Decoder): { copy: Decoder; size: number } {
  let size = 0;
  const buffers = new Map<ArrayBufferLike, ArrayBuffer>();
  const copyOf = (value: unknown): unknown => {
    if (ArrayBuffer.isView(value)) {
      const view = value as Uint8Array;
      let buffer = buffers.get(view.buffer);
      if (buffer === undefined) {
        buffer = new ArrayBuffer(view.buffer.byteLength);
        new Uint8Array(buffer).set(new Uint8Array(view.buffer));
        buffers.set(view.buffer, buffer);
        size += buffer.byteLength;
      }
      return new (view.constructor as Uint8ArrayConstructor)(buffer, view.byteOffset, view.length);
    }
    if (Array.isArray(value)) return value.map(copyOf);
    if (typeof value === 'object' && value !== null) {
      const fields: Record<string, unknown> = Object.create(Object.getPrototypeOf(value) as object | null) as Record<string, unknown>;
      for (const [name, field] of Object.entries(value)) fields[name] = copyOf(field);
      return fields;
    }
    return value;
  };
  return { copy: copyOf(decoder) as Decoder, size };
}
