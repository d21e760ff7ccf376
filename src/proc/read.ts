/**
 * Reading files and links of `/proc`: whole, synchronously, into one growing buffer. These are used while a tree is frozen, so they
 * make few calls and keep nothing. Errors are Node's own (`code` ENOENT: the task is gone; ESRCH likewise; EACCES).
 */
import { closeSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { textOf } from '../image/text.ts';

let scratch = Buffer.allocUnsafe(1 << 16);

/** The whole file. The kernel hands out most files of /proc a page at a time, so this reads until there is no more. */
export function readProc(path: string): Buffer {
  return Buffer.from(readShared(path));
}

/** A file that the kernel makes in one piece (status, limits, ...: not a list of records), as text, one character a byte. */
export function readProcRecord(path: string): string {
  const fd = openSync(path, 'r');
  try {
    return scratch.toString('latin1', 0, readSync(fd, scratch, 0, scratch.length, null));
  } finally {
    closeSync(fd);
  }
}

/** The whole file as text, one character a byte. */
export function readProcText(path: string): string {
  return readShared(path).toString('latin1');
}

/** As `readProcText`, or undefined when there is no such file or the task is gone. */
export function tryReadProcText(path: string): string | undefined {
  try {
    return readProcText(path);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function readShared(path: string): Buffer {
  const fd = openSync(path, 'r');
  try {
    let size = 0;
    for (;;) {
      if (scratch.length - size < 1 << 15) {
        const grown = Buffer.allocUnsafe(scratch.length * 2);
        scratch.copy(grown, 0, 0, size);
        scratch = grown;
      }
      const got = readSync(fd, scratch, size, scratch.length - size, null);
      if (got === 0) return scratch.subarray(0, size);
      size += got;
    }
  } finally {
    closeSync(fd);
  }
}

/** What a link of /proc points to, as text that keeps every byte (see ../image/text.ts). */
export function readProcLink(path: string): string {
  return textOf(readlinkSync(path, { encoding: 'buffer' }));
}

/** As `readProcLink`, or undefined when there is no such link or the task is gone. */
export function tryReadProcLink(path: string): string | undefined {
  try {
    return readProcLink(path);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** The entries of a directory whose names are numbers (tasks, threads, descriptors), ascending. */
export function readProcNumbers(path: string): number[] {
  return readdirSync(path).map(Number).filter(Number.isInteger).sort((a, b) => a - b);
}

/** Children of a thread, the oldest first. */
export function readProcChildren(pid: number, tid: number): number[] {
  return readProcText(`/proc/${pid}/task/${tid}/children`).trim().split(' ').filter((text) => text !== '').map(Number);
}

/** Whether an error of these functions means that the task has gone away. */
export function isGone(error: unknown): boolean {
  return hasCode(error, 'ENOENT') || hasCode(error, 'ESRCH');
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
