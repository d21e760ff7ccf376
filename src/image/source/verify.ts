/** The checksums of gzip members and zstd frames, computed over contents as they are decoded for the first time. */
import { theCore } from '../../core/core.ts';
import type { Xxh64 } from '../../core/checksum.ts';
import { ZstdFrames } from './frames.ts';

export class ChecksumError extends Error {}

const hex = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;

/** A gzip member's trailer: where it is, and what it has to say. */
export interface Trailer {
  readonly at: number;
  /** @throws ChecksumError */
  compare(bytes: Uint8Array): void;
}

/** CRC-32 and length behind each member. (RFC 1952, 2.3.1) */
export class GzipCheck {
  #crc = 0;
  #size = 0;
  #trailers: Trailer[] = [];
  #finished = false;

  contents(bytes: Uint8Array): void {
    this.#crc = theCore().checksum.crc32(this.#crc, bytes);
    this.#size += bytes.length;
  }

  /** A further member starts at this byte of the stream: the one before has ended. */
  member(start: number): void {
    const [crc, size] = [this.#crc, this.#size];
    this.#trailers.push({
      at: start - 8,
      compare(bytes) {
        const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
        const [wantCrc, wantSize] = [view.getUint32(0, true), view.getUint32(4, true)];
        if (wantCrc !== crc) throw new ChecksumError(`its contents have the checksum ${hex(crc)}; ${hex(wantCrc)} is written behind them`);
        if (wantSize !== size % 2 ** 32) throw new ChecksumError(`its contents are ${size} bytes; ${wantSize} is written behind them`);
      },
    });
    this.#crc = 0;
    this.#size = 0;
  }

  /** Trailers of members that have ended since it was last asked. */
  ended(end?: number): Trailer[] {
    if (end !== undefined && !this.#finished) {
      this.#finished = true;
      this.member(end);
    }
    return this.#trailers.splice(0);
  }
}

/** Frames shorter than this are held back by the decoder until more comes. */
const SHORT_FRAME = 18;

/** XXH64 behind each frame that has one. */
export class ZstdCheck {
  readonly #frames = new ZstdFrames();
  #hash: Xxh64 | undefined;
  #end: { at: number; checksum: number | undefined } | undefined;
  /** Contents of a short frame may come with those of the next: neither can be compared. */
  #mixed = false;

  get window(): number { return this.#frames.window; }

  /** As much of the bytes at `at` of the stream as belongs to one frame. @throws Error for a frame that is refused */
  upToFrameEnd(bytes: Uint8Array, at: number): Uint8Array {
    if (at < this.#frames.at) return bytes.subarray(0, this.#frames.at - at);
    const { used, end } = this.#frames.take(bytes);
    if (end === undefined) return bytes;
    if (end.length < SHORT_FRAME) this.#mixed = true;
    else {
      this.#end = { at: end.at, checksum: this.#mixed ? undefined : end.checksum };
      this.#mixed = false;
    }
    return bytes.subarray(0, used);
  }

  contents(bytes: Uint8Array): void {
    (this.#hash ??= theCore().checksum.xxh64()).update(bytes);
  }

  /** The stream was decoded up to here. @throws ChecksumError */
  pushed(at: number): void {
    if (this.#end?.at !== at) return;
    const { checksum } = this.#end;
    const hash = this.#hash ?? theCore().checksum.xxh64();
    this.#end = undefined;
    this.#hash = undefined;
    if (checksum === undefined) return;
    const got = Number(hash.digest() & 0xffffffffn);
    if (got !== checksum) throw new ChecksumError(`a frame's contents have the checksum ${hex(got)}; ${hex(checksum)} is written behind them`);
  }
}
