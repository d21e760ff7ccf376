/**
 * One image file: bytes to records and back, byte for byte. Magics, record framing and the wire format of every message are
 * read and checked by the core; what a record means and what follows it comes from ./kinds.ts.
 * Records are decoded here; payloads stay where they are until somebody asks for their bytes.
 */
import { StillframeError } from '../errors.ts';
import { CoreError, theCore, type HeaderKind, type RecordSpan } from '../core/core.ts';
import { kindOfFile, kindOfMagic, type Kind, type PayloadRule } from './kinds.ts';
import type { Payload } from './payload.ts';
import type { Desc } from './schema/define.ts';
import { decodeMessage, encodeMessage, WireError } from './wire.ts';
import { MANY, recordRows } from './wire-rows.ts';
import { readTape } from './wire-tape.ts';
import { HEAD, MessageWriter } from './wire-write.ts';

/** Where an image's bytes come from. Everything is synchronous: what must be fetched is fetched before. */
export interface ByteSource {
  /** How errors name it: `img/core-5.img`. */
  readonly name: string;
  readonly size: number;
  /** Bytes `[offset, offset + length)`, all of them. */
  range(offset: number, length: number): Uint8Array;
}

/** A record: its message, and what follows it. */
export interface Entry {
  readonly desc: Desc<object>;
  readonly message: object;
  /** The raw bytes behind the message, padding not included. */
  readonly payload?: Payload;
  /** The records inside it (messages of a queue). */
  readonly inner?: readonly Entry[];
}

export interface Image {
  readonly kind: Kind;
  /** How the file starts; versions before 1.1 have no common magic. */
  readonly header: HeaderKind;
  readonly entries: Entry[];
}

/** Files up to this size are read at once; of larger ones only headers and messages are. */
const WHOLE = 16 << 20;
/** From this size on a file is read by ./wire-tape.ts: what that has to be told first costs more than a short file. */
const LONG = 16 << 10;

export function sourceOf(bytes: Uint8Array, name: string): ByteSource {
  return { name, size: bytes.length, range: (offset, length) => bytes.subarray(offset, offset + length) };
}

function bad(source: ByteSource, record: number, why: string, offset?: number, cause?: unknown): StillframeError {
  const at = offset === undefined ? '' : `, byte ${offset}`;
  return new StillframeError({ doing: 'read image', where: `${source.name}, record ${record}${at}`, why, cause });
}

/** Reads a file's magics. @throws StillframeError when it is too short, or of a kind nobody knows */
export function imageHeader(source: ByteSource): { kind: Kind; header: HeaderKind; size: number } {
  const { container } = theCore();
  try {
    const head = container.readHeader(source.range(0, Math.min(8, source.size)));
    const kind = kindOfMagic(head.magic);
    if (kind === undefined) throw new UnknownMagicError(source.name, head.magic);
    return { kind, header: head.kind, size: head.headerSize };
  } catch (error) {
    throw error instanceof CoreError ? error.of(source.name) : error;
  }
}

/** The file does not start like any image. */
export class UnknownMagicError extends StillframeError {
  constructor(where: string, readonly magic: number) {
    super({
      doing: 'read image', where, why: `its magic is 0x${magic.toString(16)}, which no image kind has`,
      remedy: 'pages-N.img and other raw files of a set cannot be decoded; anything else is damaged or no image.',
    });
    this.name = 'UnknownMagicError';
  }
}

/**
 * Decodes a file.
 * @param expected the kind its name promises; a file of another kind is refused
 * @throws StillframeError naming file, record, byte and field
 */
export function decodeImage(source: ByteSource, expected?: Kind): Image {
  const whole = source.size <= WHOLE ? sourceOf(source.range(0, source.size), source.name) : source;
  const found = imageHeader(whole);
  const promised = expected ?? kindOfFile(basename(source.name))?.kind;
  let { kind } = found;
  if (promised !== undefined && promised.framing !== 'raw') {
    if (promised.magic === kind.magic) kind = promised;
    else if (expected !== undefined) throw bad(source, 0, `it holds ${kind.name} records (magic 0x${kind.magic.toString(16)}), not ${expected.name}`);
  }
  return { kind, header: found.header, entries: readRecords(whole, kind, found.size, source) };
}

const basename = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

function readRecords(source: ByteSource, kind: Kind, start: number, origin: ByteSource): Entry[] {
  if (kind.payload === undefined && source.size <= WHOLE) return readPlain(source, kind, start);
  const entries: Entry[] = [];
  const reader = new RecordReader(source, start, origin);
  while (!reader.atEnd) {
    const index = entries.length;
    const chunks = kind.payload?.rule === 'rest-or-chunks' && index > 0 ? kind.payload : undefined;
    const desc = chunks?.chunk ?? (index === 0 ? kind.first : undefined) ?? kind.message!;
    const message = reader.message(desc, index);
    entries.push({ desc, message, ...readPayload(reader, kind.payload, message, index) });
  }
  return checkCount(source, kind, entries);
}

function checkCount(source: ByteSource, kind: Kind, entries: Entry[]): Entry[] {
  if (kind.single === true && entries.length !== 1) throw bad(source, entries.length, `it has ${entries.length} records; a ${kind.name} image has exactly one`);
  if ((kind.first !== undefined || kind.payload?.rule === 'rest-or-chunks') && entries.length === 0) throw bad(source, 0, 'it has no records; its first one is missing');
  return entries;
}

/** All records of a file without payloads: framing and wire format are checked by the core in one pass. @param start of the first record */
function readPlain(source: ByteSource, kind: Kind, start: number): Entry[] {
  const file = source.range(0, source.size);
  const messages = file.length < LONG ? undefined : readTape(file, start, kind.first ?? kind.message!, kind.message!);
  if (messages !== undefined) return checkCount(source, kind, messages.map((message, index) => ({ desc: (index === 0 ? kind.first : undefined) ?? kind.message!, message })));
  let spans: readonly RecordSpan[];
  try {
    spans = theCore().container.scan(file, { check: true }).records;
  } catch (error) {
    throw error instanceof CoreError ? error.of(`${source.name}, record ${error.record}`) : error;
  }
  const entries = spans.map((span, index) => {
    const desc = (index === 0 ? kind.first : undefined) ?? kind.message!;
    return { desc, message: decodeAt(source, desc, file, index, span.offset, span.offset, span.offset + span.size) };
  });
  return checkCount(source, kind, entries);
}

/** @param offset of the message in the file; `start` and `end` are in `bytes` */
function decodeAt(source: ByteSource, desc: Desc<object>, bytes: Uint8Array, index: number, offset: number, start?: number, end?: number): object {
  try {
    return decodeMessage(desc, bytes, start, end);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw bad(source, index, `${desc.name}: ${error.message}`, offset, error);
  }
}

/** Walks records one by one, for files with payloads and files too large to hold. */
class RecordReader {
  constructor(readonly source: ByteSource, public at: number, readonly origin: ByteSource) {}

  get atEnd(): boolean { return this.at >= this.source.size; }

  message(desc: Desc<object>, index: number): object {
    const { container, wire } = theCore();
    try {
      const head = this.source.range(this.at, Math.min(4, this.source.size - this.at));
      const span = container.nextRecord(head, this.at, this.source.size, this.at);
      if (span === undefined) throw bad(this.source, index, 'the file ends before it', this.at);
      const bytes = this.source.range(span.offset, span.size);
      wire.checkMessage(bytes);
      this.at = span.offset + span.size;
      return decodeAt(this.source, desc, bytes, index, span.offset);
    } catch (error) {
      throw error instanceof CoreError ? error.of(`${this.source.name}, record ${index}`) : error;
    }
  }

  payload(size: bigint, pad: number, index: number): Payload {
    const padded = (size + BigInt(pad) - 1n) / BigInt(pad) * BigInt(pad);
    const left = this.source.size - this.at;
    if (padded > BigInt(left)) throw bad(this.source, index, `${padded} bytes of data should follow it, but ${left} are left in the file`, this.at);
    const { origin, at: offset } = this;
    const length = Number(size);
    this.at += Number(padded);
    return { size: length, bytes: () => origin.range(offset, length), at: { file: origin.name, offset } };
  }
}

function readPayload(reader: RecordReader, rule: PayloadRule | undefined, message: object, index: number): Pick<Entry, 'payload' | 'inner'> {
  if (rule === undefined) return {};
  if (rule.rule === 'sized') return { payload: reader.payload(rule.size(message), rule.pad, index) };
  if (rule.rule === 'rest-or-chunks') {
    if (index > 0) return { payload: reader.payload(rule.size(message), 1, index) };
    return rule.chunked(message) ? {} : { payload: reader.payload(BigInt(reader.source.size - reader.at), 1, index) };
  }
  const inner: Entry[] = [];
  for (let left = rule.count(message); left > 0; left--) {
    const one = reader.message(rule.inner, index);
    inner.push({ desc: rule.inner, message: one, payload: reader.payload(rule.size(one), rule.pad, index) });
  }
  return { inner };
}

/** An entry as `encodeImage` takes it. */
export interface NewEntry {
  readonly message: object;
  readonly payload?: Payload | undefined;
  readonly inner?: readonly NewEntry[] | undefined;
}

/**
 * Encodes a file.
 * @param name for errors
 * @throws StillframeError when a message lacks a required field, or a payload is not as long as its message says
 */
export function encodeImage(name: string, kind: Kind, entries: readonly NewEntry[], header: HeaderKind = kind.framing as HeaderKind): Uint8Array {
  const { container } = theCore();
  if (kind.payload === undefined) return encodePlain(name, kind, entries, header);
  const messages: Uint8Array[] = [];
  const payloads: (Uint8Array | undefined)[] = [];
  entries.forEach((entry, index) => {
    const chunk = kind.payload?.rule === 'rest-or-chunks' && index > 0 ? kind.payload.chunk : undefined;
    messages.push(encodeAt(name, chunk ?? (index === 0 ? kind.first : undefined) ?? kind.message!, entry.message, index));
    payloads.push(writePayload(name, kind.payload, entry, index));
  });
  return container.frame(header, kind.magic, messages, payloads);
}

/** Columns that nobody fills cost more than the others save: a file_entry is one of twenty kinds. */
const fillsRows = (desc: Desc<object>, entries: readonly NewEntry[]): boolean =>
  entries.length >= MANY && 2 * Object.keys(entries[0]!.message).length >= Object.keys(desc.fields).length;

/**
 * The same for many files of one record each, without payloads.
 * @returns undefined: they have to be encoded one by one
 */
export function encodeEach(kind: Kind, messages: readonly object[]): Uint8Array[] | undefined {
  const rows = recordRows(kind.message!, messages, theCore().container.header(kind.framing as HeaderKind, kind.magic));
  if (rows === undefined) return undefined;
  let at = 0;
  return [...rows.sizes].map((size) => rows.bytes.subarray(at, at += size));
}

/** All records of a file without payloads, of which there may be tens of thousands: one buffer. */
function encodePlain(name: string, kind: Kind, entries: readonly NewEntry[], header: HeaderKind): Uint8Array {
  const { container } = theCore();
  const rows = kind.first === undefined && fillsRows(kind.message!, entries) ? recordRows(kind.message!, entries.map(({ message }) => message)) : undefined;
  if (rows !== undefined) return concat([container.header(header, kind.magic), rows.bytes]);
  const writer = new MessageWriter();
  let desc = kind.first ?? kind.message!;
  try {
    for (const { message } of entries) {
      writer.add(desc, message);
      desc = kind.message!;
    }
  } catch (error) {
    throw refused(error, name, desc, writer.sizes.length);
  }
  return container.frameInPlace(header, kind.magic, writer.finish(), HEAD, writer.sizes);
}

function encodeAt(name: string, desc: Desc<object>, message: object, index: number): Uint8Array {
  try {
    return encodeMessage(desc, message);
  } catch (error) {
    throw refused(error, name, desc, index);
  }
}

function refused(error: unknown, name: string, desc: Desc<object>, index: number): unknown {
  if (!(error instanceof WireError)) return error;
  return new StillframeError({ doing: 'write image', where: `${name}, record ${index}`, why: `${desc.name}: ${error.message}`, cause: error });
}

function writePayload(name: string, rule: PayloadRule | undefined, entry: NewEntry, index: number): Uint8Array | undefined {
  if (rule === undefined) return undefined;
  if (rule.rule === 'sized') return padded(name, index, entry.payload, rule.size(entry.message), rule.pad);
  if (rule.rule === 'rest-or-chunks') {
    if (index > 0) return padded(name, index, entry.payload, rule.size(entry.message), 1);
    return rule.chunked(entry.message) ? undefined : entry.payload?.bytes();
  }
  const inner = entry.inner ?? [];
  const count = rule.count(entry.message);
  if (inner.length !== count) throw mismatch(name, index, `${inner.length} messages`, String(count));
  const { container } = theCore();
  const parts = inner.flatMap((one) => {
    const message = encodeAt(name, rule.inner, one.message, index);
    return [container.recordHeaders([message.length]), message, padded(name, index, one.payload, rule.size(one.message), rule.pad)];
  });
  return concat(parts);
}

const mismatch = (name: string, index: number, got: string, want: string): StillframeError =>
  new StillframeError({ doing: 'write image', where: `${name}, record ${index}`, why: `its message announces ${want}, its payload has ${got}` });

function padded(name: string, index: number, data: Payload | undefined, size: bigint, pad: number): Uint8Array {
  const bytes = data?.bytes() ?? new Uint8Array(0);
  if (BigInt(bytes.length) !== size) throw mismatch(name, index, `${bytes.length} bytes`, `${size}`);
  if (bytes.length % pad === 0) return bytes;
  const out = new Uint8Array(Math.ceil(bytes.length / pad) * pad);
  out.set(bytes);
  return out;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
