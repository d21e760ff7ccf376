/** Checksums of compressed archives (core/checksum.h), over bytes that come in pieces. */
import type { CoreInstance } from '../../wasm/loader.ts';

/** `struct sf_xxh64` */
const XXH64_SIZE = 72;

export class ChecksumCore {
  constructor(readonly instance: CoreInstance) {}

  /** The CRC-32 of what came before (0 at first) and these bytes. */
  crc32(crc: number, bytes: Uint8Array): number {
    return this.instance.run((core) => core.exports.sf_crc32(crc, core.place(bytes), bytes.length) >>> 0);
  }

  /** A running XXH64 with seed 0. */
  xxh64(): Xxh64 { return new Xxh64(this.instance); }
}

export class Xxh64 {
  /** Held here: the core's memory is only lent for a call. */
  #state = new Uint8Array(XXH64_SIZE);

  constructor(readonly instance: CoreInstance) {}

  update(bytes: Uint8Array): void {
    this.instance.run((core) => {
      const state = core.place(this.#state);
      core.exports.sf_xxh64_update(state, core.place(bytes), bytes.length);
      this.#state.set(core.bytes(state, XXH64_SIZE));
    });
  }

  digest(): bigint {
    return this.instance.run((core) => BigInt.asUintN(64, core.exports.sf_xxh64_digest(core.place(this.#state))));
  }
}
