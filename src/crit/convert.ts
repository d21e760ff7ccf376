/**
 * Images to crit's JSON and back: `{"magic": NAME, "entries": [...]}`, each entry a message's fields plus `extra` for the raw
 * bytes behind it. The same text as crit 4.2 writes, for every kind it knows, and the same form for those it does not.
 */
import { StillframeError } from '../errors.ts';
import type { Entry, Image, NewEntry } from '../image/codec.ts';
import { kindNamed, kindOfMagic, type Kind, type PayloadRule } from '../image/kinds.ts';
import { payload, slicePayload } from '../image/payload.ts';
import type { Cardinality, Desc, Field } from '../image/schema/define.ts';
import type { ipc_shm_entry, tcp_stream_entry } from '../image/schema/index.ts';
import { encodeMessage } from '../image/wire.ts';
import { fromBase64, fromQuotedPrintable, toBase64, toQuotedPrintable } from './bytes.ts';
import { writeJson, writeList, type Json, type JsonObject } from './json.ts';
import { readAddress, readNumber, showAddress, showNumber } from './present.ts';

type AnyField = Field<unknown, Cardinality>;

export interface ToJsonOptions {
  /** Numbers in the form their field suggests. */
  readonly pretty?: boolean;
  /** Sizes instead of raw data. */
  readonly noPayload?: boolean;
}

/** crit's name of an image's kind: of kinds that share a magic, the one it prints. */
export function magicName(kind: Kind): string {
  return kindOfMagic(kind.magic)?.name ?? kind.name;
}

export function imageToJson(image: Image, options: ToJsonOptions = {}): JsonObject {
  return { magic: magicName(image.kind), entries: image.entries.map((entry) => entryToJson(image.kind, entry, options)) };
}

/** Spaces a level of --pretty. */
export const INDENT = 4;

/**
 * The JSON text of an image; its entries are converted one at a time.
 * @param depth levels that it lies inside other text
 */
export function imageText(image: Image, options: ToJsonOptions = {}, depth = 0): string {
  const indent = options.pretty === true ? INDENT : 0;
  const newline = indent === 0 ? '' : `\n${' '.repeat(indent * (depth + 1))}`;
  const entries = (function* () { for (const entry of image.entries) yield entryToJson(image.kind, entry, options); })();
  return `{${newline}"magic": ${writeJson(magicName(image.kind))},${newline || ' '}"entries": ${writeList(entries, indent, depth + 1)}${newline.slice(0, -INDENT)}}`;
}

function entryToJson(kind: Kind, entry: Entry, { pretty = false, noPayload = false }: ToJsonOptions): JsonObject {
  const json = messageToJson(entry.desc, entry.message, pretty);
  const { payload: rule } = kind;
  if (rule === undefined) return json;
  if (rule.rule === 'rest-or-chunks') {
    return entry.payload === undefined || noPayload ? json : { ...json, extra: toBase64(entry.payload.bytes()) };
  }
  return { ...json, extra: noPayload ? `... <${humanSize(payloadSize(kind, entry))}>` : extraOf(kind, entry) };
}

/** What crit counts: for queues the inner messages too, for shared memory its size wherever the bytes are. */
function payloadSize(kind: Kind, entry: Entry): number {
  if (kind.name === 'IPCNS_SHM') return Number((entry.message as ipc_shm_entry).size);
  if (entry.inner === undefined) return entry.payload?.size ?? 0;
  return entry.inner.reduce((sum, one) => sum + encodeMessage(one.desc, one.message).length + (one.payload?.size ?? 0), 0);
}

const UNITS = ['', 'K', 'M', 'G', 'T', 'P', 'E', 'Z'];

/** 1280 is `1.2KB`: one decimal, halves to the even digit. */
function humanSize(size: number): string {
  let number = size;
  for (const unit of UNITS) {
    if (number < 1024) return Number.isInteger(number) ? `${number}${unit}B` : `${oneDecimal(number)}${unit}B`;
    number /= 1024;
  }
  return `${oneDecimal(number)}YB`;
}

function oneDecimal(number: number): string {
  const tenths = Math.floor(number * 10);
  return number * 10 - tenths === 0.5 ? ((tenths % 2 === 0 ? tenths : tenths + 1) / 10).toFixed(1) : number.toFixed(1);
}

function extraOf(kind: Kind, entry: Entry): Json {
  if (entry.inner !== undefined) {
    return entry.inner.flatMap((one): Json[] => [messageToJson(one.desc, one.message, false), toBase64(one.payload!.bytes())]);
  }
  const data = entry.payload!;
  if (kind.name === 'IPCNS_SEM') {
    const bytes = data.bytes();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Array.from({ length: bytes.length >> 1 }, (_, i) => view.getUint16(2 * i, true));
  }
  if (kind.name === 'TCP_STREAM') {
    const { inq_len, outq_len } = entry.message as tcp_stream_entry;
    return { inq: toBase64(slicePayload(data, 0, inq_len).bytes()), outq: toBase64(slicePayload(data, inq_len, outq_len).bytes()) };
  }
  return toBase64(data.bytes());
}

/** A message's present fields, in the order of their numbers. */
export function messageToJson(desc: Desc<object>, message: object, pretty: boolean, inHex = false): JsonObject {
  const out: Record<string, Json> = {};
  const values = message as Readonly<Record<string, unknown>>;
  for (const [name, field] of fieldsInOrder(desc)) {
    const value = values[name];
    if (value === undefined || (field.card === 'rep' && (value as unknown[]).length === 0)) continue;
    if (field.card !== 'rep') {
      out[name] = valueToJson(name, field, value, pretty, inHex);
      continue;
    }
    const address = pretty && field.show.ipadd === true ? showAddress(value as number[]) : undefined;
    out[name] = address === undefined ? (value as unknown[]).map((one) => valueToJson(name, field, one, pretty, inHex)) : [address];
  }
  return out;
}

const ordered = new WeakMap<object, [string, AnyField][]>();

function fieldsInOrder(desc: Desc<object>): [string, AnyField][] {
  let list = ordered.get(desc);
  if (list === undefined) ordered.set(desc, list = Object.entries(desc.fields).sort(([, a], [, b]) => a.no - b.no));
  return list;
}

function valueToJson(name: string, field: AnyField, value: unknown, pretty: boolean, inHex: boolean): Json {
  switch (field.type) {
    case 'message': return messageToJson(field.message!(), value as object, pretty, inHex || field.show.hex === true);
    case 'bytes': return field.show.conv === 'unix_name' ? toQuotedPrintable(value as Uint8Array) : toBase64(value as Uint8Array);
    case 'enum': return Object.entries(field.enum!).find(([, number]) => number === value)?.[0] ?? (value as number);
    case 'string':
    case 'bool': return value as string | boolean;
    default: return pretty ? showNumber(value as number | bigint, name, field.show, inHex) : (value as number | bigint);
  }
}

function wrong(where: string, why: string): StillframeError {
  return new StillframeError({ doing: 'encode image', where, why });
}

const isObject = (value: Json | undefined): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
const describe = (value: Json | undefined): string => (value === undefined ? 'nothing' : Array.isArray(value) ? 'a list' : value === null ? 'null' : typeof value === 'object' ? 'an object' : `${typeof value} ${String(value).slice(0, 40)}`);

export interface FromJson {
  readonly kind: Kind;
  readonly entries: NewEntry[];
  /** Names that no field has; crit ignores them silently. */
  readonly ignored: readonly string[];
}

/** crit's JSON to an image. @throws StillframeError naming the entry and field that is wrong */
export function imageFromJson(json: Json): FromJson {
  if (!isObject(json)) throw wrong('JSON', `an object with "magic" and "entries" is expected, not ${describe(json)}`);
  const { magic, entries } = json;
  const kind = typeof magic === 'string' ? kindNamed(magic) : undefined;
  if (kind === undefined || kind.framing === 'raw') throw wrong('magic', `${JSON.stringify(magic) ?? 'nothing'} is no image kind with records`);
  if (!Array.isArray(entries)) throw wrong('entries', `a list is expected, not ${describe(entries)}`);
  const ignored = new Set<string>();
  return { kind, entries: entries.map((entry: Json, i) => entryFromJson(kind, entry, i, ignored)), ignored: [...ignored] };
}

function entryFromJson(kind: Kind, json: Json, index: number, ignored: Set<string>): NewEntry {
  const where = `entries[${index}]`;
  if (!isObject(json)) throw wrong(where, `an object is expected, not ${describe(json)}`);
  const { extra, ...fields } = json;
  const rule = kind.payload;
  const chunk = rule?.rule === 'rest-or-chunks' && index > 0 ? rule.chunk : undefined;
  const desc = chunk ?? (index === 0 ? kind.first : undefined) ?? kind.message!;
  const message = messageFromJson(desc, fields, where, ignored);
  return rule === undefined ? { message } : { message, ...extraFromJson(kind, rule, extra, `${where}.extra`, ignored) };
}

function extraFromJson(kind: Kind, rule: PayloadRule, extra: Json | undefined, where: string, ignored: Set<string>): Pick<NewEntry, 'payload' | 'inner'> {
  if (extra === undefined || extra === '') return {};
  if (rule.rule === 'inner') {
    if (!Array.isArray(extra)) throw wrong(where, `a list of messages and data is expected, not ${describe(extra)}`);
    const list = extra as readonly Json[];
    const inner: NewEntry[] = [];
    for (let i = 0; i < list.length; i += 2) {
      const one = list[i];
      if (!isObject(one)) throw wrong(`${where}[${i}]`, `an object is expected, not ${describe(one)}`);
      inner.push({ message: messageFromJson(rule.inner, one, `${where}[${i}]`, ignored), payload: payload(bytesFrom(list[i + 1], `${where}[${i + 1}]`)) });
    }
    return { inner };
  }
  if (kind.name === 'IPCNS_SEM') return { payload: payload(semaphoresFrom(extra, where)) };
  if (kind.name === 'TCP_STREAM') {
    if (!isObject(extra)) throw wrong(where, `an object with inq and outq is expected, not ${describe(extra)}`);
    const [inq, outq] = [bytesFrom(extra['inq'], `${where}.inq`), bytesFrom(extra['outq'], `${where}.outq`)];
    const both = new Uint8Array(inq.length + outq.length);
    both.set(inq);
    both.set(outq, inq.length);
    return { payload: payload(both) };
  }
  return { payload: payload(bytesFrom(extra, where)) };
}

function bytesFrom(json: Json | undefined, where: string): Uint8Array {
  if (typeof json !== 'string') throw wrong(where, `base64 text is expected, not ${describe(json)}`);
  try {
    return fromBase64(json);
  } catch (error) {
    throw wrong(where, error instanceof Error ? error.message : String(error));
  }
}

function semaphoresFrom(extra: Json, where: string): Uint8Array {
  if (!Array.isArray(extra)) throw wrong(where, `a list of numbers is expected, not ${describe(extra)}`);
  const bytes = new Uint8Array(2 * extra.length);
  const view = new DataView(bytes.buffer);
  extra.forEach((value: Json, i) => {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 0xffff) throw wrong(`${where}[${i}]`, `a number from 0 to 65535 is expected, not ${describe(value)}`);
    view.setUint16(2 * i, value, true);
  });
  return bytes;
}

/** A message from its JSON form; names that are no field are collected in `ignored`. */
export function messageFromJson(desc: Desc<object>, json: JsonObject, where: string, ignored: Set<string>): object {
  const message: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(json)) {
    const field = Object.hasOwn(desc.fields, name) ? desc.fields[name]! : undefined;
    const at = `${where}.${name}`;
    if (field === undefined) ignored.add(`${desc.name}.${name}`);
    else if (field.card !== 'rep') message[name] = valueFromJson(name, field, value, at, ignored);
    else if (!Array.isArray(value)) throw wrong(at, `a list is expected, not ${describe(value)}`);
    else message[name] = listFromJson(name, field, value as readonly Json[], at, ignored);
  }
  return message;
}

function listFromJson(name: string, field: AnyField, list: readonly Json[], at: string, ignored: Set<string>): unknown[] {
  const [first] = list;
  if (field.show.ipadd === true && typeof first === 'string') return attempt(at, () => readAddress(first));
  return list.map((one, i) => valueFromJson(name, field, one, `${at}[${i}]`, ignored));
}

function attempt<T>(at: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof RangeError ? wrong(at, error.message) : error;
  }
}

function valueFromJson(name: string, field: AnyField, value: Json, at: string, ignored: Set<string>): unknown {
  switch (field.type) {
    case 'message':
      if (!isObject(value)) throw wrong(at, `an object is expected, not ${describe(value)}`);
      return messageFromJson(field.message!(), value, at, ignored);
    case 'bytes':
      if (field.show.conv !== 'unix_name') return bytesFrom(value, at);
      if (typeof value !== 'string') throw wrong(at, `quoted-printable text is expected, not ${describe(value)}`);
      return fromQuotedPrintable(value);
    case 'enum':
      if (typeof value === 'number') return value;
      if (typeof value !== 'string' || !Object.hasOwn(field.enum!, value)) throw wrong(at, `${describe(value)} is none of ${Object.keys(field.enum!).join(', ')}`);
      return field.enum![value];
    case 'bool':
      if (typeof value === 'boolean' || typeof value === 'number') return Boolean(value);
      throw wrong(at, `true or false is expected, not ${describe(value)}`);
    case 'string':
      if (typeof value !== 'string') throw wrong(at, `a string is expected, not ${describe(value)}`);
      return value;
    default:
      return numberFromJson(name, field, value, at);
  }
}

function numberFromJson(name: string, field: AnyField, value: Json, at: string): number | bigint {
  const number = typeof value === 'string' ? attempt(at, () => readNumber(value, name, field.show)) : value;
  if (typeof number === 'number' && Number.isInteger(number)) return field.type.endsWith('64') ? BigInt(number) : number;
  if (typeof number === 'bigint') return field.type.endsWith('64') ? number : Number(number);
  throw wrong(at, `a whole number is expected, not ${describe(value)}`);
}
