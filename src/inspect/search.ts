/** Searching and printing task memory: bytes, text, regular expressions, strings. Streams; holds at most two pieces. */
import { StillframeError } from '../errors.ts';
import type { AddressSpace } from './memory.ts';

export type Pattern = { readonly bytes: Uint8Array } | { readonly regexp: RegExp };

/** A match does not reach further than this. */
export const MAX_MATCH = 4096;

/**
 * What a person typed: `/regex/flags`, `0x` or spaced hex bytes (`de ad ?`is not one), else text.
 * @throws StillframeError for a regular expression that does not parse, or an empty pattern
 */
export function parsePattern(text: string, as: 'auto' | 'text' | 'hex' | 'regex' = 'auto'): Pattern {
  const slashed = /^\/(.+)\/([ims]*)$/s.exec(text);
  const refuse = (why: string): StillframeError => new StillframeError({ doing: 'find', where: `pattern ${text}`, why, exitCode: 2 });
  if (as === 'regex' || (as === 'auto' && slashed !== null)) {
    try {
      return { regexp: new RegExp(as === 'regex' ? text : slashed![1]!, `g${as === 'regex' ? 's' : slashed![2]!}`) };
    } catch (cause) {
      throw refuse(cause instanceof Error ? cause.message : String(cause));
    }
  }
  const hex = (as === 'hex' ? text.replace(/^0x/i, '') : /^0x((?:[0-9a-f]{2})+)$/i.exec(text)?.[1])?.replace(/[\s:]/g, '');
  if (hex !== undefined) {
    if (!/^(?:[0-9a-f]{2})+$/i.test(hex)) throw refuse('these are no bytes in hexadecimal (two digits each)');
    return { bytes: Uint8Array.from(hex.match(/../g)!, (pair) => parseInt(pair, 16)) };
  }
  if (text === '') throw refuse('it is empty');
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > MAX_MATCH) throw refuse(`it is longer than ${MAX_MATCH} bytes`);
  return { bytes };
}

export interface Match { readonly address: bigint; readonly length: number }

/** Bytes as a string of one character each, for regular expressions. */
export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}

/** Matches in stored memory, by address. One that spans two runs is found when the runs touch. */
export async function* findIn(space: AddressSpace, pattern: Pattern, from = 0n, to = 1n << 64n): AsyncGenerator<Match> {
  const keep = 'bytes' in pattern ? pattern.bytes.length - 1 : MAX_MATCH;
  let tail = new Uint8Array(0);
  let tailAt = 0n;
  let reported = -1n;
  for await (const { start, bytes } of space.stored(from, to)) {
    const joins = tail.length > 0 && tailAt + BigInt(tail.length) === start;
    const base = joins ? tailAt : start;
    const window = joins ? joined(tail, bytes) : bytes;
    for (const { at, length } of 'bytes' in pattern ? bytesIn(window, pattern.bytes) : textIn(window, pattern.regexp)) {
      const address = base + BigInt(at);
      if (address <= reported) continue;
      reported = address;
      yield { address, length };
    }
    tail = window.slice(Math.max(0, window.length - keep));
    tailAt = base + BigInt(window.length - tail.length);
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

function* bytesIn(window: Uint8Array, wanted: Uint8Array): Generator<{ at: number; length: number }> {
  const [first] = wanted;
  for (let at = window.indexOf(first!); at >= 0 && at + wanted.length <= window.length; at = window.indexOf(first!, at + 1)) {
    let i = 1;
    while (i < wanted.length && window[at + i] === wanted[i]) i++;
    if (i === wanted.length) yield { at, length: i };
  }
}

function* textIn(window: Uint8Array, regexp: RegExp): Generator<{ at: number; length: number }> {
  // a match must not be cut by the window's end unless it is the last one; the tail kept by the caller sees to that
  regexp.lastIndex = 0;
  const text = latin1(window);
  for (let match = regexp.exec(text); match !== null; match = regexp.exec(text)) {
    if (match[0].length === 0) regexp.lastIndex++;
    else yield { at: match.index, length: Math.min(match[0].length, MAX_MATCH) };
  }
}

export interface FoundText { readonly address: bigint; readonly text: string }

/** Runs of printable ASCII (and tab) of at least `least` bytes. Runs longer than 1 MiB are cut. */
export async function* stringsIn(space: AddressSpace, least = 4, from = 0n, to = 1n << 64n): AsyncGenerator<FoundText> {
  let parts: string[] = [];
  let length = 0;
  let begin = 0n;
  let next = -1n;
  const flush = function* (): Generator<FoundText> {
    if (length >= least) yield { address: begin, text: parts.join('') };
    parts = [];
    length = 0;
  };
  for await (const { start, bytes } of space.stored(from, to)) {
    if (start !== next) yield* flush();
    next = start + BigInt(bytes.length);
    for (let at = 0; at < bytes.length;) {
      let end = at;
      while (end < bytes.length && printable(bytes[end]!)) end++;
      if (end > at) {
        if (length === 0) begin = start + BigInt(at);
        parts.push(latin1(bytes.subarray(at, end)));
        length += end - at;
      }
      if (end < bytes.length || length > 1 << 20) yield* flush();
      at = end;
      while (at < bytes.length && !printable(bytes[at]!)) at++;
    }
  }
  yield* flush();
}

const printable = (byte: number): boolean => (byte >= 32 && byte < 127) || byte === 9;

/** Lines like hexdump -C: `7ffd00001000  48 65 ...  |He..|`; bytes that no set has are `??`. */
export function hexLines(address: bigint, bytes: Uint8Array, known: Uint8Array, width = 16): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += width) {
    const cells: string[] = [];
    let text = '';
    for (let i = at; i < at + width; i++) {
      if (i >= bytes.length) cells.push('  ');
      else {
        cells.push(known[i] === 0 ? '??' : bytes[i]!.toString(16).padStart(2, '0'));
        text += known[i] === 0 ? '?' : bytes[i]! >= 32 && bytes[i]! < 127 ? String.fromCharCode(bytes[i]!) : '.';
      }
    }
    lines.push(`${(address + BigInt(at)).toString(16).padStart(12, '0')}  ${cells.slice(0, width / 2).join(' ')}  ${cells.slice(width / 2).join(' ')}  |${text}|`);
  }
  return lines;
}
