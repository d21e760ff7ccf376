/** Where a file holds data and where it has holes (lseek SEEK_DATA, SEEK_HOLE), asked through the helper, many at a time. */
import { closeSync, fstatSync, openSync } from 'node:fs';
import type { Helper } from '../helper/client.ts';
import { ERRNO } from '../kernel/errno.ts';
import { SEEK } from '../kernel/files.ts';
import { Program, type ResultRef } from '../program/program.ts';

export interface Extent { readonly start: bigint; readonly end: bigint }

/** Extents asked for in one request. */
const BATCH = 256;

/** @param fd of this process; the helper gets its own of the same open file @param size of the file, bytes */
export function dataExtents(helper: Helper, fd: number, size: bigint): Extent[] {
  const held = helper.putFd(fd);
  try {
    return heldExtents(helper, held, size);
  } finally {
    helper.closeFds([held]);
  }
}

/** The same of a file the helper holds. */
export function heldExtents(helper: Helper, held: number, size: bigint): Extent[] {
  const extents: Extent[] = [];
  for (let from = 0n; from < size;) {
    const program = new Program('helper').resource('extents of a file');
    const pairs: [ResultRef, ResultRef][] = [];
    for (let i = 0; i < BATCH; i++) {
      const start = program.call('lseek', [held, pairs.at(-1)?.[1] ?? from, SEEK.DATA], { expect: 'any' });
      pairs.push([start, program.call('lseek', [held, start, SEEK.HOLE], { expect: 'any' })]);
    }
    const ran = helper.local(program);
    for (const [a, b] of pairs) {
      const start = ran.result(a);
      const end = ran.result(b);
      // ENXIO: no data behind `from`. A file system without holes answers EINVAL to the first question
      if (start < 0n) return start === BigInt(-ERRNO.ENXIO) || extents.length > 0 ? extents : [{ start: 0n, end: size }];
      if (end <= start) return extents;
      extents.push({ start, end: end < size ? end : size });
      from = end;
    }
  }
  return extents;
}

/** Where files hold data that have holes, asked when first wanted; undefined for one without, or that is not there. */
export function sparseFiles(helper: Helper): (path: string) => readonly Extent[] | undefined {
  const known = new Map<string, readonly Extent[] | undefined>();
  return (path) => {
    if (!known.has(path)) known.set(path, sparse(helper, path));
    return known.get(path);
  };
}

function sparse(helper: Helper, path: string): readonly Extent[] | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return undefined; // who reads it says why it cannot be opened
  }
  try {
    const { size, blocks } = fstatSync(fd, { bigint: true });
    return blocks * 512n >= size ? undefined : dataExtents(helper, fd, size);
  } finally {
    closeSync(fd);
  }
}
