/**
 * Content hashes: `hashes-N.img`, the 128-bit hash of each page of `pages-N.img`, in its order. CRIU ignores the file. With it a later
 * dump finds what changed although nobody tracked it: on another kernel, after a restart, a fork, a lost keeper.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { core, PAGE } from '../core/node.ts';
import { sf_hashes_entry } from '../image/schema/index.ts';
import { readImage, writeImage, type ImageSet } from '../image/set.ts';
import { payload } from '../image/payload.ts';
import { create } from '../image/wire.ts';

/** XXH3 with 128 bits and seed 0 (core/pagehash.h). */
export const ALGORITHM = 'xxh3-128';

/** Hashes of all pages of a file, low and high word each. @param path of a file of whole pages */
export function hashFile(path: string): BigUint64Array {
  const fd = openSync(path, 'r');
  try {
    return hashFd(fd, fstatSync(fd).size);
  } finally {
    closeSync(fd);
  }
}

/** The same of the first `size` bytes behind a descriptor. */
export function hashFd(fd: number, size: number): BigUint64Array {
  let at = 0;
  return core.pages.hashFrom((into) => {
    let got = 0;
    const want = Math.min(into.length, size - at);
    while (got < want) {
      const n = readSync(fd, into, got, want - got, at + got);
      if (n === 0) break;
      got += n;
    }
    at += got;
    return got - (got % PAGE);
  });
}

export function writeHashes(set: ImageSet, pagesId: number, hashes: BigUint64Array): void {
  const bytes = new Uint8Array(hashes.buffer, hashes.byteOffset, hashes.byteLength);
  writeImage(set, 'STILLFRAME_HASHES', pagesId, [{ message: create(sf_hashes_entry, { algorithm: ALGORITHM, page_size: PAGE, pages: BigInt(hashes.length / 2) }), payload: payload(bytes) }]);
}

/** Hashes a set has of one of its pages files. Undefined: none, or of a kind we do not know. @throws StillframeError: damaged */
export function readHashes(set: ImageSet, pagesId: number): BigUint64Array | undefined {
  const entry = readImage(set, 'STILLFRAME_HASHES', pagesId)?.entries[0];
  const message = entry?.message as sf_hashes_entry | undefined;
  if (message?.algorithm !== ALGORITHM || message.page_size !== PAGE || entry?.payload === undefined) return undefined;
  return new BigUint64Array(Uint8Array.from(entry.payload.bytes()).buffer);
}
