/** Tasks and threads: the process tree, what a core image holds besides registers, credentials, signals, timers, seccomp. */
import { enumeration, message, opt, rep, req, type Message } from './define.ts';
import { thread_info_aarch64, thread_info_arm, thread_info_loongarch64, thread_info_mips, thread_info_ppc64, thread_info_riscv64, thread_info_s390 } from './cpu-others.ts';
import { thread_info_x86 } from './cpu-x86.ts';

export const pstree_entry = message('pstree_entry', {
  pid: req.uint32(1),
  ppid: req.uint32(2),
  pgid: req.uint32(3),
  sid: req.uint32(4),
  threads: rep.uint32(5),
});
export type pstree_entry = Message<typeof pstree_entry>;

export const seccomp_mode = enumeration({ disabled: 0, strict: 1, filter: 2 });

export const task_core_entry = message('task_core_entry', {
  task_state: req.uint32(1, { dict: 'gen' }),
  exit_code: req.uint32(2),
  personality: req.uint32(3),
  flags: req.uint32(4),
  blk_sigset: req.uint64(5, { hex: true }),
  comm: req.string(6),
  timers: opt.msg(7, () => task_timers_entry),
  rlimits: opt.msg(8, () => task_rlimits_entry),
  cg_set: opt.uint32(9),
  signals_s: opt.msg(10, () => signal_queue_entry),
  old_seccomp_mode: opt.enum(11, seccomp_mode),
  old_seccomp_filter: opt.uint32(12),
  loginuid: opt.uint32(13),
  oom_score_adj: opt.int32(14),
  sigactions: rep.msg(15, () => sa_entry),
  child_subreaper: opt.bool(18),
  blk_sigset_extended: opt.uint64(20, { hex: true }),
  stop_signo: opt.uint32(21),
  membarrier_registration_mask: opt.uint32(22, { hex: true }),
});
export type task_core_entry = Message<typeof task_core_entry>;

export const task_kobj_ids_entry = message('task_kobj_ids_entry', {
  vm_id: req.uint32(1),
  files_id: req.uint32(2),
  fs_id: req.uint32(3),
  sighand_id: req.uint32(4),
  pid_ns_id: opt.uint32(5),
  net_ns_id: opt.uint32(6),
  ipc_ns_id: opt.uint32(7),
  uts_ns_id: opt.uint32(8),
  mnt_ns_id: opt.uint32(9),
  user_ns_id: opt.uint32(10),
  cgroup_ns_id: opt.uint32(11),
  time_ns_id: opt.uint32(12),
});
export type task_kobj_ids_entry = Message<typeof task_kobj_ids_entry>;

export const thread_sas_entry = message('thread_sas_entry', { ss_sp: req.uint64(1), ss_size: req.uint64(2), ss_flags: req.uint32(3) });
export type thread_sas_entry = Message<typeof thread_sas_entry>;

export const thread_core_entry = message('thread_core_entry', {
  futex_rla: req.uint64(1),
  futex_rla_len: req.uint32(2),
  sched_nice: opt.sint32(3),
  sched_policy: opt.uint32(4),
  sched_prio: opt.uint32(5),
  blk_sigset: opt.uint64(6),
  sas: opt.msg(7, () => thread_sas_entry),
  pdeath_sig: opt.uint32(8),
  signals_p: opt.msg(9, () => signal_queue_entry),
  creds: opt.msg(10, () => creds_entry),
  seccomp_mode: opt.enum(11, seccomp_mode),
  seccomp_filter: opt.uint32(12),
  comm: opt.string(13),
  blk_sigset_extended: opt.uint64(14),
  rseq_entry: opt.msg(15, () => rseq_entry),
  cg_set: opt.uint32(16),
});
export type thread_core_entry = Message<typeof thread_core_entry>;

export const task_rlimits_entry = message('task_rlimits_entry', { rlimits: rep.msg(1, () => rlimit_entry) });
export type task_rlimits_entry = Message<typeof task_rlimits_entry>;

export const core_entry_march = enumeration({
  UNKNOWN: 0, X86_64: 1, ARM: 2, AARCH64: 3, PPC64: 4, S390: 5, MIPS: 6, LOONGARCH64: 7, RISCV64: 8,
});

export const core_entry = message('core_entry', {
  mtype: req.enum(1, core_entry_march),
  thread_info: opt.msg(2, () => thread_info_x86),
  ti_arm: opt.msg(6, () => thread_info_arm),
  ti_aarch64: opt.msg(8, () => thread_info_aarch64),
  ti_ppc64: opt.msg(9, () => thread_info_ppc64),
  ti_s390: opt.msg(10, () => thread_info_s390),
  ti_mips: opt.msg(11, () => thread_info_mips),
  ti_loongarch64: opt.msg(12, () => thread_info_loongarch64),
  ti_riscv64: opt.msg(13, () => thread_info_riscv64),
  tc: opt.msg(3, () => task_core_entry),
  ids: opt.msg(4, () => task_kobj_ids_entry),
  thread_core: opt.msg(5, () => thread_core_entry),
});
export type core_entry = Message<typeof core_entry>;

export const creds_entry = message('creds_entry', {
  uid: req.uint32(1),
  gid: req.uint32(2),
  euid: req.uint32(3),
  egid: req.uint32(4),
  suid: req.uint32(5),
  sgid: req.uint32(6),
  fsuid: req.uint32(7),
  fsgid: req.uint32(8),
  cap_inh: rep.uint32(9),
  cap_prm: rep.uint32(10),
  cap_eff: rep.uint32(11),
  cap_bnd: rep.uint32(12),
  secbits: req.uint32(13),
  groups: rep.uint32(14),
  lsm_profile: opt.string(15),
  lsm_sockcreate: opt.string(16),
  apparmor_data: opt.bytes(17),
  no_new_privs: opt.uint32(18),
  cap_amb: rep.uint32(19),
});
export type creds_entry = Message<typeof creds_entry>;

export const sa_entry = message('sa_entry', {
  sigaction: req.uint64(1, { hex: true }),
  flags: req.uint64(2, { hex: true }),
  restorer: req.uint64(3, { hex: true }),
  mask: req.uint64(4, { hex: true }),
  compat_sigaction: opt.bool(5),
  mask_extended: opt.uint64(6, { hex: true }),
});
export type sa_entry = Message<typeof sa_entry>;

export const siginfo_entry = message('siginfo_entry', { siginfo: req.bytes(1) });
export type siginfo_entry = Message<typeof siginfo_entry>;

export const signal_queue_entry = message('signal_queue_entry', { signals: rep.msg(1, () => siginfo_entry) });
export type signal_queue_entry = Message<typeof signal_queue_entry>;

export const rlimit_entry = message('rlimit_entry', { cur: req.uint64(1), max: req.uint64(2) });
export type rlimit_entry = Message<typeof rlimit_entry>;

export const itimer_entry = message('itimer_entry', {
  isec: req.uint64(1),
  iusec: req.uint64(2),
  vsec: req.uint64(3),
  vusec: req.uint64(4),
});
export type itimer_entry = Message<typeof itimer_entry>;

export const posix_timer_entry = message('posix_timer_entry', {
  it_id: req.uint32(1),
  clock_id: req.uint32(2),
  si_signo: req.uint32(3),
  it_sigev_notify: req.uint32(4),
  sival_ptr: req.uint64(5),
  overrun: req.uint32(6),
  isec: req.uint64(7),
  insec: req.uint64(8),
  vsec: req.uint64(9),
  vnsec: req.uint64(10),
  notify_thread_id: opt.int32(11),
});
export type posix_timer_entry = Message<typeof posix_timer_entry>;

export const task_timers_entry = message('task_timers_entry', {
  real: req.msg(1, () => itimer_entry),
  virt: req.msg(2, () => itimer_entry),
  prof: req.msg(3, () => itimer_entry),
  posix: rep.msg(4, () => posix_timer_entry),
});
export type task_timers_entry = Message<typeof task_timers_entry>;

export const rseq_entry = message('rseq_entry', {
  rseq_abi_pointer: req.uint64(1),
  rseq_abi_size: req.uint32(2),
  signature: req.uint32(3),
  rseq_cs_pointer: opt.uint64(4),
});
export type rseq_entry = Message<typeof rseq_entry>;

export const seccomp_filter = message('seccomp_filter', { filter: req.bytes(1), prev: opt.uint32(2), flags: opt.uint32(3) });
export type seccomp_filter = Message<typeof seccomp_filter>;

export const seccomp_entry = message('seccomp_entry', { seccomp_filters: rep.msg(1, () => seccomp_filter) });
export type seccomp_entry = Message<typeof seccomp_entry>;
