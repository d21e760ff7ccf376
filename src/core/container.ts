/** Image container framing (core/container.h): magics and records. Payloads are the schema's business. */
import type { CoreInstance } from '../../wasm/loader.ts';

/** `plain`: the own magic comes first (inventory.img); `common`: behind 0x54564319; `service`: behind 0x55105940 (stats, irmap). */
export type HeaderKind = 'plain' | 'common' | 'service';
const KINDS: readonly HeaderKind[] = ['plain', 'common', 'service'];
const COMMON_MAGICS: Readonly<Record<HeaderKind, number>> = { plain: 0, common: 0x54564319, service: 0x55105940 };

export interface ContainerHeader {
  readonly kind: HeaderKind;
  /** The first magic of a common or service file; 0 for a plain one. */
  readonly commonMagic: number;
  /** The image's own magic. */
  readonly magic: number;
  /** 4 or 8: where the first record starts. */
  readonly headerSize: number;
}

/** A record's message: bytes `[offset, offset + size)`. Its size field is the 4 bytes before; a payload follows. */
export interface RecordSpan {
  readonly offset: number;
  readonly size: number;
}

export interface Container extends ContainerHeader {
  readonly records: readonly RecordSpan[];
}

const RECORD_SIZE = 16;
/** Of a file below, the records are read in one pass; of others they are counted first. */
const SMALL = 1 << 16;

export class ContainerCore {
  constructor(readonly instance: CoreInstance) {}

  /**
   * Reads the magics.
   * @param bytes the file's start: 8 bytes, or all of a shorter file
   * @throws CoreError HEADER_SHORT
   */
  readHeader(bytes: Uint8Array): ContainerHeader {
    return this.instance.run((core) => {
      const at = core.place(bytes.subarray(0, 8));
      core.check(core.exports.sf_get_header(at, BigInt(bytes.length), core.scratch, core.error));
      const [kind = 0, magic = 0, headerSize = 0] = core.u32(core.scratch, 3);
      const name = KINDS[kind] ?? 'plain';
      return { kind: name, commonMagic: COMMON_MAGICS[name], magic, headerSize };
    });
  }

  /**
   * Reads the record that starts at `offset` (its size field). Undefined at the file's end.
   * The next one starts at `offset + size` of the result, plus the payload's length.
   * @param bytes the file, or a window of it that starts at `windowStart` and holds at least the 4 bytes of the size field
   * @param fileSize bytes of the whole file, when `bytes` is a window
   * @throws CoreError RECORD_SIZE_SHORT, RECORD_SHORT, RECORD_TOO_LARGE
   */
  nextRecord(bytes: Uint8Array, offset: number, fileSize = bytes.length, windowStart = 0): RecordSpan | undefined {
    const from = offset - windowStart;
    if (!Number.isSafeInteger(offset) || from < 0) throw new RangeError(`record offset ${offset} is outside of the window at ${windowStart}`);
    if (from + 4 > bytes.length && windowStart + bytes.length < fileSize) throw new RangeError(`the window ends inside the record header at ${offset}`);
    return this.instance.run((core) => {
      const at = core.place(bytes.subarray(from, from + 4));
      core.check(core.exports.sf_get_record(at, BigInt(offset), BigInt(fileSize), core.scratch, core.error));
      const [start = 0, high = 0, size = 0] = core.u32(core.scratch, 3);
      return start === 0 && high === 0 ? undefined : { offset: high * 2 ** 32 + start, size };
    });
  }

  /**
   * Header and all records of a file whose records have no payload.
   * @param options.check also check each message's top level as protobuf (`CoreError.record` names the bad one)
   */
  scan(bytes: Uint8Array, { check = false }: { check?: boolean } = {}): Container {
    const header = this.readHeader(bytes);
    return this.instance.run((core) => {
      const { exports, error, scratch } = core;
      const file = core.place(bytes);
      let capacity = bytes.length < SMALL ? bytes.length >>> 2 : 0; // each record has a size field of 4 bytes: there cannot be more
      let table = core.alloc(capacity * RECORD_SIZE);
      core.check(exports.sf_get_records(file, bytes.length, header.headerSize, capacity === 0 ? 0 : table, capacity, scratch, error));
      const count = core.u32(scratch, 1)[0] ?? 0;
      if (count > capacity) {
        table = core.alloc((capacity = count) * RECORD_SIZE);
        core.check(exports.sf_get_records(file, bytes.length, header.headerSize, table, capacity, scratch, error));
      }
      if (check) core.check(exports.sf_check_messages(file, table, count, error));
      const words = core.u32(table, count * (RECORD_SIZE / 4));
      const records: RecordSpan[] = [];
      for (let i = 0; i < words.length; i += RECORD_SIZE / 4) records.push({ offset: words[i] ?? 0, size: words[i + 2] ?? 0 });
      return { ...header, records };
    });
  }

  readonly #headers = new Map<string, Uint8Array>();

  /** The magics as bytes: 4 for a plain file, else 8. */
  header(kind: HeaderKind, magic: number): Uint8Array {
    const key = `${kind} ${magic}`;
    let header = this.#headers.get(key);
    if (header === undefined) {
      this.#headers.set(key, header = this.instance.run((core) => {
        const size = core.exports.sf_put_header(core.scratch, KINDS.indexOf(kind), magic);
        return core.bytes(core.scratch, size).slice();
      }));
    }
    return header.slice();
  }

  /** The size fields of records, 4 bytes each. @throws CoreError RECORD_TOO_LARGE */
  recordHeaders(sizes: readonly number[]): Uint8Array {
    return this.instance.run((core) => {
      const input = core.place(Uint32Array.from(sizes));
      const out = core.alloc(sizes.length * 4);
      core.check(core.exports.sf_put_sizes(out, input, sizes.length, core.error), 'write image');
      return core.bytes(out, sizes.length * 4).slice();
    });
  }

  /**
   * A whole image file.
   * @param payloads raw bytes that follow the message with the same index; may be shorter than `messages` or have holes
   */
  frame(kind: HeaderKind, magic: number, messages: readonly Uint8Array[], payloads: readonly (Uint8Array | undefined)[] = []): Uint8Array {
    const header = this.header(kind, magic);
    const sizes = this.recordHeaders(messages.map((message) => message.length));
    let total = header.length + sizes.length;
    messages.forEach((message, i) => { total += message.length + (payloads[i]?.length ?? 0); });
    const file = new Uint8Array(total);
    file.set(header);
    let at = header.length;
    messages.forEach((message, i) => {
      file.set(sizes.subarray(4 * i, 4 * i + 4), at);
      file.set(message, at + 4);
      at += 4 + message.length;
      const payload = payloads[i];
      if (payload === undefined) return;
      file.set(payload, at);
      at += payload.length;
    });
    return file;
  }

  /**
   * A whole image file of records without payloads, from messages that lie as they will in it.
   * @param room header and size fields belong into it: `start` bytes, then 4 bytes before each message
   * @param start where the first record begins; at least the header's size
   * @returns a view into `room`
   * @throws CoreError RECORD_TOO_LARGE
   */
  frameInPlace(kind: HeaderKind, magic: number, room: Uint8Array, start: number, sizes: readonly number[]): Uint8Array {
    const header = this.header(kind, magic);
    const fields = this.recordHeaders(sizes);
    room.set(header, start - header.length);
    let at = start;
    for (let i = 0; i < sizes.length; i++) {
      for (let byte = 0; byte < 4; byte++) room[at + byte] = fields[4 * i + byte]!;
      at += 4 + sizes[i]!;
    }
    return room.subarray(start - header.length);
  }
}
