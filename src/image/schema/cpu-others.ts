/** Registers of a thread of every other architecture. */
import { message, opt, rep, req, type Message } from './define.ts';

export const user_arm_regs_entry = message('user_arm_regs_entry', {
  r0: req.uint32(1),
  r1: req.uint32(2),
  r2: req.uint32(3),
  r3: req.uint32(4),
  r4: req.uint32(5),
  r5: req.uint32(6),
  r6: req.uint32(7),
  r7: req.uint32(8),
  r8: req.uint32(9),
  r9: req.uint32(10),
  r10: req.uint32(11),
  fp: req.uint32(12),
  ip: req.uint32(13),
  sp: req.uint32(14),
  lr: req.uint32(15),
  pc: req.uint32(16),
  cpsr: req.uint32(17),
  orig_r0: req.uint32(18),
});
export type user_arm_regs_entry = Message<typeof user_arm_regs_entry>;

export const user_arm_vfpstate_entry = message('user_arm_vfpstate_entry', {
  vfp_regs: rep.uint64(1),
  fpscr: req.uint32(2),
  fpexc: req.uint32(3),
  fpinst: req.uint32(4),
  fpinst2: req.uint32(5),
});
export type user_arm_vfpstate_entry = Message<typeof user_arm_vfpstate_entry>;

export const thread_info_arm = message('thread_info_arm', {
  clear_tid_addr: req.uint64(1, { hex: true }),
  tls: req.uint32(2),
  gpregs: req.msg(3, () => user_arm_regs_entry, { hex: true }),
  fpstate: req.msg(4, () => user_arm_vfpstate_entry),
});
export type thread_info_arm = Message<typeof thread_info_arm>;

export const user_aarch64_regs_entry = message('user_aarch64_regs_entry', {
  regs: rep.uint64(1),
  sp: req.uint64(2),
  pc: req.uint64(3),
  pstate: req.uint64(4),
});
export type user_aarch64_regs_entry = Message<typeof user_aarch64_regs_entry>;

export const user_aarch64_fpsimd_context_entry = message('user_aarch64_fpsimd_context_entry', {
  vregs: rep.uint64(1),
  fpsr: req.uint32(2),
  fpcr: req.uint32(3),
});
export type user_aarch64_fpsimd_context_entry = Message<typeof user_aarch64_fpsimd_context_entry>;

export const pac_address_keys = message('pac_address_keys', {
  apiakey_lo: req.uint64(1),
  apiakey_hi: req.uint64(2),
  apibkey_lo: req.uint64(3),
  apibkey_hi: req.uint64(4),
  apdakey_lo: req.uint64(5),
  apdakey_hi: req.uint64(6),
  apdbkey_lo: req.uint64(7),
  apdbkey_hi: req.uint64(8),
  pac_enabled_key: req.uint64(9),
});
export type pac_address_keys = Message<typeof pac_address_keys>;

export const pac_generic_keys = message('pac_generic_keys', { apgakey_lo: req.uint64(1), apgakey_hi: req.uint64(2) });
export type pac_generic_keys = Message<typeof pac_generic_keys>;

export const pac_keys = message('pac_keys', {
  pac_address_keys: opt.msg(6, () => pac_address_keys),
  pac_generic_keys: opt.msg(7, () => pac_generic_keys),
});
export type pac_keys = Message<typeof pac_keys>;

export const thread_info_aarch64 = message('thread_info_aarch64', {
  clear_tid_addr: req.uint64(1, { hex: true }),
  tls: req.uint64(2),
  gpregs: req.msg(3, () => user_aarch64_regs_entry, { hex: true }),
  fpsimd: req.msg(4, () => user_aarch64_fpsimd_context_entry),
  pac_keys: opt.msg(5, () => pac_keys),
});
export type thread_info_aarch64 = Message<typeof thread_info_aarch64>;

export const user_ppc64_regs_entry = message('user_ppc64_regs_entry', {
  gpr: rep.uint64(1),
  nip: req.uint64(2),
  msr: req.uint64(3),
  orig_gpr3: req.uint64(4),
  ctr: req.uint64(5),
  link: req.uint64(6),
  xer: req.uint64(7),
  ccr: req.uint64(8),
  trap: req.uint64(9),
  texasr: opt.uint64(10),
  tfhar: opt.uint64(11),
  tfiar: opt.uint64(12),
});
export type user_ppc64_regs_entry = Message<typeof user_ppc64_regs_entry>;

export const user_ppc64_fpstate_entry = message('user_ppc64_fpstate_entry', { fpregs: rep.uint64(1) });
export type user_ppc64_fpstate_entry = Message<typeof user_ppc64_fpstate_entry>;

export const user_ppc64_vrstate_entry = message('user_ppc64_vrstate_entry', { vrregs: rep.uint64(1), vrsave: req.uint32(2) });
export type user_ppc64_vrstate_entry = Message<typeof user_ppc64_vrstate_entry>;

export const user_ppc64_vsxstate_entry = message('user_ppc64_vsxstate_entry', { vsxregs: rep.uint64(1) });
export type user_ppc64_vsxstate_entry = Message<typeof user_ppc64_vsxstate_entry>;

export const user_ppc64_tm_regs_entry = message('user_ppc64_tm_regs_entry', {
  gpregs: req.msg(1, () => user_ppc64_regs_entry),
  fpstate: opt.msg(2, () => user_ppc64_fpstate_entry),
  vrstate: opt.msg(3, () => user_ppc64_vrstate_entry),
  vsxstate: opt.msg(4, () => user_ppc64_vsxstate_entry),
});
export type user_ppc64_tm_regs_entry = Message<typeof user_ppc64_tm_regs_entry>;

export const thread_info_ppc64 = message('thread_info_ppc64', {
  clear_tid_addr: req.uint64(1, { hex: true }),
  gpregs: req.msg(2, () => user_ppc64_regs_entry, { hex: true }),
  fpstate: opt.msg(3, () => user_ppc64_fpstate_entry),
  vrstate: opt.msg(4, () => user_ppc64_vrstate_entry),
  vsxstate: opt.msg(5, () => user_ppc64_vsxstate_entry),
  tmstate: opt.msg(6, () => user_ppc64_tm_regs_entry),
});
export type thread_info_ppc64 = Message<typeof thread_info_ppc64>;

export const user_s390_regs_entry = message('user_s390_regs_entry', {
  psw_mask: req.uint64(1),
  psw_addr: req.uint64(2),
  gprs: rep.uint64(3),
  acrs: rep.uint32(4),
  orig_gpr2: req.uint64(5),
  system_call: req.uint32(6),
});
export type user_s390_regs_entry = Message<typeof user_s390_regs_entry>;

export const user_s390_vxrs_low_entry = message('user_s390_vxrs_low_entry', { regs: rep.uint64(1) });
export type user_s390_vxrs_low_entry = Message<typeof user_s390_vxrs_low_entry>;

export const user_s390_vxrs_high_entry = message('user_s390_vxrs_high_entry', { regs: rep.uint64(1) });
export type user_s390_vxrs_high_entry = Message<typeof user_s390_vxrs_high_entry>;

export const user_s390_fpregs_entry = message('user_s390_fpregs_entry', { fpc: req.uint32(1), fprs: rep.uint64(2) });
export type user_s390_fpregs_entry = Message<typeof user_s390_fpregs_entry>;

export const user_s390_gs_cb_entry = message('user_s390_gs_cb_entry', { regs: rep.uint64(1) });
export type user_s390_gs_cb_entry = Message<typeof user_s390_gs_cb_entry>;

export const user_s390_ri_entry = message('user_s390_ri_entry', { ri_on: req.uint32(1), regs: rep.uint64(2) });
export type user_s390_ri_entry = Message<typeof user_s390_ri_entry>;

export const thread_info_s390 = message('thread_info_s390', {
  clear_tid_addr: req.uint64(1, { hex: true }),
  gpregs: req.msg(2, () => user_s390_regs_entry, { hex: true }),
  fpregs: req.msg(3, () => user_s390_fpregs_entry, { hex: true }),
  vxrs_low: opt.msg(4, () => user_s390_vxrs_low_entry, { hex: true }),
  vxrs_high: opt.msg(5, () => user_s390_vxrs_high_entry, { hex: true }),
  gs_cb: opt.msg(6, () => user_s390_gs_cb_entry, { hex: true }),
  gs_bc: opt.msg(7, () => user_s390_gs_cb_entry, { hex: true }),
  ri_cb: opt.msg(8, () => user_s390_ri_entry, { hex: true }),
});
export type thread_info_s390 = Message<typeof thread_info_s390>;

export const user_mips_regs_entry = message('user_mips_regs_entry', {
  r0: req.uint64(1),
  r1: req.uint64(2),
  r2: req.uint64(3),
  r3: req.uint64(4),
  r4: req.uint64(5),
  r5: req.uint64(6),
  r6: req.uint64(7),
  r7: req.uint64(8),
  r8: req.uint64(9),
  r9: req.uint64(10),
  r10: req.uint64(11),
  r11: req.uint64(12),
  r12: req.uint64(13),
  r13: req.uint64(14),
  r14: req.uint64(15),
  r15: req.uint64(16),
  r16: req.uint64(17),
  r17: req.uint64(18),
  r18: req.uint64(19),
  r19: req.uint64(20),
  r20: req.uint64(21),
  r21: req.uint64(22),
  r22: req.uint64(23),
  r23: req.uint64(24),
  r24: req.uint64(25),
  r25: req.uint64(26),
  r26: req.uint64(27),
  r27: req.uint64(28),
  r28: req.uint64(29),
  r29: req.uint64(30),
  r30: req.uint64(31),
  r31: req.uint64(32),
  lo: req.uint64(33),
  hi: req.uint64(34),
  cp0_epc: req.uint64(35),
  cp0_badvaddr: req.uint64(36),
  cp0_status: req.uint64(37),
  cp0_cause: req.uint64(38),
});
export type user_mips_regs_entry = Message<typeof user_mips_regs_entry>;

export const user_mips_fpregs_entry = message('user_mips_fpregs_entry', {
  r0: req.uint64(1),
  r1: req.uint64(2),
  r2: req.uint64(3),
  r3: req.uint64(4),
  r4: req.uint64(5),
  r5: req.uint64(6),
  r6: req.uint64(7),
  r7: req.uint64(8),
  r8: req.uint64(9),
  r9: req.uint64(10),
  r10: req.uint64(11),
  r11: req.uint64(12),
  r12: req.uint64(13),
  r13: req.uint64(14),
  r14: req.uint64(15),
  r15: req.uint64(16),
  r16: req.uint64(17),
  r17: req.uint64(18),
  r18: req.uint64(19),
  r19: req.uint64(20),
  r20: req.uint64(21),
  r21: req.uint64(22),
  r22: req.uint64(23),
  r23: req.uint64(24),
  r24: req.uint64(25),
  r25: req.uint64(26),
  r26: req.uint64(27),
  r27: req.uint64(28),
  r28: req.uint64(29),
  r29: req.uint64(30),
  r30: req.uint64(31),
  r31: req.uint64(32),
  lo: req.uint64(33),
  hi: req.uint64(34),
  fpu_fcr31: req.uint32(35),
  fpu_id: req.uint32(36),
});
export type user_mips_fpregs_entry = Message<typeof user_mips_fpregs_entry>;

export const thread_info_mips = message('thread_info_mips', {
  clear_tid_addr: req.uint64(1, { hex: true }),
  tls: req.uint64(2),
  gpregs: req.msg(3, () => user_mips_regs_entry, { hex: true }),
  fpregs: req.msg(4, () => user_mips_fpregs_entry, { hex: true }),
});
export type thread_info_mips = Message<typeof thread_info_mips>;

export const user_loongarch64_gpregs_entry = message('user_loongarch64_gpregs_entry', { regs: rep.uint64(1), pc: req.uint64(2) });
export type user_loongarch64_gpregs_entry = Message<typeof user_loongarch64_gpregs_entry>;

export const user_loongarch64_fpregs_entry = message('user_loongarch64_fpregs_entry', {
  regs: rep.uint64(1),
  fcc: req.uint64(2),
  fcsr: req.uint32(3),
});
export type user_loongarch64_fpregs_entry = Message<typeof user_loongarch64_fpregs_entry>;

export const thread_info_loongarch64 = message('thread_info_loongarch64', {
  clear_tid_addr: req.uint64(1, { hex: true }),
  tls: req.uint64(2),
  gpregs: req.msg(3, () => user_loongarch64_gpregs_entry, { hex: true }),
  fpregs: req.msg(4, () => user_loongarch64_fpregs_entry, { hex: true }),
});
export type thread_info_loongarch64 = Message<typeof thread_info_loongarch64>;

export const user_riscv64_regs_entry = message('user_riscv64_regs_entry', {
  pc: req.uint64(1),
  ra: req.uint64(2),
  sp: req.uint64(3),
  gp: req.uint64(4),
  tp: req.uint64(5),
  t0: req.uint64(6),
  t1: req.uint64(7),
  t2: req.uint64(8),
  s0: req.uint64(9),
  s1: req.uint64(10),
  a0: req.uint64(11),
  a1: req.uint64(12),
  a2: req.uint64(13),
  a3: req.uint64(14),
  a4: req.uint64(15),
  a5: req.uint64(16),
  a6: req.uint64(17),
  a7: req.uint64(18),
  s2: req.uint64(19),
  s3: req.uint64(20),
  s4: req.uint64(21),
  s5: req.uint64(22),
  s6: req.uint64(23),
  s7: req.uint64(24),
  s8: req.uint64(25),
  s9: req.uint64(26),
  s10: req.uint64(27),
  s11: req.uint64(28),
  t3: req.uint64(29),
  t4: req.uint64(30),
  t5: req.uint64(31),
  t6: req.uint64(32),
});
export type user_riscv64_regs_entry = Message<typeof user_riscv64_regs_entry>;

export const user_riscv64_d_ext_entry = message('user_riscv64_d_ext_entry', { f: rep.uint64(1), fcsr: req.uint32(2) });
export type user_riscv64_d_ext_entry = Message<typeof user_riscv64_d_ext_entry>;

export const thread_info_riscv64 = message('thread_info_riscv64', {
  clear_tid_addr: req.uint64(1, { hex: true }),
  tls: req.uint64(2),
  gpregs: req.msg(3, () => user_riscv64_regs_entry, { hex: true }),
  fpsimd: req.msg(4, () => user_riscv64_d_ext_entry),
});
export type thread_info_riscv64 = Message<typeof thread_info_riscv64>;
