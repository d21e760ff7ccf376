/**
 * Registers of a stopped thread: general registers with the restart of an interrupted system call, extended state, TLS descriptors.
 * Layouts: `struct user_regs_struct` (<asm/user_64.h>), XSAVE area (Intel SDM 1, 13.4; kernel Documentation/arch/x86/xstate.rst),
 * `struct user_desc` (<asm/ldt.h>).
 */
import { create, shared } from '../../image/wire.ts';
import {
  thread_info_x86, user_desc_t, user_x86_fpregs_entry, user_x86_regs_mode, user_x86_xsave_entry,
} from '../../image/schema/index.ts';
import { SYSCALLS } from '../../kernel/syscalls.ts';
import type { ThreadState } from '../../helper/protocol.ts';
import { LOOKED_THROUGH, originalCall } from './interrupted.ts';

/** Words of struct user_regs_struct, in its order, which is also the order of the image's fields. */
const WORDS = [
  'r15', 'r14', 'r13', 'r12', 'bp', 'bx', 'r11', 'r10', 'r9', 'r8', 'ax', 'cx', 'dx', 'si', 'di', 'orig_ax', 'ip', 'cs', 'flags', 'sp', 'ss',
  'fs_base', 'gs_base', 'ds', 'es', 'fs', 'gs',
] as const;
type Word = (typeof WORDS)[number];
export type Registers = Record<Word, bigint>;

/** Code segment of a thread in 32-bit mode (__USER32_CS of <asm/segment.h>). */
const USER32_CS = 0x23n;
const CS_AT = WORDS.indexOf('cs') * 8;

export function registersOf({ regs }: ThreadState): Registers {
  const w = words64(regs, 0, WORDS.length);
  return {
    r15: w[0]!, r14: w[1]!, r13: w[2]!, r12: w[3]!, bp: w[4]!, bx: w[5]!, r11: w[6]!, r10: w[7]!, r9: w[8]!, r8: w[9]!, ax: w[10]!, cx:
    w[11]!, dx: w[12]!, si: w[13]!, di: w[14]!, orig_ax: w[15]!, ip: w[16]!, cs: w[17]!, flags: w[18]!, sp: w[19]!, ss: w[20]!, fs_base:
    w[21]!, gs_base: w[22]!, ds: w[23]!, es: w[24]!, fs: w[25]!, gs: w[26]!,
  };
}

/** Whether a thread is in 32-bit mode. */
export const isCompat = ({ regs }: ThreadState): boolean => regs.readBigUInt64LE(CS_AT) === USER32_CS;

const ORIG_AX_AT = WORDS.indexOf('orig_ax') * 8;

/** Puts the number of its own call back into the registers of a thread whose call goes on through restart_syscall, where it can be told. */
export function nameOriginalCall(state: ThreadState, peek: (address: bigint, size: number) => Uint8Array): void {
  if (state.regs.readBigUInt64LE(ORIG_AX_AT) !== BigInt(SYSCALLS.restart_syscall)) return;
  const { ip } = registersOf(state);
  const nr = originalCall(peek(ip - BigInt(LOOKED_THROUGH), LOOKED_THROUGH));
  if (nr !== undefined) state.regs.writeBigUInt64LE(BigInt(nr), ORIG_AX_AT);
}

const EINTR = 4n, ERESTARTSYS = 512n, ERESTARTNOINTR = 513n, ERESTARTNOHAND = 514n, ERESTART_RESTARTBLOCK = 516n;
const SYSCALL_SIZE = 2n;

/**
 * Makes the registers say what the thread is to do when it runs again elsewhere, where the kernel that interrupted its system call is
 * gone: enter the call again, or see it interrupted (EINTR) where entering it again would be wrong.
 */
export function restartSyscall(regs: Registers): Registers {
  if (BigInt.asIntN(64, regs.orig_ax) < 0n) return regs;
  const again = { ...regs, ax: regs.orig_ax, ip: regs.ip - SYSCALL_SIZE };
  switch (-BigInt.asIntN(64, regs.ax)) {
    case ERESTARTSYS: case ERESTARTNOINTR: case ERESTARTNOHAND: return again;
    case ERESTART_RESTARTBLOCK: return entersAgain(regs) ? again : { ...regs, ax: BigInt.asUintN(64, -EINTR) };
    default: return regs;
  }
}

/**
 * Calls with a timeout that the kernel would go on with through restart_syscall(2), which needs what only this kernel knows.
 *   A sleep whose remainder goes where its request is read from (sleep(3)): what is left at the freeze was written there already, so
 *   entering it again sleeps for exactly that.
 *   A sleep with a remainder elsewhere: its caller is told EINTR, and goes on with the remainder.
 *   A sleep without, poll, futex: nobody knows what is left. They are entered again with their whole timeout: waiting for longer is always
 *   allowed to them, while EINTR without a signal is not.
 */
function entersAgain(regs: Registers): boolean {
  switch (Number(regs.orig_ax)) {
    case SYSCALLS.nanosleep: return regs.si === 0n || regs.di === regs.si;
    case SYSCALLS.clock_nanosleep: return regs.r10 === 0n || regs.dx === regs.r10;
    case SYSCALLS.poll: case SYSCALLS.futex: return true;
    default: return false;
  }
}

/** XSAVE components that the image has a field for: bit, bytes. */
const X = { X87: 0, SSE: 1, YMM: 2, BNDREGS: 3, BNDCSR: 4, OPMASK: 5, ZMM_HI256: 6, HI16_ZMM: 7, PKRU: 9 } as const;
const XSAVE_HEADER = 512;
/** What the legacy area alone tells. */
const ALL_IN_USE = 3n;

/** Where each component lies in the standard format. Processors without room for MPX (AMD) place the later ones lower. */
export interface XLayout { readonly ymm: number; readonly bndregs: number; readonly bndcsr: number; readonly opmask: number; readonly zmm: number; readonly hi16: number; readonly pkru: number }
const WITH_MPX: XLayout = { ymm: 576, bndregs: 960, bndcsr: 1024, opmask: 1088, zmm: 1152, hi16: 1664, pkru: 2688 };
const WITHOUT_MPX: XLayout = { ymm: 576, bndregs: -1, bndcsr: -1, opmask: 832, zmm: 896, hi16: 1408, pkru: 2432 };
const NARROW: XLayout = { ...WITHOUT_MPX, pkru: 832 };

const hasBit = (features: bigint, bit: number): boolean => (features >> BigInt(bit) & 1n) === 1n;

/**
 * The layout of this processor, told by the area's size: CPUID leaf 13 gives the offsets, and every processor that exists uses one of these.
 * @param size bytes of NT_X86_XSTATE @param features XCR0
 */
export function xstateLayout(size: number, features: bigint): XLayout {
  const end = (layout: XLayout): number => {
    const ends = [[X.YMM, layout.ymm + 256], [X.OPMASK, layout.opmask + 64], [X.ZMM_HI256, layout.zmm + 512], [X.HI16_ZMM, layout.hi16 + 1024], [X.PKRU, layout.pkru + 8]] as const;
    return Math.max(XSAVE_HEADER + 64, ...ends.filter(([bit]) => hasBit(features, bit)).map(([, e]) => e));
  };
  return [WITHOUT_MPX, NARROW].find((layout) => end(layout) === size) ?? WITH_MPX;
}

/** State components in use that the image has no place for, by name: they would be lost. */
export function lostComponents(xstate: Buffer): string[] {
  if (xstate.length < XSAVE_HEADER + 8) return [];
  const inUse = xstate.readBigUInt64LE(XSAVE_HEADER);
  return [[17, 'AMX tile configuration'], [18, 'AMX tiles'], [19, 'APX registers']].filter(([bit]) => hasBit(inUse, bit as number)).map(([, name]) => name as string);
}

/** Bytes as numbers, without a copy where they lie at a multiple of their size. */
function words32(bytes: Buffer, at: number, n: number): Uint32Array {
  const start = bytes.byteOffset + at;
  return start % 4 === 0 ? new Uint32Array(bytes.buffer, start, n) : new Uint32Array(Uint8Array.from(bytes.subarray(at, at + 4 * n)).buffer);
}

function words64(bytes: Buffer, at: number, n: number): BigUint64Array {
  const start = bytes.byteOffset + at;
  return start % 8 === 0 ? new BigUint64Array(bytes.buffer, start, n) : new BigUint64Array(Uint8Array.from(bytes.subarray(at, at + 8 * n)).buffer);
}

const zeros32 = (n: number): number[] => shared(new Array<number>(n).fill(0));
const zeros64 = (n: number): bigint[] => shared(new Array<bigint>(n).fill(0n));
/** Components that a thread has not used since it started, or since it cleared them: the processor says so, and they are all 0. */
const UNUSED = {
  st: zeros32(32), xmm: zeros32(64), ymm: zeros32(64), bndregs: zeros64(8), bndcsr: zeros64(2), opmask: zeros64(8), zmm: zeros64(64), hi16: zeros64(128),
} as const;

function extendedState(x: Buffer, features: bigint): user_x86_fpregs_entry {
  const at = xstateLayout(x.length, features);
  const extended = x.length >= XSAVE_HEADER + 64;
  const inUse = extended ? x.readBigUInt64LE(XSAVE_HEADER) : ALL_IN_USE;
  const used = Number(inUse & 0xffffn), there = Number(features & 0xffffn);
  const numbers = (bit: number, start: number, n: number, unused: number[]): number[] | Uint32Array => (used >> bit & 1) === 1 ? words32(x, start, n) : unused;
  const optional = (bit: number, start: number, n: number, unused: bigint[]): bigint[] | BigUint64Array =>
    (there >> bit & 1) === 0 ? [] : (used >> bit & 1) === 1 ? words64(x, start, n) : unused;
  const xsave = !extended ? undefined : create(user_x86_xsave_entry, {
    xstate_bv: inUse,
    ymmh_space: (there >> X.YMM & 1) === 1 ? numbers(X.YMM, at.ymm, 64, UNUSED.ymm) : [],
    bndreg_state: optional(X.BNDREGS, at.bndregs, 8, UNUSED.bndregs),
    bndcsr_state: optional(X.BNDCSR, at.bndcsr, 2, UNUSED.bndcsr),
    opmask_reg: optional(X.OPMASK, at.opmask, 8, UNUSED.opmask),
    zmm_upper: optional(X.ZMM_HI256, at.zmm, 64, UNUSED.zmm),
    hi16_zmm: optional(X.HI16_ZMM, at.hi16, 128, UNUSED.hi16),
    pkru: (there >> X.PKRU & 1) === 1 ? words32(x, at.pkru, 2) : [], // the kernel's, whatever the processor says
  });
  return create(user_x86_fpregs_entry, {
    cwd: x.readUInt16LE(0), swd: x.readUInt16LE(2), twd: x.readUInt16LE(4), fop: x.readUInt16LE(6),
    rip: x.readBigUInt64LE(8), rdp: x.readBigUInt64LE(16), mxcsr: x.readUInt32LE(24), mxcsr_mask: x.readUInt32LE(28),
    st_space: numbers(X.X87, 32, 32, UNUSED.st), xmm_space: numbers(X.SSE, 160, 64, UNUSED.xmm), xsave,
  });
}

/** GDT_ENTRY_TLS_MIN (<asm/segment.h>). */
const FIRST_TLS = 12;

/** What a kernel without 32-bit emulation has no entries for is told as the empty ones they would be; few programs have others. */
const EMPTY_TLS = [0, 1, 2].map((i) => shared(create(user_desc_t, {
  entry_number: FIRST_TLS + i, base_addr: 0, limit: 0, seg_32bit: false, contents_h: false, contents_l: false, read_exec_only: true,
  limit_in_pages: false, seg_not_present: true, usable: false,
})));

function tlsEntry(desc: Buffer, index: number): user_desc_t {
  const words = words32(desc, 0, 4), bits = words[3]!;
  const bit = (n: number): boolean => (bits >> n & 1) === 1;
  const empty = isEmptyTls(words, index);
  return empty ? EMPTY_TLS[index]! : create(user_desc_t, {
    entry_number: words[0]!, base_addr: words[1]!, limit: words[2]!,
    seg_32bit: bit(0), contents_l: bit(1), contents_h: bit(2), read_exec_only: bit(3), limit_in_pages: bit(4), seg_not_present: bit(5), usable: bit(6),
  });
}

/** Bits 3 and 5: read_exec_only and seg_not_present. */
const EMPTY_BITS = 0x28;

function isEmptyTls(words: Uint32Array, index: number): boolean {
  const [number, base, limit, bits] = words;
  return base === 0 && limit === 0 && ((number === 0 && bits === 0) || (number === FIRST_TLS + index && bits === EMPTY_BITS));
}

/** @param regs as they are to be restored @param features XCR0 */
export function threadInfo(state: ThreadState, regs: Registers, clearTidAddress: bigint, features: bigint): thread_info_x86 {
  return create(thread_info_x86, {
    clear_tid_addr: clearTidAddress,
    gpregs: { ...regs, mode: user_x86_regs_mode.NATIVE },
    fpregs: extendedState(state.xstate, features),
    tls: state.tls.map(tlsEntry),
  });
}
