/**
 * Decoding one file of a store with the codec (src/image/codec.ts), which is synchronous, from bytes that come asynchronously.
 * Small files are fetched whole. Of large ones (ghost files, shared memory segments) only headers and messages are fetched: the codec is
 * started, what it misses is fetched, and it is started again.
 */
import { StillframeError } from '../errors.ts';
import { decodeImage, type ByteSource, type Image } from '../image/codec.ts';
import { CoreError } from '../core/core.ts';
import type { Kind } from '../image/kinds.ts';
import type { Payload } from '../image/payload.ts';
import { readExactly, type ByteFile } from '../image/source/source.ts';

/** Fetched whole up to here. */
const WHOLE = 8 << 20;
const FIRST_WINDOW = 64 << 10;
/** Most that is fetched of one file to decode it; the largest message the core takes is 256 MiB. */
const MAX_FETCHED = 600 << 20;

class Missing extends Error {
  constructor(readonly offset: number, readonly length: number) { super('not fetched yet'); }
}

/**
 * @param use is called with the image; it may ask for payload bytes, and must not have changed anything when that throws
 * @throws StillframeError what the codec says of a damaged file
 */
export async function readImageFile(file: ByteFile, name: string, kind?: Kind, use?: (image: Image) => void): Promise<Image> {
  const size = file.size ?? 0;
  const windows: { start: number; bytes: Uint8Array }[] = [];
  let fetched = 0;
  const source: ByteSource = {
    name, size,
    range(offset, length) {
      for (const { start, bytes } of windows) {
        if (offset >= start && offset + length <= start + bytes.length) return bytes.subarray(offset - start, offset - start + length);
      }
      throw new Missing(offset, length);
    },
  };
  if (size <= WHOLE) windows.push({ start: 0, bytes: await readExactly(file, 0, size) });
  for (;;) {
    try {
      const image = decodeImage(source, kind);
      use?.(image);
      return image;
    } catch (error) {
      if (!(error instanceof Missing)) throw described(error, name);
      // each window is larger than the one before, so that a file of many records does not start over once a record
      const length = Math.min(size - error.offset, Math.max(error.length, FIRST_WINDOW, Math.floor(fetched / 2)));
      fetched += length;
      if (fetched > MAX_FETCHED || length < error.length) throw new StillframeError({ doing: 'read image', where: name, why: `its records take more than ${MAX_FETCHED} bytes` });
      windows.unshift({ start: error.offset, bytes: await readExactly(file, error.offset, length) });
    }
  }
}

function described(error: unknown, name: string): unknown {
  if (error instanceof StillframeError) return error instanceof CoreError && !(error.parts.where ?? '').includes(name) ? error.of(name) : error;
  if (error instanceof RangeError) return new StillframeError({ doing: 'read image', where: name, why: error.message, cause: error });
  return error;
}

/** A payload's bytes, or a part of them, by the file it lies in. */
export async function payloadBytes(payload: Payload, file: ByteFile | undefined, from = 0, length = payload.size - from): Promise<Uint8Array> {
  const wanted = Math.max(0, Math.min(length, payload.size - from));
  if (payload.at === undefined || file === undefined) return payload.bytes().subarray(from, from + wanted);
  return readExactly(file, payload.at.offset + from, wanted);
}
