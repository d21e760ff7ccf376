/**
 * The members of a tar archive with the places of their bytes, so that they can be read where they are: ustar, GNU and pax
 * headers (POSIX.1-2001 pax(1); GNU tar's long names, base-256 numbers and sparse members, the last refused by name).
 * The libraries that read tar hand out contents, not places; hence this reader of headers.
 */
import { StillframeError } from '../../errors.ts';
import { textOf } from '../text.ts';
import { readExactly, type ByteFile } from './source.ts';

export interface TarMember {
  /** Path without leading `./` and `/`, and without `..`. */
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'hardlink' | 'other';
  /** First byte of the contents in the archive. */
  readonly start: number;
  readonly size: number;
  /** What a link points to, as written. */
  readonly link: string;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Why the contents cannot be read in place. */
  readonly refused?: string;
}

const BLOCK = 512;
/** Longest extended header that is read: names are at most PATH_MAX, 4096 bytes; extended attributes 64 KiB each. */
const MAX_EXTENDED = 1 << 20;
const TYPES: Readonly<Record<string, TarMember['type']>> = { '0': 'file', '\0': 'file', '7': 'file', '5': 'directory', '2': 'symlink', '1': 'hardlink' };

/** Whether these first 512 bytes are a tar header. */
export function looksLikeTar(block: Uint8Array): boolean {
  return block.length >= BLOCK && checksumFits(block);
}

/** @throws StillframeError naming the byte where the archive is no tar archive any more */
export async function readTarIndex(source: ByteFile, limit = 1_000_000): Promise<TarMember[]> {
  const members: TarMember[] = [];
  let long: { path?: string; link?: string } = {};
  let pax: Map<string, string> = new Map();
  const globals: Map<string, string> = new Map();
  for (let at = 0;;) {
    const block = await source.read(at, BLOCK);
    if (block.length === 0 || (block.length === BLOCK && block.every((byte) => byte === 0))) return members;
    if (block.length < BLOCK || !checksumFits(block)) throw damaged(source, at, 'this is no header of a tar member', members);
    const type = String.fromCharCode(block[156]!);
    const size = pax.has('size') ? Number(pax.get('size')) : number(block, 124, 12);
    if (!Number.isSafeInteger(size) || size < 0) throw damaged(source, at, `a member says it is ${size} bytes`, members);
    const start = at + BLOCK;
    at = start + Math.ceil(size / BLOCK) * BLOCK;
    if (type === 'x' || type === 'g' || type === 'L' || type === 'K') {
      if (size > MAX_EXTENDED) throw damaged(source, start, `an extended header of ${size} bytes`, members);
      const bytes = await readExactly(source, start, size, 'read archive');
      if (type === 'x') pax = new Map([...globals, ...paxFields(bytes)]);
      else if (type === 'g') for (const [name, value] of paxFields(bytes)) globals.set(name, value);
      else long = { ...long, [type === 'L' ? 'path' : 'link']: text(bytes, 0, bytes.length) };
      continue;
    }
    const prefix = text(block, 257, 6) === 'ustar' ? text(block, 345, 155) : '';
    const plain = text(block, 0, 100);
    const path = pax.get('path') ?? long.path ?? (prefix === '' ? plain : `${prefix}/${plain}`);
    const refused = type === 'S' || [...pax.keys()].some((name) => name.startsWith('GNU.sparse.')) ? 'it is stored as a sparse member' : undefined;
    members.push({
      path: cleanPath(path), type: TYPES[type] ?? (type === 'S' ? 'file' : 'other'), start, size: type === '5' ? 0 : size,
      link: pax.get('linkpath') ?? long.link ?? text(block, 157, 100), mtime: number(block, 136, 12),
      ...(refused === undefined ? {} : { refused }),
    });
    if (members.length > limit) throw damaged(source, at, `more than ${limit} members`, members);
    long = {};
    pax = new Map(globals);
  }
}

function damaged(source: ByteFile, at: number, why: string, members: readonly TarMember[]): StillframeError {
  return new StillframeError({
    doing: 'read archive', where: `${source.name}, byte ${at}`, why,
    remedy: members.length === 0 ? 'A tar archive, plain or compressed with gzip or zstd, is expected.' : `${members.length} members before it are readable; the archive is damaged or cut.`,
  });
}

function checksumFits(block: Uint8Array): boolean {
  const want = number(block, 148, 8);
  let sum = 8 * 32;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += block[i]!;
  return sum === want;
}

/** Octal digits, or base 256 when the top bit is set. NaN when it is neither. */
function number(block: Uint8Array, at: number, width: number): number {
  if ((block[at]! & 0x80) !== 0) {
    let value = block[at]! & 0x7f;
    for (let i = 1; i < width; i++) value = value * 256 + block[at + i]!;
    return value;
  }
  const digits = text(block, at, width).trim();
  return /^[0-7]*$/.test(digits) ? parseInt(digits === '' ? '0' : digits, 8) : NaN;
}

function text(block: Uint8Array, at: number, width: number): string {
  const end = block.subarray(at, at + width).indexOf(0);
  return textOf(block.subarray(at, end < 0 ? at + width : at + end));
}

/** `LENGTH KEY=VALUE\n` records, the length counting itself. */
function paxFields(bytes: Uint8Array): Map<string, string> {
  const fields = new Map<string, string>();
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? NaN : Number(textOf(bytes.subarray(at, space)));
    if (!Number.isInteger(length) || length <= space - at || at + length > bytes.length) break;
    const record = textOf(bytes.subarray(space + 1, at + length - 1));
    const equals = record.indexOf('=');
    if (equals > 0) fields.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return fields;
}

/** Segments `.` and empty ones dropped, `..` resolved and never above the archive's root. */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}
