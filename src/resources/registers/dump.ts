/**
 * Registers of a stopped thread: general registers with the restart of an interrupted system call, extended state, TLS descriptors.
 * Layouts: `struct user_regs_struct` (<asm/user_64.h>), XSAVE area (Intel SDM 1, 13.4; kernel Documentation/arch/x86/xstate.rst),
 * `struct user_desc` (<asm/ldt.h>).
 */
import { create } from '../../image/wire.ts';
import {
  thread_info_x86, user_desc_t, user_x86_fpregs_entry, user_x86_regs_entry, user_x86_regs_mode, user_x86_xsave_entry,
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
  const registers = {} as Registers;
  for (let i = 0; i < WORDS.length; i++) registers[WORDS[i]!] = regs.readBigUInt64LE(i * 8);
  return registers;
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
const X = { YMM: 2, BNDREGS: 3, BNDCSR: 4, OPMASK: 5, ZMM_HI256: 6, HI16_ZMM: 7, PKRU: 9 } as const;
const XSAVE_HEADER = 512;

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

function words32(bytes: Buffer, at: number, n: number): number[] {
  const words = new Array<number>(n);
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 4 * n);
  for (let i = 0; i < n; i++) words[i] = view.getUint32(4 * i, true);
  return words;
}

function words64(bytes: Buffer, at: number, n: number): bigint[] {
  const words = new Array<bigint>(n);
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 8 * n);
  // most are 0, which needs no bigint of its own
  for (let i = 0; i < n; i++) words[i] = view.getInt32(8 * i) === 0 && view.getInt32(8 * i + 4) === 0 ? 0n : view.getBigUint64(8 * i, true);
  return words;
}

function extendedState(x: Buffer, features: bigint): user_x86_fpregs_entry {
  const at = xstateLayout(x.length, features);
  const has = (bit: number): boolean => hasBit(features, bit);
  const xsave = x.length < XSAVE_HEADER + 64 ? undefined : create(user_x86_xsave_entry, {
    xstate_bv: x.readBigUInt64LE(XSAVE_HEADER),
    ymmh_space: has(X.YMM) ? words32(x, at.ymm, 64) : [],
    bndreg_state: has(X.BNDREGS) ? words64(x, at.bndregs, 8) : [],
    bndcsr_state: has(X.BNDCSR) ? words64(x, at.bndcsr, 2) : [],
    opmask_reg: has(X.OPMASK) ? words64(x, at.opmask, 8) : [],
    zmm_upper: has(X.ZMM_HI256) ? words64(x, at.zmm, 64) : [],
    hi16_zmm: has(X.HI16_ZMM) ? words64(x, at.hi16, 128) : [],
    pkru: has(X.PKRU) ? words32(x, at.pkru, 2) : [],
  });
  return create(user_x86_fpregs_entry, {
    cwd: x.readUInt16LE(0), swd: x.readUInt16LE(2), twd: x.readUInt16LE(4), fop: x.readUInt16LE(6),
    rip: x.readBigUInt64LE(8), rdp: x.readBigUInt64LE(16), mxcsr: x.readUInt32LE(24), mxcsr_mask: x.readUInt32LE(28),
    st_space: words32(x, 32, 32), xmm_space: words32(x, 160, 64), xsave,
  });
}

/** GDT_ENTRY_TLS_MIN (<asm/segment.h>). */
const FIRST_TLS = 12;

function tlsEntry(desc: Buffer, number: number): user_desc_t {
  // a kernel without 32-bit emulation has no such entries: they are told as the empty ones they would be
  if (desc.every((byte) => byte === 0)) {
    return create(user_desc_t, {
      entry_number: number, base_addr: 0, limit: 0, seg_32bit: false, contents_h: false, contents_l: false, read_exec_only: true,
      limit_in_pages: false, seg_not_present: true, usable: false,
    });
  }
  const bits = desc.readUInt32LE(12);
  const bit = (n: number): boolean => (bits >> n & 1) === 1;
  return create(user_desc_t, {
    entry_number: desc.readUInt32LE(0), base_addr: desc.readUInt32LE(4), limit: desc.readUInt32LE(8),
    seg_32bit: bit(0), contents_l: bit(1), contents_h: bit(2), read_exec_only: bit(3), limit_in_pages: bit(4), seg_not_present: bit(5), usable: bit(6),
  });
}

/** @param regs as they are to be restored @param features XCR0 */
export function threadInfo(state: ThreadState, regs: Registers, clearTidAddress: bigint, features: bigint): thread_info_x86 {
  return create(thread_info_x86, {
    clear_tid_addr: clearTidAddress,
    gpregs: create(user_x86_regs_entry, { ...regs, mode: user_x86_regs_mode.NATIVE }),
    fpregs: extendedState(state.xstate, features),
    tls: state.tls.map((desc, i) => tlsEntry(desc, FIRST_TLS + i)),
  });
}
