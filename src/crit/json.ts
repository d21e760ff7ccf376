/**
 * JSON as crit writes and reads it: integers of any size (JavaScript's own JSON loses 64-bit ones), Python's spacing and
 * escapes, keys in the order of the message's fields.
 */
export type Json = null | boolean | number | bigint | string | readonly Json[] | JsonObject;
export interface JsonObject { readonly [key: string]: Json }

/** Text of a value. `indent` spaces a level, or one line when 0; `depth` levels further in from the second line on. */
export function writeJson(value: Json, indent = 0, depth = 0): string {
  return text(value, indent, indent === 0 ? '' : `\n${' '.repeat(indent * depth)}`);
}

/** A list whose items are made when they are written, so that not all of them are there at once. */
export function writeList(items: Iterable<Json>, indent = 0, depth = 0): string {
  const newline = indent === 0 ? '' : `\n${' '.repeat(indent * depth)}`;
  const inner = indent === 0 ? '' : newline + ' '.repeat(indent);
  let out = '';
  for (const item of items) out += `${out === '' ? '[' : indent === 0 ? ', ' : ','}${inner}${text(item, indent, inner)}`;
  return out === '' ? '[]' : `${out}${newline}]`;
}

function text(value: Json, indent: number, newline: string): string {
  if (typeof value === 'string') return quote(value);
  if (value === null || typeof value !== 'object') return String(value);
  const inner = indent === 0 ? '' : newline + ' '.repeat(indent);
  const between = (indent === 0 ? ', ' : ',') + inner;
  let out = '';
  if (isList(value)) {
    for (const item of value) out += (out === '' ? `[${inner}` : between) + text(item, indent, inner);
    return out === '' ? '[]' : `${out}${newline}]`;
  }
  for (const key in value) out += `${out === '' ? `{${inner}` : between}${quotedKey(key)}: ${text(value[key]!, indent, inner)}`;
  return out === '' ? '{}' : `${out}${newline}}`;
}

const isList = (value: readonly Json[] | JsonObject): value is readonly Json[] => Array.isArray(value);

/** Keys are names of fields: few, and each there many times. */
const keys = new Map<string, string>();

function quotedKey(key: string): string {
  let quoted = keys.get(key);
  if (quoted === undefined) {
    quoted = quote(key);
    if (keys.size < 4096) keys.set(key, quoted);
  }
  return quoted;
}

const SHORT: Readonly<Record<string, string>> = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\b': '\\b', '\f': '\\f' };

/** A JSON string in ASCII only. */
function quote(text: string): string {
  return `"${text.replace(/["\\]|[^ -~]/g, (char) => SHORT[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`;
}

/** The text is not JSON; `at` is the character. */
export class JsonError extends Error {
  constructor(readonly why: string, readonly at: number, text: string) {
    const before = text.slice(0, at).split('\n');
    super(`${why}: line ${before.length} column ${before.at(-1)!.length + 1}`);
    this.name = 'JsonError';
  }
}

/** Deepest nesting that is read; crit's own output is at most a dozen deep. */
const MAX_DEPTH = 500;

/** Reads a JSON text. Integers beyond 2^53 come as bigint. @throws JsonError */
export function readJson(text: string): Json {
  const reader = new Reader(text);
  const value = reader.value(0);
  reader.end();
  return value;
}

class Reader {
  #at = 0;
  constructor(readonly text: string) {}

  #fail(why: string, at = this.#at): never { throw new JsonError(why, at, this.text); }

  #space(): string {
    while (/[ \t\n\r]/.test(this.text[this.#at] ?? '')) this.#at++;
    return this.text[this.#at] ?? '';
  }

  end(): void {
    if (this.#space() !== '') this.#fail('there is more behind the value');
  }

  value(depth: number): Json {
    if (depth > MAX_DEPTH) this.#fail('values are nested too deep');
    const char = this.#space();
    if (char === '{') return this.#object(depth);
    if (char === '[') return this.#list(depth);
    if (char === '"') return this.#string();
    for (const [word, value] of [['true', true], ['false', false], ['null', null]] as const) {
      if (this.text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    return this.#number();
  }

  #number(): number | bigint {
    const pattern = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.text);
    if (match === null) return this.#fail('a value is expected');
    this.#at = pattern.lastIndex;
    const number = Number(match[0]);
    return match[1] === undefined && match[2] === undefined && !Number.isSafeInteger(number) ? BigInt(match[0]) : number;
  }

  #string(): string {
    const start = this.#at;
    // most strings have no escapes; JSON.parse on a slice of its own serves the others
    const end = this.text.indexOf('"', start + 1);
    const plain = this.text.slice(start, end + 1);
    if (end > start && !plain.includes('\\') && !/[\u0000-\u001f]/.test(plain)) {
      this.#at = end + 1;
      return plain.slice(1, -1);
    }
    const stop = this.#stringEnd(start);
    this.#at = stop;
    try {
      return JSON.parse(this.text.slice(start, stop)) as string;
    } catch {
      return this.#fail('a string is damaged', start);
    }
  }

  #stringEnd(start: number): number {
    for (let at = start + 1; ;) {
      const quoteAt = this.text.indexOf('"', at);
      if (quoteAt < 0) return this.#fail('a string has no end', start);
      let slashes = 0;
      while (this.text[quoteAt - 1 - slashes] === '\\') slashes++;
      if (slashes % 2 === 0) return quoteAt + 1;
      at = quoteAt + 1;
    }
  }

  #list(depth: number): Json[] {
    const list: Json[] = [];
    this.#at++;
    if (this.#space() === ']') {
      this.#at++;
      return list;
    }
    for (;;) {
      list.push(this.value(depth + 1));
      const next = this.#space();
      this.#at++;
      if (next === ']') return list;
      if (next !== ',') this.#fail("',' or ']' is expected", this.#at - 1);
    }
  }

  #object(depth: number): JsonObject {
    const object = Object.create(null) as Record<string, Json>;
    this.#at++;
    if (this.#space() === '}') {
      this.#at++;
      return object;
    }
    for (;;) {
      if (this.#space() !== '"') this.#fail('a name in double quotes is expected');
      const key = this.#string();
      if (this.#space() !== ':') this.#fail("':' is expected");
      this.#at++;
      object[key] = this.value(depth + 1);
      const next = this.#space();
      this.#at++;
      if (next === '}') return object;
      if (next !== ',') this.#fail("',' or '}' is expected", this.#at - 1);
    }
  }
}
