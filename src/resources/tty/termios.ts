/** struct termios of the kernel (<asm-generic/termbits.h>): four flag words, c_line, 19 control characters; 36 bytes. */
import { create } from '../../image/wire.ts';
import { termios_entry } from '../../image/schema/index.ts';

export const TERMIOS_SIZE = 36;
const NCCS = 19, FLAGS = 17;
const ICANON = 0o2;
/**
 * The image's `c_cc` is 19 words of 32 bits, but holds bytes: CRIU copies the C library's 32 characters over the first words. So character 0
 * is in the lowest byte of the first word, and from the ninth word on there is nothing.
 */
const IMAGE_NCC = 19, IMAGE_NCC_BYTES = 32;

export function decodeTermios(t: Buffer): termios_entry {
  const characters = Buffer.alloc(IMAGE_NCC_BYTES);
  t.copy(characters, 0, FLAGS, FLAGS + NCCS);
  return create(termios_entry, {
    c_iflag: t.readUInt32LE(0), c_oflag: t.readUInt32LE(4), c_cflag: t.readUInt32LE(8), c_lflag: t.readUInt32LE(12), c_line: t[16]!,
    c_ispeed: 0, c_ospeed: 0, c_cc: Array.from({ length: IMAGE_NCC }, (_, i) => (i * 4 < IMAGE_NCC_BYTES ? characters.readUInt32LE(i * 4) : 0)),
  });
}

export function encodeTermios(termios: termios_entry): Buffer {
  const bytes = Buffer.alloc(TERMIOS_SIZE);
  [termios.c_iflag, termios.c_oflag, termios.c_cflag, termios.c_lflag].forEach((word, i) => bytes.writeUInt32LE(word >>> 0, 4 * i));
  bytes.writeUInt8(termios.c_line & 255, FLAGS - 1);
  Buffer.from(Uint32Array.from(termios.c_cc).buffer).copy(bytes, FLAGS, 0, NCCS);
  return bytes;
}

/** The same line with nothing done to what passes it: no echo, signals, translation or special characters. Lines are kept apart if they were. */
export function quiet(termios: termios_entry): termios_entry {
  return { ...termios, c_iflag: 0, c_oflag: 0, c_lflag: termios.c_lflag & ICANON, c_cc: termios.c_cc.map(() => 0) };
}

/** The same, and every byte can be read at once. VMIN (character 6) is 1, so that a read does not wait for more. */
export function raw(termios: termios_entry): termios_entry {
  return { ...quiet(termios), c_lflag: 0, c_cc: termios.c_cc.map((_, i) => (i === 1 ? 1 << 16 : 0)) };
}
