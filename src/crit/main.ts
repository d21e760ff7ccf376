/** `bin/crit`: crit 4.2's commands in Node. Parses, calls, prints; everything else is in the files beside it. */
import { closeSync, fstatSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { StillframeError } from '../errors.ts';
import { decodeImage, encodeImage, sourceOf, UnknownMagicError, type ByteSource, type Image } from '../image/codec.ts';
import { openSet } from '../image/node/directory.ts';
import type { ImageSet } from '../image/set.ts';
import { bytesOf, textOf } from '../image/text.ts';
import { parseArguments, UsageError, type Arguments, type EXPLORERS } from './args.ts';
import { imageFromJson, imageText, INDENT, magicName } from './convert.ts';
import { exploreFds, exploreMems, explorePs, exploreRss, exploreSk } from './explore.ts';
import { JsonError, readJson, writeJson, type Json } from './json.ts';

/** The crit that this one stands in for. */
const CRIT_VERSION = '4.2';

/** Runs a command line; returns the exit code. */
export function crit(args: readonly string[]): number {
  try {
    run(parseArguments(args, CRIT_VERSION));
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      print(error.exitCode === 0 ? 1 : 2, error.message);
      return error.exitCode;
    }
    if (error instanceof UnknownMagicError) {
      print(2, `Unknown magic 0x${error.magic.toString(16)}.\nMaybe you are feeding me an image with raw data(i.e. pages.img)?\n`);
      return 1;
    }
    if (isClosedPipe(error)) return 1;
    if (!(error instanceof StillframeError) && !isSystemError(error)) throw error;
    print(2, `crit: ${error.message}\n`);
    return error instanceof StillframeError ? error.exitCode : 1;
  }
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException => error instanceof Error && 'code' in error && 'syscall' in error;
const isClosedPipe = (error: unknown): boolean => isSystemError(error) && error.code === 'EPIPE';

function run({ command, values, switches }: Arguments): void {
  switch (command) {
    case 'decode': return decode(values['in'], values['out'], switches.has('pretty'), false);
    case 'show': return decode(values['in'], undefined, true, switches.has('nopl'));
    case 'encode': return encode(values['in'], values['out']);
    case 'info': return info(values['in']!);
    default: return explore(values['dir']!, values['what'] as (typeof EXPLORERS)[number]);
  }
}

function input(path: string | undefined): ByteSource {
  if (path === undefined) return sourceOf(readFileSync(0), 'standard input');
  const fd = openSync(path, 'r');
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) return sourceOf(readFileSync(fd), path);
    // a view of the file that reads what is asked for, when it is asked for
    return { name: path, size: stat.size, range: (offset, length) => readAt(path, offset, length) };
  } finally {
    closeSync(fd);
  }
}

function readAt(path: string, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const fd = openSync(path, 'r');
  try {
    let done = 0;
    while (done < length) {
      const got = readSync(fd, bytes, done, length - done, offset + done);
      if (got === 0) throw new StillframeError({ doing: 'read image', where: `${path}, byte ${offset + done}`, why: 'the file ended while it was being read' });
      done += got;
    }
    return bytes;
  } finally {
    closeSync(fd);
  }
}

function decode(from: string | undefined, to: string | undefined, pretty: boolean, noPayload: boolean): void {
  const image = decodeImage(input(from));
  warnUnknown(image);
  const text = imageText(image, { pretty, noPayload });
  if (to === undefined) print(1, `${text}\n`);
  else writeFile(to, bytesOf(text));
}

/** JSON as crit writes it has no place for fields of later versions: say so, since encoding will not bring them back. */
function warnUnknown(image: Image): void {
  const names = new Set<string>();
  for (const entry of image.entries) unknownFields(entry.message, entry.desc.name, names);
  if (names.size > 0) print(2, `crit: not shown, and lost when this is encoded again: ${[...names].sort().join(', ')} (a later version wrote them)\n`);
}

function unknownFields(message: object, path: string, names: Set<string>): void {
  for (const symbol of Object.getOwnPropertySymbols(message)) {
    const list: unknown = (message as Record<symbol, unknown>)[symbol];
    if (Array.isArray(list)) for (const field of list as { no: number }[]) names.add(`${path}.${field.no}`);
  }
  for (const name in message) {
    const value = (message as Record<string, unknown>)[name];
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) continue;
    for (const inner of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (typeof inner === 'object' && inner !== null) unknownFields(inner, `${path}.${name}`, names);
    }
  }
}

function encode(from: string | undefined, to: string | undefined): void {
  const source = input(from);
  const text = textOf(source.range(0, source.size));
  let json: Json;
  try {
    json = readJson(text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new StillframeError({ doing: 'encode image', where: source.name, why: `it is not JSON: ${error.message}`, remedy: 'encode reads what decode writes; an image file is read by decode.' });
  }
  const { kind, entries, ignored } = imageFromJson(json);
  if (ignored.length > 0) print(2, `crit: ignored, no such field: ${ignored.join(', ')}\n`);
  const bytes = encodeImage(to ?? kind.name, kind, entries);
  if (to === undefined) writeAll(1, bytes);
  else writeFile(to, bytes);
}

function info(path: string): void {
  const image = decodeImage(input(path));
  // the head of a page map is not counted
  const count = image.entries.length - (image.kind.first === undefined ? 0 : 1);
  print(1, `${writeJson({ magic: magicName(image.kind), count }, INDENT)}\n`);
}

const explorers: Readonly<Record<(typeof EXPLORERS)[number], (set: ImageSet) => string>> = { ps: explorePs, fds: exploreFds, mems: exploreMems, rss: exploreRss, sk: exploreSk };

function explore(directory: string, what: (typeof EXPLORERS)[number]): void {
  print(1, explorers[what](openSet(directory)));
}

function writeFile(path: string, bytes: Uint8Array): void {
  const fd = openSync(path, 'w');
  try {
    writeAll(fd, bytes);
  } finally {
    closeSync(fd);
  }
}

const print = (fd: 1 | 2, text: string): void => writeAll(fd, bytesOf(text));

/** Writes everything; a pipe that is full for a moment is waited for. */
function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(fd, bytes, done, bytes.length - done);
    } catch (error) {
      if (!isSystemError(error) || error.code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
