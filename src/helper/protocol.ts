/**
 * The wire's layouts: twin of `helper/protocol.h`. All offsets and sizes of its structs are in this file only.
 */
import { textOf } from '../image/text.ts';
import { O_CLOEXEC, type FdInfo } from '../proc/fdinfo.ts';
import { KernelStat, STAT_SIZE } from '../kernel/stat.ts';
import { acceptance, type Expect } from '../program/program.ts';
import { zeroed } from '../zeroed.ts';

export const PROTOCOL_VERSION = 2;
export const REQUEST_MAGIC = 0x51526653;
export const REPLY_MAGIC = 0x50526653;
export const REQUEST_SIZE = 16;
export const REPLY_SIZE = 24;
export const MAX_PAYLOAD = 256 << 20;
export const LANDING_SIZE = 512;
/** Bytes 2..14 of a landing stub: one that a killed helper left behind may be written over. */
export const LANDING_TAG = 'StillLanding';
export const REGS_SIZE = 27 * 8;

export const Req = {
  HELLO: 1, SEIZE: 2, STATE: 3, RUN: 4, DETACH: 5, KILL: 6, SCAN: 7, PAGES: 8, PEEK: 9, POKE: 10, LOCAL: 11, PUT_FD: 12,
  GET_FD: 13, CLOSE: 14, ARENA: 15, SPAWN: 16, AWAIT: 17, TAKEOVER: 18, FILE_PAGES: 19, FAULT: 20, KEEP: 30, GUARD: 31, CPUID: 32, SEIZE_FROZEN: 33,
  DESCRIPTORS: 34, SAME: 35, VISIT: 36,
} as const;
export type ReqName = keyof typeof Req;

/** `enum sf_where` in order, with the sentence a person reads. */
export const WHERE = [
  ['NOTHING', ''],
  ['DECODE', 'the request is not well-formed'],
  ['MEMORY', 'allocating memory'],
  ['SEIZE', 'seizing the thread (PTRACE_SEIZE)'],
  ['INTERRUPT', 'interrupting the thread (PTRACE_INTERRUPT)'],
  ['WAIT', 'waiting for the thread to stop'],
  ['GETREGS', 'reading registers'],
  ['SETREGS', 'setting registers'],
  ['GETXSTATE', 'reading the extended state (NT_X86_XSTATE)'],
  ['SETXSTATE', 'setting the extended state (NT_X86_XSTATE)'],
  ['GETMASK', 'reading the signal mask'],
  ['SETMASK', 'setting the signal mask'],
  ['SIGINFO', 'reading pending signals'],
  ['RSEQ', 'reading the restartable-sequence registration'],
  ['ROBUST', 'reading the robust futex list'],
  ['LANDING', 'preparing the landing'],
  ['INJECT_MAP', 'mapping memory for the executor in the task'],
  ['INJECT_WRITE', 'writing the executor into the task'],
  ['INJECT_RUN', 'running the executor in the task'],
  ['INJECT_READ', 'reading the program back from the task'],
  ['INJECT_UNMAP', "removing the executor's memory from the task"],
  ['DETACH', 'letting the thread go'],
  ['KILL', 'killing the process'],
  ['OPEN', 'opening a file of /proc/PID'],
  ['READ', 'reading'],
  ['WRITE', 'writing'],
  ['SCAN', 'scanning the page tables (PAGEMAP_SCAN)'],
  ['CLONE', 'starting the task (clone3)'],
  ['MMAP', 'mapping the arena'],
  ['REMOTE_CALL', 'a system call in the task'],
  ['TIMEOUT', 'waiting for the thread to come back'],
  ['FD', 'passing a descriptor'],
  ['DIED', 'the thread died meanwhile'],
  ['FAULT', 'planning a fault'],
] as const;
export type WhereName = (typeof WHERE)[number][0];
export const where = (name: WhereName): number => WHERE.findIndex(([known]) => known === name);

export const AwaitEnd = { ALL_PARKED: 1, ONE_FAILED: 2, ONE_DIED: 3, TIME_UP: 4 } as const;

/** `PAGE_IS_*` of `<linux/fs.h>`. */
export const PageIs = {
  WPALLOWED: 1n, WRITTEN: 2n, FILE: 4n, PRESENT: 8n, SWAPPED: 16n, PFNZERO: 32n, HUGE: 64n, SOFT_DIRTY: 128n, GUARD: 256n,
} as const;

export interface Hello {
  readonly version: number;
  readonly pid: number;
  /** Bytes of NT_X86_XSTATE on this CPU (0: no xsave). */
  readonly xstateSize: number;
  readonly pageSize: number;
  /** Bytes at the start of an arena. */
  readonly executorSize: number;
  /** XCR0. */
  readonly xfeatures: bigint;
}

export interface Seized {
  readonly tid: number;
  /** 0, or -errno: -ESRCH gone (or a zombie), -EPERM traced by somebody else or not permitted, -ETIMEDOUT does not stop. */
  readonly status: number;
  readonly waitStatus: number;
  /** 0, or the signal that had stopped the task before. */
  readonly stopSignal: number;
  readonly zombie: boolean;
  /** A seccomp filter of the thread does not judge what the executor does. False: do not run anything in a filtered thread. */
  readonly seccompSuspended: boolean;
}

export interface ThreadState {
  readonly tid: number;
  /** `struct user_regs_struct`: 27 u64. Inside a restartable sequence rip is its abort address already (`rseq.aborted`). */
  readonly regs: Buffer;
  /** NT_X86_XSTATE, as the kernel gave it. */
  readonly xstate: Buffer;
  readonly sigmask: bigint;
  /** siginfo_t (128 bytes each) of the thread's own queue. */
  readonly pending: readonly Buffer[];
  /** siginfo_t of the process's shared queue; only with its leader. */
  readonly sharedPending: readonly Buffer[];
  readonly robustList: bigint;
  readonly robustLength: bigint;
  readonly rseq: { readonly pointer: bigint; readonly size: number; readonly signature: number; readonly flags: number; readonly aborted: boolean };
  /** `struct user_desc` (16 bytes) of GDT entries 12, 13, 14; zeros: the kernel has none. */
  readonly tls: readonly Buffer[];
}

export interface Range { readonly address: bigint; readonly size: bigint }
export interface Region { readonly start: bigint; readonly end: bigint; readonly categories: bigint }

export interface RemoteCall {
  readonly nr: number;
  readonly args: readonly (bigint | number)[];
  /** Default: anything that is not -errno. */
  readonly expect?: Expect;
}

export interface Takeover {
  readonly tid: number;
  /** Neighbours of one number (0) make their calls side by side, others one group after the other. */
  readonly group?: number;
  readonly calls: readonly RemoteCall[];
  /** NT_X86_XSTATE, standard format, of exactly `hello.xstateSize` bytes; empty: leave it. */
  readonly xstate: Uint8Array;
  readonly sigmask: bigint;
  readonly regs: Uint8Array;
}

const DESCRIPTOR = 64 + STAT_SIZE;
const NO_LINES: readonly string[] = [];

/** What the kernel tells of a descriptor of a task: `struct sf_descriptor` where it lies in the reply, and what follows it. There may be tens of thousands. */
export class HeldDescriptor implements FdInfo {
  /** Where the link in /proc/PID/fd leads to; every byte is kept (../image/text.ts). */
  readonly link: string;

  constructor(bytes: Buffer, readonly view: DataView, readonly at: number) {
    const from = at + DESCRIPTOR;
    this.link = textIn(bytes, from, from + view.getUint32(at + 52, true));
  }

  get fd(): number { return this.view.getUint32(this.at + 4, true); }
  get flags(): number { return (this.view.getUint32(this.at + 8, true) & ~O_CLOEXEC) >>> 0; }
  get closeOnExec(): boolean { return (this.view.getUint32(this.at + 8, true) & O_CLOEXEC) !== 0; }
  /** -1: the kernel does not tell. */
  get mountId(): number { return this.view.getInt32(this.at + 12, true); }
  get pos(): bigint { return this.view.getBigUint64(this.at + 16, true); }
  /** As fdinfo has it; 0n: the kernel does not tell. */
  get inode(): bigint { return this.view.getBigUint64(this.at + 24, true); }
  get more(): readonly string[] {
    const size = this.view.getUint32(this.at + 56, true);
    if (size === 0) return NO_LINES;
    const from = this.view.byteOffset + this.at + DESCRIPTOR + this.view.getUint32(this.at + 52, true);
    return Buffer.from(this.view.buffer, from, size - 1).toString('latin1').split('\n');
  }
  /** F_GETSIG */
  get signal(): number { return this.view.getInt32(this.at + 32, true); }
  /** F_GETOWN_EX and F_GETOWNER_UIDS; undefined: its signals go to nobody. */
  get owner(): { type: number; pid: number; uid: number; euid: number } | undefined {
    const { view, at } = this;
    const pid = view.getInt32(at + 40, true);
    return pid === 0 ? undefined : { type: view.getInt32(at + 36, true), pid, uid: view.getUint32(at + 44, true), euid: view.getUint32(at + 48, true) };
  }
  /** The same for descriptors that can be the same open file. */
  get key(): number { return this.view.getUint32(this.at + 60, true); }
  get stat(): KernelStat { return new KernelStat(this.view, this.at + 64); }
}

/** Words of `struct sf_object`: type (KCMP_*), key (objects with different ones are not compared), pid, index (KCMP_FILE: the descriptor; else 0). */
export const OBJECT_WORDS = 4;

export interface Taken {
  readonly tid: number;
  /** 0 or -errno; -ECANCELED: not tried because an earlier one failed. */
  readonly status: number;
  readonly where: number;
  /** Index and result of the last remote call that was made. */
  readonly call: number;
  readonly result: bigint;
}

export interface Awaited {
  readonly end: number;
  readonly pid: number;
  readonly waitStatus: number;
  readonly parked: number;
}

export function decodeHello(b: Buffer): Hello {
  return {
    version: b.readUInt32LE(0), pid: b.readUInt32LE(4), xstateSize: b.readUInt32LE(8), pageSize: b.readUInt32LE(12),
    executorSize: Number(b.readBigUInt64LE(16)), xfeatures: b.readBigUInt64LE(24),
  };
}

const THAW_TEXT = 16;
/** `struct sf_thaw` and the threads. */
export function encodeThaw(timeoutMs: number, text: string, tids: readonly number[]): Buffer {
  if (text.length > THAW_TEXT) throw new RangeError(`'${text}' is too long`);
  const b = Buffer.alloc(8 + THAW_TEXT);
  b.writeUInt32LE(timeoutMs, 0);
  b.writeUInt32LE(text.length, 4);
  b.write(text, 8, 'latin1');
  return Buffer.concat([b, encodeWords(tids)]);
}

const SEIZED = 24;
export function decodeSeized(b: Buffer): Seized[] {
  return each(b, SEIZED, (at) => ({
    tid: b.readUInt32LE(at), status: b.readInt32LE(at + 4), waitStatus: b.readInt32LE(at + 8),
    stopSignal: b.readUInt32LE(at + 12), zombie: b.readUInt32LE(at + 16) !== 0, seccompSuspended: b.readUInt32LE(at + 20) !== 0,
  }));
}

const STATE = 64 + REGS_SIZE + 48;
const SIGINFO = 128;
/** Views into the reply: nothing is copied. */
export function decodeStates(b: Buffer): ThreadState[] {
  const states: ThreadState[] = [];
  for (let at = 0; at < b.length;) {
    const xstateSize = b.readUInt32LE(at + 4);
    const own = b.readUInt32LE(at + 8);
    const shared = b.readUInt32LE(at + 12);
    const tls = at + 64 + REGS_SIZE;
    const xstate = at + STATE;
    const infos = xstate + xstateSize;
    const info = (i: number): Buffer => b.subarray(infos + i * SIGINFO, infos + (i + 1) * SIGINFO);
    states.push({
      tid: b.readUInt32LE(at),
      sigmask: b.readBigUInt64LE(at + 16),
      robustList: b.readBigUInt64LE(at + 24),
      robustLength: b.readBigUInt64LE(at + 32),
      rseq: {
        pointer: b.readBigUInt64LE(at + 40), size: b.readUInt32LE(at + 48), signature: b.readUInt32LE(at + 52),
        flags: b.readUInt32LE(at + 56), aborted: b.readUInt32LE(at + 60) !== 0,
      },
      regs: b.subarray(at + 64, tls),
      tls: [0, 1, 2].map((i) => b.subarray(tls + 16 * i, tls + 16 * (i + 1))),
      xstate: b.subarray(xstate, infos),
      pending: Array.from({ length: own }, (_, i) => info(i)),
      sharedPending: Array.from({ length: shared }, (_, i) => info(own + i)),
    });
    at = infos + (own + shared) * SIGINFO;
  }
  return states;
}

/** 64-bit words of a payload, wherever it lies in its buffer. */
const quadsOf = (b: Buffer): BigUint64Array => new BigUint64Array(b.byteOffset % 8 === 0 ? b.buffer : Uint8Array.from(b).buffer, b.byteOffset % 8 === 0 ? b.byteOffset : 0, b.length >> 3);

/** There may be hundreds of thousands. */
export function decodeRegions(b: Buffer): Region[] {
  const quads = quadsOf(b), regions: Region[] = [];
  for (let i = 0; i + 2 < quads.length; i += 3) regions.push({ start: quads[i]!, end: quads[i + 1]!, categories: quads[i + 2]! });
  return regions;
}

export const decodeTaken = (b: Buffer): Taken[] =>
  each(b, 24, (at) => ({ tid: b.readUInt32LE(at), status: b.readInt32LE(at + 4), where: b.readUInt32LE(at + 8), call: b.readUInt32LE(at + 12), result: b.readBigInt64LE(at + 16) }));

export const decodeAwaited = (b: Buffer): Awaited =>
  ({ end: b.readUInt32LE(0), pid: b.readUInt32LE(4), waitStatus: b.readInt32LE(8), parked: b.readUInt32LE(12) });

export const decodeWords = (b: Buffer): number[] => each(b, 4, (at) => b.readInt32LE(at));

export function encodeWords(words: readonly number[]): Buffer {
  const b = Buffer.alloc(words.length * 4);
  words.forEach((word, i) => b.writeUInt32LE(word >>> 0, i * 4));
  return b;
}

export function encodeQuads(quads: readonly bigint[]): Buffer {
  return Buffer.from(BigUint64Array.from(quads).buffer);
}

export function encodeRanges(ranges: readonly Range[]): Buffer {
  const quads = new BigUint64Array(ranges.length * 2);
  for (let i = 0; i < ranges.length; i++) {
    quads[2 * i] = ranges[i]!.address;
    quads[2 * i + 1] = ranges[i]!.size;
  }
  return Buffer.from(quads.buffer);
}

export function decodeDescriptors(b: Buffer): HeldDescriptor[] {
  const found: HeldDescriptor[] = [];
  const view = new DataView(b.buffer, b.byteOffset, b.length);
  for (let at = 0; at < b.length; at += view.getUint32(at, true)) found.push(new HeldDescriptor(b, view, at));
  return found;
}

/** Nearly all paths are ASCII: those cost two calls. */
function textIn(b: Buffer, start: number, end: number): string {
  const text = b.toString('latin1', start, end);
  return BEYOND_ASCII.test(text) ? textOf(b.subarray(start, end)) : text;
}
const BEYOND_ASCII = /[\x80-\xff]/u;

const TAKEOVER = 24 + REGS_SIZE;
const REMOTE_CALL = 72;
export function encodeTakeover(t: Takeover): Buffer {
  if (t.regs.length !== REGS_SIZE) throw new RangeError(`registers of thread ${t.tid}: ${t.regs.length} bytes, not ${REGS_SIZE}`);
  const b = zeroed(TAKEOVER + t.calls.length * REMOTE_CALL + Math.ceil(t.xstate.length / 8) * 8);
  b.writeUInt32LE(t.tid, 0);
  b.writeUInt32LE(t.xstate.length, 4);
  b.writeUInt32LE(t.calls.length, 8);
  b.writeUInt32LE(t.group ?? 0, 12);
  b.writeBigUInt64LE(t.sigmask, 16);
  b.set(t.regs, 24);
  t.calls.forEach((call, i) => encodeRemoteCall(b, TAKEOVER + i * REMOTE_CALL, call));
  b.set(t.xstate, TAKEOVER + t.calls.length * REMOTE_CALL);
  return b;
}

function encodeRemoteCall(b: Buffer, at: number, { nr, args, expect }: RemoteCall): void {
  b.writeUInt32LE(nr, at);
  args.forEach((arg, i) => b.writeBigUInt64LE(BigInt.asUintN(64, BigInt(arg)), at + 8 + 8 * i));
  const [accept, value] = acceptance(expect);
  b.writeBigInt64LE(value, at + 56);
  b.writeUInt32LE(accept, at + 64);
}

function each<T>(b: Buffer, size: number, read: (at: number) => T): T[] {
  if (b.length % size !== 0) throw new RangeError(`a reply of ${b.length} bytes is no array of ${size}-byte structs`);
  return Array.from({ length: b.length / size }, (_, i) => read(i * size));
}
