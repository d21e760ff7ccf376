/**
 * Strings of images. They are paths and names, which on Linux are bytes: a byte that is not part of valid UTF-8 is kept as the
 * lone surrogate U+DC00 + byte (what Python calls surrogateescape, and what crit's users see), so every string goes back to
 * the bytes it came from.
 */
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Bytes to string, never failing. @param start, end which of them; undefined: all */
export function textOf(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const short = end - start < SHORT ? ascii(bytes, start, end) : undefined;
  if (short !== undefined) return short;
  const part = bytes.subarray(start, end);
  try {
    return strict.decode(part);
  } catch {
    return escaped(part);
  }
}

const SHORT = 128;
/** Strings of late, by a hash of their bytes: thousands of files may have one name, and a name is in several images. */
const recent: (string | undefined)[] = [];
const RECENT = 1024;

/** Most strings are short and ASCII: starting a decoder costs more than they do. */
function ascii(bytes: Uint8Array, start: number, end: number): string | undefined {
  let hash = end - start;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte >= 0x80) return undefined;
    hash = (hash * 31 + byte) | 0;
  }
  const slot = (hash ^ hash >>> 16) & RECENT - 1;
  const known = recent[slot];
  if (known !== undefined && isText(known, bytes, start, end)) return known;
  return recent[slot] = String.fromCharCode.apply(undefined, bytes.subarray(start, end) as unknown as number[]);
}

function isText(text: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}

/** String to the bytes it stands for. */
export function bytesOf(text: string): Uint8Array {
  return /[\uDC80-\uDCFF]/u.test(text) ? unescaped(text) : encoder.encode(text);
}

function escaped(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length;) {
    const size = sequenceAt(bytes, at);
    text += size === 0 ? String.fromCharCode(0xdc00 + bytes[at]!) : strict.decode(bytes.subarray(at, at + size));
    at += size === 0 ? 1 : size;
  }
  return text;
}

/** Length of the valid UTF-8 sequence that starts here, 0 when there is none. */
function sequenceAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  const size = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
  if (size < 2) return size;
  try {
    strict.decode(bytes.subarray(at, at + size));
    return at + size <= bytes.length ? size : 0;
  } catch {
    return 0;
  }
}

function unescaped(text: string): Uint8Array {
  const parts: number[] = [];
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (code >= 0xdc80 && code <= 0xdcff) parts.push(code - 0xdc00);
    else parts.push(...encoder.encode(char));
  }
  return Uint8Array.from(parts);
}
