/** The build id of an ELF file: the note NT_GNU_BUILD_ID of its first PT_NOTE segment that has one (<elf.h>). It tells a file that was replaced. */
const PT_NOTE = 4, NT_GNU_BUILD_ID = 3;
/** The whole of an id fits easily; a larger note is not one. */
const MAX_ID = 512;
/** Program headers and notes of every linker's output lie at the start. */
const REACH = 1 << 20;

/** @param read bytes at an offset, fewer at the file's end @returns the id, or undefined */
export function buildId(read: (offset: number, size: number) => Buffer): Buffer | undefined {
  const head = read(0, 64);
  if (head.length < 52 || head.readUInt32BE(0) !== 0x7f454c46 || head[5] !== 1) return undefined;
  const wide = head[4] === 2;
  if (wide && head.length < 64) return undefined;
  const phoff = wide ? Number(head.readBigUInt64LE(32)) : head.readUInt32LE(28);
  const phentsize = head.readUInt16LE(wide ? 54 : 42);
  const phnum = head.readUInt16LE(wide ? 56 : 44);
  if (phoff === 0 || phentsize < (wide ? 56 : 32) || phoff + phnum * phentsize > REACH) return undefined;
  const table = read(phoff, phnum * phentsize);
  for (let at = 0; at + phentsize <= table.length; at += phentsize) {
    if (table.readUInt32LE(at) !== PT_NOTE) continue;
    const offset = wide ? Number(table.readBigUInt64LE(at + 8)) : table.readUInt32LE(at + 4);
    const size = wide ? Number(table.readBigUInt64LE(at + 32)) : table.readUInt32LE(at + 16);
    if (offset + size > REACH) continue;
    const id = findNote(read(offset, size));
    if (id !== undefined) return id;
  }
  return undefined;
}

function findNote(notes: Buffer): Buffer | undefined {
  for (let at = 0; at + 12 <= notes.length;) {
    const nameSize = notes.readUInt32LE(at);
    const size = notes.readUInt32LE(at + 4);
    const body = at + 12 + align4(nameSize);
    if (notes.readUInt32LE(at + 8) === NT_GNU_BUILD_ID) return size > 0 && size <= MAX_ID && body + size <= notes.length ? notes.subarray(body, body + size) : undefined;
    at = body + align4(size);
  }
  return undefined;
}

const align4 = (n: number): number => (n + 3) & ~3;

/** As the image keeps it: 32-bit words, the last one zero-padded. */
export function buildIdWords(id: Buffer): number[] {
  const padded = Buffer.alloc(align4(id.length));
  id.copy(padded);
  return Array.from({ length: padded.length / 4 }, (_, i) => padded.readUInt32LE(i * 4));
}
