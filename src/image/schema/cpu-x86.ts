/** Registers of an x86 thread. */
import { enumeration, message, opt, rep, req, type Message } from './define.ts';

export const user_x86_regs_mode = enumeration({ NATIVE: 1, COMPAT: 2 });

export const user_x86_regs_entry = message('user_x86_regs_entry', {
  r15: req.uint64(1),
  r14: req.uint64(2),
  r13: req.uint64(3),
  r12: req.uint64(4),
  bp: req.uint64(5),
  bx: req.uint64(6),
  r11: req.uint64(7),
  r10: req.uint64(8),
  r9: req.uint64(9),
  r8: req.uint64(10),
  ax: req.uint64(11),
  cx: req.uint64(12),
  dx: req.uint64(13),
  si: req.uint64(14),
  di: req.uint64(15),
  orig_ax: req.uint64(16),
  ip: req.uint64(17),
  cs: req.uint64(18),
  flags: req.uint64(19),
  sp: req.uint64(20),
  ss: req.uint64(21),
  fs_base: req.uint64(22),
  gs_base: req.uint64(23),
  ds: req.uint64(24),
  es: req.uint64(25),
  fs: req.uint64(26),
  gs: req.uint64(27),
  mode: opt.enum(28, user_x86_regs_mode, { absent: 1 }),
});
export type user_x86_regs_entry = Message<typeof user_x86_regs_entry>;

export const user_x86_cet_entry = message('user_x86_cet_entry', { cet: req.uint64(1, { hex: true }), ssp: req.uint64(2, { hex: true }) });
export type user_x86_cet_entry = Message<typeof user_x86_cet_entry>;

export const user_x86_xsave_entry = message('user_x86_xsave_entry', {
  xstate_bv: req.uint64(1),
  ymmh_space: rep.uint32(2),
  bndreg_state: rep.uint64(3),
  bndcsr_state: rep.uint64(4),
  opmask_reg: rep.uint64(5),
  zmm_upper: rep.uint64(6),
  hi16_zmm: rep.uint64(7),
  pkru: rep.uint32(8),
  cet: opt.msg(9, () => user_x86_cet_entry),
});
export type user_x86_xsave_entry = Message<typeof user_x86_xsave_entry>;

export const user_x86_fpregs_entry = message('user_x86_fpregs_entry', {
  cwd: req.uint32(1),
  swd: req.uint32(2),
  twd: req.uint32(3),
  fop: req.uint32(4),
  rip: req.uint64(5),
  rdp: req.uint64(6),
  mxcsr: req.uint32(7),
  mxcsr_mask: req.uint32(8),
  st_space: rep.uint32(9),
  xmm_space: rep.uint32(10),
  padding: rep.uint32(11),
  xsave: opt.msg(13, () => user_x86_xsave_entry),
});
export type user_x86_fpregs_entry = Message<typeof user_x86_fpregs_entry>;

export const user_desc_t = message('user_desc_t', {
  entry_number: req.uint32(1),
  base_addr: req.uint32(2),
  limit: req.uint32(3),
  seg_32bit: req.bool(4),
  contents_h: req.bool(5),
  contents_l: req.bool(6),
  read_exec_only: req.bool(7, { absent: true }),
  limit_in_pages: req.bool(8),
  seg_not_present: req.bool(9, { absent: true }),
  usable: req.bool(10),
});
export type user_desc_t = Message<typeof user_desc_t>;

export const thread_info_x86 = message('thread_info_x86', {
  clear_tid_addr: req.uint64(1, { hex: true }),
  gpregs: req.msg(2, () => user_x86_regs_entry, { hex: true }),
  fpregs: req.msg(3, () => user_x86_fpregs_entry),
  tls: rep.msg(4, () => user_desc_t),
});
export type thread_info_x86 = Message<typeof thread_info_x86>;
