/**
 * Registers of a thread as the notes that the kernel of each architecture writes into a core dump: one entry an architecture.
 * Facts: linux arch/.../include/uapi/asm/ptrace.h and elf.h of each, include/uapi/linux/elf.h for note types; Intel SDM vol. 1, 13.4
 * for the xsave area.
 */
import { core_entry_march, type core_entry, type thread_info_x86 } from '../../image/schema/index.ts';
import { Struct } from './bytes.ts';

export interface Note { readonly type: number; readonly name: 'CORE' | 'LINUX'; readonly desc: Uint8Array }

export interface Machine {
  /** e_machine and e_flags. */
  readonly elf: number;
  readonly flags: number;
  readonly little: boolean;
  /** 64-bit. */
  readonly wide: boolean;
  /** elf_gregset_t. Undefined when the image has no registers of this architecture. */
  registers(core: core_entry): Uint8Array | undefined;
  /** What follows the status note of each thread. */
  notes(core: core_entry): Note[];
}

const FPREGSET = 2;
const X86_XSTATE = 0x202;
const PPC_VMX = 0x100;
const PPC_VSX = 0x102;
const S390_SYSTEM_CALL = 0x307;
const S390_VXRS_LOW = 0x309;
const S390_VXRS_HIGH = 0x30a;
const ARM_VFP = 0x400;
const ARM_TLS = 0x401;

const core = (type: number, struct: Struct): Note => ({ type, name: 'CORE', desc: struct.bytes });
const linux = (type: number, struct: Struct): Note => ({ type, name: 'LINUX', desc: struct.bytes });
const little64 = (size: number): Struct => new Struct(size, true, true);

/** The 512 bytes of fxsave. `xcr0`, where given, goes where the kernel puts it for debuggers. */
function fxsave(info: thread_info_x86, size = 512, xcr0?: bigint): Struct {
  const fp = info.fpregs;
  const struct = little64(size).u16(fp.cwd).u16(fp.swd).u16(fp.twd).u16(fp.fop).u64(fp.rip).u64(fp.rdp).u32(fp.mxcsr).u32(fp.mxcsr_mask).u32s(fp.st_space, 32).u32s(fp.xmm_space, 64);
  return xcr0 === undefined ? struct : struct.to(464).u64(xcr0);
}

/** Offsets of the standard format: AVX 576, MPX 960 and 1024, opmask 1088, ZMM_Hi256 1152, Hi16_ZMM 1664, PKRU 2688. */
function xsave(info: thread_info_x86): Struct | undefined {
  const { xsave: x } = info.fpregs;
  if (x === undefined) return undefined;
  let xcr0 = 3n;
  let size = 576;
  const part = (there: boolean, bits: bigint, end: number): void => {
    if (!there) return;
    xcr0 |= bits;
    size = end;
  };
  part(x.ymmh_space.length > 0, 4n, 832);
  part(x.bndreg_state.length > 0, 0x18n, 1088);
  part(x.zmm_upper.length > 0, 0xe0n, 2688);
  part(x.pkru.length > 0, 0x200n, 2696);
  const struct = fxsave(info, size, xcr0).to(512).u64(x.xstate_bv & xcr0);
  if ((xcr0 & 4n) !== 0n) struct.to(576).u32s(x.ymmh_space, 64);
  if ((xcr0 & 8n) !== 0n) struct.to(960).u64s(x.bndreg_state, 8).to(1024).u64s(x.bndcsr_state, 2);
  if ((xcr0 & 0x20n) !== 0n) struct.to(1088).u64s(x.opmask_reg, 8).u64s(x.zmm_upper, 64).u64s(x.hi16_zmm, 128);
  if ((xcr0 & 0x200n) !== 0n) struct.to(2688).u32s(x.pkru, 2);
  return struct;
}

const x86: Machine = {
  elf: 62, flags: 0, little: true, wide: true,
  registers: ({ thread_info }) => {
    const r = thread_info?.gpregs;
    return r && little64(27 * 8).u64s([
      r.r15, r.r14, r.r13, r.r12, r.bp, r.bx, r.r11, r.r10, r.r9, r.r8, r.ax, r.cx, r.dx, r.si, r.di, r.orig_ax, r.ip, r.cs, r.flags, r.sp, r.ss, r.fs_base, r.gs_base, r.ds, r.es, r.fs, r.gs,
    ]).bytes;
  },
  notes: ({ thread_info }) => {
    if (thread_info === undefined) return [];
    const state = xsave(thread_info);
    return [core(FPREGSET, fxsave(thread_info)), ...(state === undefined ? [] : [linux(X86_XSTATE, state)])];
  },
};

const aarch64: Machine = {
  elf: 183, flags: 0, little: true, wide: true,
  registers: ({ ti_aarch64 }) => {
    const r = ti_aarch64?.gpregs;
    return r && little64(34 * 8).u64s(r.regs, 31).u64s([r.sp, r.pc, r.pstate]).bytes;
  },
  notes: ({ ti_aarch64: info }) => info === undefined ? [] : [
    core(FPREGSET, little64(528).u64s(info.fpsimd.vregs, 64).u32(info.fpsimd.fpsr).u32(info.fpsimd.fpcr)), linux(ARM_TLS, little64(8).u64(info.tls)),
  ],
};

const arm: Machine = {
  elf: 40, flags: 0x05000000, little: true, wide: false,
  registers: ({ ti_arm }) => {
    const r = ti_arm?.gpregs;
    return r && new Struct(72, true, false).u32s([r.r0, r.r1, r.r2, r.r3, r.r4, r.r5, r.r6, r.r7, r.r8, r.r9, r.r10, r.fp, r.ip, r.sp, r.lr, r.pc, r.cpsr, r.orig_r0]).bytes;
  },
  notes: ({ ti_arm: info }) => (info === undefined ? [] : [linux(ARM_VFP, little64(260).u64s(info.fpstate.vfp_regs, 32).u32(info.fpstate.fpscr))]),
};

const ppc64: Machine = {
  // ELFv2, which little-endian Linux uses
  elf: 21, flags: 2, little: true, wide: true,
  registers: ({ ti_ppc64 }) => {
    const r = ti_ppc64?.gpregs;
    return r && little64(48 * 8).u64s(r.gpr, 32).u64s([r.nip, r.msr, r.orig_gpr3, r.ctr, r.link, r.xer, r.ccr, 0n, r.trap]).bytes;
  },
  notes: ({ ti_ppc64: info }) => info === undefined ? [] : [
    ...(info.fpstate === undefined ? [] : [core(FPREGSET, little64(33 * 8).u64s(info.fpstate.fpregs, 33))]),
    ...(info.vrstate === undefined ? [] : [linux(PPC_VMX, little64(34 * 16).u64s(info.vrstate.vrregs, 66).u32(info.vrstate.vrsave))]),
    ...(info.vsxstate === undefined ? [] : [linux(PPC_VSX, little64(32 * 8).u64s(info.vsxstate.vsxregs, 32))]),
  ],
};

const big64 = (size: number): Struct => new Struct(size, false, true);

const s390: Machine = {
  elf: 22, flags: 0, little: false, wide: true,
  registers: ({ ti_s390 }) => {
    const r = ti_s390?.gpregs;
    return r && big64(216).u64s([r.psw_mask, r.psw_addr]).u64s(r.gprs, 16).u32s(r.acrs, 16).u64(r.orig_gpr2).bytes;
  },
  notes: ({ ti_s390: info }) => info === undefined ? [] : [
    core(FPREGSET, big64(136).u32(info.fpregs.fpc).u32(0).u64s(info.fpregs.fprs, 16)), linux(S390_SYSTEM_CALL, big64(4).u32(info.gpregs.system_call)),
    ...(info.vxrs_low === undefined ? [] : [linux(S390_VXRS_LOW, big64(128).u64s(info.vxrs_low.regs, 16))]),
    ...(info.vxrs_high === undefined ? [] : [linux(S390_VXRS_HIGH, big64(256).u64s(info.vxrs_high.regs, 32))]),
  ],
};

const numbered = (registers: object): bigint[] => Array.from({ length: 32 }, (_, i) => (registers as Readonly<Record<string, bigint>>)[`r${i}`] ?? 0n);

const mips: Machine = {
  // EF_MIPS_ARCH_64R2; little-endian, as the machines CRIU supports are
  elf: 8, flags: 0x80000000, little: true, wide: true,
  registers: ({ ti_mips }) => {
    const r = ti_mips?.gpregs;
    return r && little64(45 * 8).u64s(numbered(r)).u64s([r.lo, r.hi, r.cp0_epc, r.cp0_badvaddr, r.cp0_status, r.cp0_cause]).bytes;
  },
  notes: ({ ti_mips: info }) => (info === undefined ? [] : [core(FPREGSET, little64(33 * 8).u64s(numbered(info.fpregs)).u32(info.fpregs.fpu_fcr31).u32(info.fpregs.fpu_id))]),
};

const riscv64: Machine = {
  // double-float ABI, compressed instructions
  elf: 243, flags: 5, little: true, wide: true,
  registers: ({ ti_riscv64 }) => {
    const r = ti_riscv64?.gpregs;
    return r && little64(32 * 8).u64s([
      r.pc, r.ra, r.sp, r.gp, r.tp, r.t0, r.t1, r.t2, r.s0, r.s1, r.a0, r.a1, r.a2, r.a3, r.a4, r.a5, r.a6, r.a7, r.s2, r.s3, r.s4, r.s5, r.s6, r.s7, r.s8, r.s9, r.s10, r.s11, r.t3, r.t4, r.t5, r.t6,
    ]).bytes;
  },
  notes: ({ ti_riscv64: info }) => (info === undefined ? [] : [core(FPREGSET, little64(264).u64s(info.fpsimd.f, 32).u32(info.fpsimd.fcsr))]),
};

const loongarch64: Machine = {
  // object ABI version 1, double float
  elf: 258, flags: 0x43, little: true, wide: true,
  registers: ({ ti_loongarch64 }) => {
    const r = ti_loongarch64?.gpregs;
    return r && little64(45 * 8).u64s(r.regs, 32).u64s([r.regs[4] ?? 0n, r.pc]).bytes;
  },
  notes: ({ ti_loongarch64: info }) => (info === undefined ? [] : [core(FPREGSET, little64(272).u64s(info.fpregs.regs, 32).u64(info.fpregs.fcc).u32(info.fpregs.fcsr))]),
};

export const MACHINES: Readonly<Record<number, Machine>> = {
  [core_entry_march.X86_64]: x86, [core_entry_march.AARCH64]: aarch64, [core_entry_march.ARM]: arm, [core_entry_march.PPC64]: ppc64,
  [core_entry_march.S390]: s390, [core_entry_march.MIPS]: mips, [core_entry_march.RISCV64]: riscv64, [core_entry_march.LOONGARCH64]: loongarch64,
};
