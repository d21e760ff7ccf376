/** Bytes as text: base64 in lines, as crit shows raw data, and quoted-printable, as it shows unix socket names. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** Bytes a line: 76 characters of base64 (RFC 2045). */
const LINE = 57;

/** Base64 in lines of 76 characters, each ended by a newline; empty for no bytes. */
export function toBase64(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += LINE) lines.push(base64Line(bytes.subarray(at, at + LINE)), '\n');
  return lines.join('');
}

function base64Line(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const word = bytes[i]! << 16 | (bytes[i + 1] ?? 0) << 8 | (bytes[i + 2] ?? 0);
    text += ALPHABET[word >> 18]! + ALPHABET[word >> 12 & 63]! + (i + 1 < bytes.length ? ALPHABET[word >> 6 & 63]! : '=') + (i + 2 < bytes.length ? ALPHABET[word & 63]! : '=');
  }
  return text;
}

const VALUES = new Int8Array(128).fill(-1);
for (let i = 0; i < 64; i++) VALUES[ALPHABET.charCodeAt(i)] = i;

/** Base64 to bytes; characters that are none (newlines) are skipped. @throws RangeError when it is cut short */
export function fromBase64(text: string): Uint8Array {
  const out = new Uint8Array(Math.ceil(text.length * 3 / 4));
  let size = 0, word = 0, digits = 0;
  for (let i = 0; i < text.length; i++) {
    const value = VALUES[text.charCodeAt(i)] ?? -1;
    if (value < 0) continue;
    word = word << 6 | value;
    if (++digits % 4 !== 0) continue;
    out[size++] = word >> 16 & 255;
    out[size++] = word >> 8 & 255;
    out[size++] = word & 255;
    word = 0;
  }
  const left = digits % 4;
  if (left === 1) throw new RangeError('base64 data is cut short');
  if (left === 2) out[size++] = word >> 4 & 255;
  if (left === 3) {
    out[size++] = word >> 10 & 255;
    out[size++] = word >> 2 & 255;
  }
  return out.subarray(0, size);
}

const MAX_LINE = 76;
const HEX = '0123456789ABCDEF';
const NEWLINE = 10, RETURN = 13, SPACE = 32, TAB = 9, DOT = 46, EQUALS = 61;

/**
 * Quoted-printable (RFC 2045), exactly as Python's quopri.encodestring writes it: text mode, blanks quoted only at a line's end,
 * soft line breaks at 76 characters, CRLF line ends when the first line of the data has one.
 */
export function toQuotedPrintable(bytes: Uint8Array): string {
  const first = bytes.indexOf(NEWLINE);
  const soft = first > 0 && bytes[first - 1] === RETURN ? '=\r\n' : '=\n';
  const end = soft.slice(1);
  let text = '', line = 0;
  for (let i = 0; i < bytes.length;) {
    const byte = bytes[i]!;
    if (needsQuoting(bytes, i, line)) {
      if (line + 3 >= MAX_LINE) {
        text += soft;
        line = 0;
      }
      text += `=${HEX[byte >> 4]!}${HEX[byte & 15]!}`;
      line += 3;
      i++;
    } else if (byte === NEWLINE || (byte === RETURN && bytes[i + 1] === NEWLINE)) {
      line = 0;
      const last = text.charCodeAt(text.length - 1);
      if (last === SPACE || last === TAB) text = `${text.slice(0, -1)}=${HEX[last >> 4]!}${HEX[last & 15]!}`;
      text += end;
      i += byte === RETURN ? 2 : 1;
    } else {
      if (i + 1 !== bytes.length && bytes[i + 1] !== NEWLINE && line + 1 >= MAX_LINE) {
        text += soft;
        line = 0;
      }
      line++;
      text += String.fromCharCode(byte);
      i++;
    }
  }
  return text;
}

function needsQuoting(bytes: Uint8Array, i: number, line: number): boolean {
  const byte = bytes[i]!;
  const next = bytes[i + 1];
  if (byte > 126 || byte === EQUALS) return true;
  if (byte === DOT && line === 0) return next === undefined || next === NEWLINE || next === RETURN || next === 0;
  if ((byte === SPACE || byte === TAB) && next === undefined) return true;
  return byte < 33 && byte !== NEWLINE && byte !== RETURN && byte !== SPACE && byte !== TAB;
}

const hexDigit = (char: string | undefined): number => (char === undefined ? -1 : '0123456789abcdef'.indexOf(char.toLowerCase()));

/** Quoted-printable to bytes; what is no proper quote is kept as it stands, as Python does. */
export function fromQuotedPrintable(text: string): Uint8Array {
  const out: number[] = [];
  for (let i = 0; i < text.length;) {
    if (text[i] !== '=') {
      out.push(text.charCodeAt(i++));
      continue;
    }
    i++;
    if (i >= text.length) break;
    if (text[i] === '\n' || text[i] === '\r') {
      while (i < text.length && text[i] !== '\n') i++;
      i++;
    } else if (text[i] === '=') {
      out.push(EQUALS);
      i++;
    } else if (hexDigit(text[i]) >= 0 && hexDigit(text[i + 1]) >= 0) {
      out.push(hexDigit(text[i]) << 4 | hexDigit(text[i + 1]));
      i += 2;
    } else {
      out.push(EQUALS);
    }
  }
  return Uint8Array.from(out);
}
