/** What is known of a file by its inode: `struct stat` of the kernel for x86-64 (<asm/stat.h>), read where it lies, or Node's own of the same names. */

/** What of Node's BigIntStats is used. */
export interface FileStat {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly nlink: bigint;
  readonly mode: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  readonly rdev: bigint;
  readonly size: bigint;
  /** Of 512 bytes. */
  readonly blocks: bigint;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
}

export const STAT_SIZE = 144;
const SECOND = 1_000_000_000n;

/** A view: the bytes must stay as they are. There may be tens of thousands of which a field or two is read. */
export class KernelStat implements FileStat {
  constructor(readonly view: DataView, readonly at: number) {}

  static of(bytes: Uint8Array): KernelStat { return new KernelStat(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0); }

  get dev(): bigint { return this.view.getBigUint64(this.at, true); }
  get ino(): bigint { return this.view.getBigUint64(this.at + 8, true); }
  get nlink(): bigint { return this.view.getBigUint64(this.at + 16, true); }
  get mode(): bigint { return BigInt(this.view.getUint32(this.at + 24, true)); }
  get uid(): bigint { return BigInt(this.view.getUint32(this.at + 28, true)); }
  get gid(): bigint { return BigInt(this.view.getUint32(this.at + 32, true)); }
  get rdev(): bigint { return this.view.getBigUint64(this.at + 40, true); }
  get size(): bigint { return this.view.getBigInt64(this.at + 48, true); }
  get blocks(): bigint { return this.view.getBigInt64(this.at + 64, true); }
  get atimeNs(): bigint { return timeAt(this.view, this.at + 72); }
  get mtimeNs(): bigint { return timeAt(this.view, this.at + 88); }
}

/** Seconds and nanoseconds. */
const timeAt = (view: DataView, at: number): bigint => view.getBigInt64(at, true) * SECOND + view.getBigInt64(at + 8, true);
