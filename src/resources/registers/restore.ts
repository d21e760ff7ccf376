/** Registers of a restored thread: the image's general registers and extended state as ptrace sets them. */
import type { core_entry, thread_info_x86 } from '../../image/schema/index.ts';
import type { ErrorParts } from '../../errors.ts';
import { zeroed } from '../../zeroed.ts';
import { encodeXstate, featureNames, missingFeatures, type XstateLayout } from './xstate.ts';

/** Of `struct user_regs_struct` (<sys/user.h>). */
const WORDS = 27;

const NOT_IN_A_CALL = 0xffff_ffff_ffff_ffffn;
/** -errno of a call that the kernel would restart, from <linux/errno.h>. */
const ERESTARTSYS = -512n, ERESTARTNOINTR = -513n, ERESTARTNOHAND = -514n, ERESTART_RESTARTBLOCK = -516n;
const EINTR = -4n;
const SYSCALL_INSTRUCTION = 2n;

/**
 * The 27 registers. A call that was interrupted and left in its raw state is wound back so that it is made again; one that
 * needs a restart block (there is none any more) returns EINTR, as CRIU does it.
 */
export function encodeRegisters(info: thread_info_x86): Buffer {
  const regs = info.gpregs; // not copied: that takes longer than all the rest
  let { ax, ip } = regs;
  const result = BigInt.asIntN(64, regs.ax);
  if (regs.orig_ax !== NOT_IN_A_CALL) {
    if (result === ERESTARTSYS || result === ERESTARTNOINTR || result === ERESTARTNOHAND) {
      ax = regs.orig_ax;
      ip -= SYSCALL_INSTRUCTION;
    } else if (result === ERESTART_RESTARTBLOCK) {
      ax = BigInt.asUintN(64, EINTR);
    }
  }
  const bytes = zeroed(WORDS * 8);
  // written out: there may be thousands of threads, and the image has the fields in the order of the struct
  new BigUint64Array(bytes.buffer, bytes.byteOffset, WORDS).set([
    regs.r15, regs.r14, regs.r13, regs.r12, regs.bp, regs.bx, regs.r11, regs.r10, regs.r9, regs.r8, ax, regs.cx, regs.dx,
    regs.si, regs.di, NOT_IN_A_CALL, ip, regs.cs, regs.flags, regs.sp, regs.ss, regs.fs_base, regs.gs_base, regs.ds, regs.es,
    regs.fs, regs.gs,
  ]);
  return bytes;
}

export function encodeExtendedState(info: thread_info_x86, layout: XstateLayout): Buffer {
  return encodeXstate(info.fpregs, layout);
}

/** Why a thread cannot run on this CPU, if so. */
export function checkRegisters(core: core_entry, where: string, layout: XstateLayout): ErrorParts[] {
  const info = core.thread_info;
  if (info === undefined) {
    return [{ doing: 'restore', where, why: 'the image holds no x86-64 registers', remedy: 'Restore it on a machine of the architecture it was dumped on' }];
  }
  const reasons: ErrorParts[] = [];
  if (info.gpregs.mode === 2) reasons.push({ doing: 'restore', where, why: 'it is a 32-bit (compat) task', remedy: 'Only 64-bit tasks can be restored' });
  const missing = missingFeatures(info.fpregs, layout);
  if (missing !== 0n) {
    reasons.push({
      doing: 'restore', where, why: `its registers use what this CPU does not have: ${featureNames(missing)}`,
      remedy: 'Restore it on a machine with the CPU features it was dumped with',
    });
  }
  return reasons;
}
