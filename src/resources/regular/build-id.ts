/** The build id of an ELF file: the note NT_GNU_BUILD_ID (3) of owner GNU in its first PT_NOTE segments. */
import { closeSync, openSync, readSync } from 'node:fs';

/** Bytes of a file's start in which headers and notes are looked for, as linkers place them there. */
const WINDOW = 65536;
const PT_NOTE = 4;
const NT_GNU_BUILD_ID = 3;

/** Undefined when the file is no ELF file, has no build id, or cannot be read. */
export function buildIdOf(path: string | Buffer): Buffer | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const window = Buffer.alloc(WINDOW);
    return findBuildId(window.subarray(0, readSync(fd, window, 0, WINDOW, 0)));
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

function findBuildId(file: Buffer): Buffer | undefined {
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2) return undefined;
  const [phoff, phentsize, phnum] = [Number(file.readBigUInt64LE(32)), file.readUInt16LE(54), file.readUInt16LE(56)];
  for (let i = 0; i < phnum; i++) {
    const at = phoff + i * phentsize;
    if (at + 56 > file.length) return undefined;
    if (file.readUInt32LE(at) !== PT_NOTE) continue;
    const found = findNote(file, Number(file.readBigUInt64LE(at + 8)), Number(file.readBigUInt64LE(at + 32)));
    if (found !== undefined) return found;
  }
  return undefined;
}

function findNote(file: Buffer, start: number, size: number): Buffer | undefined {
  const pad = (n: number): number => (n + 3) & ~3;
  for (let at = start; at + 12 <= Math.min(start + size, file.length);) {
    const [nameSize, descSize, type] = [file.readUInt32LE(at), file.readUInt32LE(at + 4), file.readUInt32LE(at + 8)];
    const desc = at + 12 + pad(nameSize);
    if (type === NT_GNU_BUILD_ID && file.toString('latin1', at + 12, at + 16) === 'GNU\0' && desc + descSize <= file.length) return file.subarray(desc, desc + descSize);
    at = desc + pad(descSize);
  }
  return undefined;
}

/** The image keeps a build id as little-endian words, the last padded with zeros. */
export function sameBuildId(buildId: Buffer, words: readonly number[]): boolean {
  const bytes = Buffer.from(Uint32Array.from(words).buffer);
  return bytes.length === ((buildId.length + 3) & ~3) && bytes.subarray(0, buildId.length).equals(buildId);
}
