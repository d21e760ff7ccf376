/**
 * The frames of a zstd stream, followed along its compressed bytes (RFC 8878, 3.1): where each ends, what window it asks for and
 * whether a checksum of its contents stands at its end. The library that decodes says none of it.
 */

/** Largest window of a frame; the zstd program refuses more by itself, too. */
const MAX_WINDOW = 128 << 20;
const FRAME = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;

export interface FrameEnd {
  /** First byte of the stream behind the frame. */
  readonly at: number;
  /** All bytes of the frame. */
  readonly length: number;
  /** The low 32 bits of XXH64 of its contents; undefined when it has none. */
  readonly checksum: number | undefined;
}

type Step = 'magic' | 'descriptor' | 'header' | 'skippable' | 'block' | 'checksum';

export class ZstdFrames {
  /** Bytes of the stream that were followed. */
  at = 0;
  /** Window of the present frame. */
  window = 0;
  #step: Step = 'magic';
  #need = 4;
  #skip = 0;
  #held: number[] = [];
  #start = 0;
  #checked = false;

  /**
   * Follows the bytes at `at`, up to the end of a frame. Returns how many that are, and the frame that ends there.
   * @throws Error for a window that is too large, and for bytes that are no frame
   */
  take(bytes: Uint8Array): { used: number; end?: FrameEnd } {
    let i = 0;
    while (i < bytes.length) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, bytes.length - i);
        this.#skip -= skipped;
        i += skipped;
      } else {
        this.#held.push(bytes[i++]!);
        if (this.#held.length < this.#need) continue;
        const held = this.#held;
        this.#held = [];
        if (this.#next(held)) {
          this.at += i;
          const end = { at: this.at, length: this.at - this.#start, checksum: this.#checked ? number(held, 0, 4) : undefined };
          this.#start = this.at;
          return { used: i, end };
        }
      }
      if (this.#skip === 0 && this.#need === 0) {
        this.#expect('magic', 4);
        this.at += i;
        const end = { at: this.at, length: this.at - this.#start, checksum: undefined };
        this.#start = this.at;
        return { used: i, end };
      }
    }
    this.at += i;
    return { used: i };
  }

  #expect(step: Step, need: number): void {
    this.#step = step;
    this.#need = need;
  }

  /** What the bytes that were waited for mean. True at the end of a frame with a checksum. */
  #next(held: readonly number[]): boolean {
    switch (this.#step) {
      case 'magic': {
        const magic = number(held, 0, 4);
        if (magic === FRAME) this.#expect('descriptor', 1);
        else if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) this.#expect('skippable', 4);
        else throw new Error(`no frame starts at byte ${this.#start}`);
        return false;
      }
      case 'skippable':
        this.#skip = number(held, 0, 4);
        this.#need = 0;
        return false;
      case 'descriptor': {
        const flags = held[0]!;
        this.#checked = (flags & 4) !== 0;
        const single = (flags & 0x20) !== 0;
        const dictionary = [0, 1, 2, 4][flags & 3]!;
        const size = flags >> 6 === 0 ? (single ? 1 : 0) : 1 << (flags >> 6);
        this.#flags = { single, dictionary, size };
        this.#expect('header', (single ? 0 : 1) + dictionary + size);
        return false;
      }
      case 'header':
        this.#header(held);
        this.#expect('block', 3);
        return false;
      case 'block': {
        const head = number(held, 0, 3);
        // a run-length block has the one byte it repeats
        this.#skip = (head >> 1 & 3) === 1 ? 1 : head >> 3;
        if ((head & 1) === 0) return false;
        if (this.#checked) this.#expect('checksum', 4);
        else this.#need = 0;
        return false;
      }
      case 'checksum':
        this.#expect('magic', 4);
        return true;
    }
  }

  #flags = { single: false, dictionary: 0, size: 0 };

  #header(held: readonly number[]): void {
    const { single, dictionary, size } = this.#flags;
    if (single) this.window = number(held, dictionary, size) + (size === 2 ? 256 : 0);
    else {
      const base = 2 ** (10 + (held[0]! >> 3));
      this.window = base + (base / 8) * (held[0]! & 7);
    }
    if (this.window > MAX_WINDOW) throw new Error(`its window of ${this.window} bytes is above the limit of ${MAX_WINDOW} (compressed with --long or --ultra)`);
  }
}

function number(bytes: readonly number[], at: number, width: number): number {
  let value = 0;
  for (let i = width - 1; i >= 0; i--) value = value * 256 + bytes[at + i]!;
  return value;
}
