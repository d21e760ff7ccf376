/**
 * Where bytes of images come from: a file, a part of an archive, a browser's File, memory. Random access, asynchronous, and the
 * same everywhere; nothing here knows a file system (see ../node/).
 */
import { StillframeError } from '../../errors.ts';

export interface ByteFile {
  /** What a person calls it: a path, a member of an archive. */
  readonly name: string;
  /** Bytes. Undefined while only reading to the end tells (a compressed stream). */
  readonly size: number | undefined;
  /** When it was last written, where that is known. */
  readonly mtime?: Date | undefined;
  /**
   * Up to `length` bytes from `offset`; fewer only at the end. The result may be shared: it is for reading only, and stays valid.
   * @throws StillframeError when the bytes cannot be had (decompression, a device's error)
   */
  read(offset: number, length: number): Promise<Uint8Array>;
}

export class MemorySource implements ByteFile {
  constructor(readonly name: string, readonly bytes: Uint8Array) {}
  get size(): number { return this.bytes.length; }
  read(offset: number, length: number): Promise<Uint8Array> {
    return Promise.resolve(this.bytes.subarray(Math.min(offset, this.bytes.length), Math.min(offset + length, this.bytes.length)));
  }
}

/** A browser's File or Blob, read in place. */
export class BlobSource implements ByteFile {
  constructor(readonly name: string, readonly blob: Blob) {}
  get size(): number { return this.blob.size; }
  async read(offset: number, length: number): Promise<Uint8Array> {
    return new Uint8Array(await this.blob.slice(offset, offset + length).arrayBuffer());
  }
}

/** A run of bytes of another source: a member of an archive. */
export class SliceSource implements ByteFile {
  constructor(readonly name: string, readonly of: ByteFile, readonly start: number, readonly size: number, readonly mtime?: Date) {}
  read(offset: number, length: number): Promise<Uint8Array> {
    if (offset >= this.size) return Promise.resolve(new Uint8Array(0));
    return this.of.read(this.start + offset, Math.min(length, this.size - offset));
  }
}

/** Pieces that `readAll` and `pieces` take at once. */
const PIECE = 1 << 20;

/** Exactly `length` bytes. @throws StillframeError naming source and offset when the source ends before */
export async function readExactly(source: ByteFile, offset: number, length: number, doing = 'read image'): Promise<Uint8Array> {
  const bytes = await source.read(offset, length);
  if (bytes.length === length) return bytes;
  throw new StillframeError({
    doing, where: `${source.name}, byte ${offset + bytes.length}`, why: `the file ends here; ${length - bytes.length} more bytes are needed`,
  });
}

/** All of it, when that is no more than `limit` bytes. */
export async function readAll(source: ByteFile, limit: number, doing = 'read image'): Promise<Uint8Array> {
  if (source.size !== undefined && source.size <= limit) return readExactly(source, 0, source.size, doing);
  const parts: Uint8Array[] = [];
  let total = 0;
  for await (const piece of pieces(source)) {
    total += piece.length;
    if (total > limit) break;
    parts.push(piece);
  }
  if (total > limit || (source.size ?? 0) > limit) {
    throw new StillframeError({ doing, where: source.name, why: `it is larger than the ${limit} bytes that such a file may have` });
  }
  return concat(parts, total);
}

/** The source from `offset` on, piece by piece. */
export async function* pieces(source: ByteFile, offset = 0, end = Infinity, piece = PIECE): AsyncGenerator<Uint8Array> {
  for (let at = offset; at < end;) {
    const bytes = await source.read(at, Math.min(piece, end - at));
    if (bytes.length === 0) return;
    yield bytes;
    at += bytes.length;
  }
}

export function concat(parts: readonly Uint8Array[], total = parts.reduce((sum, part) => sum + part.length, 0)): Uint8Array {
  if (parts.length === 1 && parts[0]!.length === total) return parts[0]!;
  const all = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
