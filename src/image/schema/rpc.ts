/** The criu service protocol (`criu service`, `criu swrk`): not an image, but the same wire format. */
import { enumeration, message, opt, rep, req, type Message } from './define.ts';

export const criu_cg_mode = enumeration({ IGNORE: 0, CG_NONE: 1, PROPS: 2, SOFT: 3, FULL: 4, STRICT: 5, DEFAULT: 6 });

export const criu_network_lock_method = enumeration({ IPTABLES: 1, NFTABLES: 2, SKIP: 3 });

export const criu_pre_dump_mode = enumeration({ SPLICE: 1, VM_READ: 2 });

export const criu_req_type = enumeration({
  EMPTY: 0, DUMP: 1, RESTORE: 2, CHECK: 3, PRE_DUMP: 4, PAGE_SERVER: 5, NOTIFY: 6, CPUINFO_DUMP: 7, CPUINFO_CHECK: 8,
  FEATURE_CHECK: 9, VERSION: 10, WAIT_PID: 11, PAGE_SERVER_CHLD: 12, SINGLE_PRE_DUMP: 13,
});

export const criu_page_server_info = message('criu_page_server_info', {
  address: opt.string(1),
  port: opt.int32(2),
  pid: opt.int32(3),
  fd: opt.int32(4),
});
export type criu_page_server_info = Message<typeof criu_page_server_info>;

export const criu_veth_pair = message('criu_veth_pair', { if_in: req.string(1), if_out: req.string(2) });
export type criu_veth_pair = Message<typeof criu_veth_pair>;

export const ext_mount_map = message('ext_mount_map', { key: req.string(1), val: req.string(2) });
export type ext_mount_map = Message<typeof ext_mount_map>;

export const join_namespace = message('join_namespace', { ns: req.string(1), ns_file: req.string(2), extra_opt: opt.string(3) });
export type join_namespace = Message<typeof join_namespace>;

export const inherit_fd = message('inherit_fd', { key: req.string(1), fd: req.int32(2) });
export type inherit_fd = Message<typeof inherit_fd>;

export const cgroup_root = message('cgroup_root', { ctrl: opt.string(1), path: req.string(2) });
export type cgroup_root = Message<typeof cgroup_root>;

export const unix_sk = message('unix_sk', { inode: req.uint32(1) });
export type unix_sk = Message<typeof unix_sk>;

export const criu_opts = message('criu_opts', {
  images_dir_fd: req.int32(1, { absent: -1 }),
  images_dir: opt.string(68),
  pid: opt.int32(2),
  leave_running: opt.bool(3),
  ext_unix_sk: opt.bool(4),
  tcp_established: opt.bool(5),
  evasive_devices: opt.bool(6),
  shell_job: opt.bool(7),
  file_locks: opt.bool(8),
  log_level: opt.int32(9, { absent: 2 }),
  log_file: opt.string(10),
  ps: opt.msg(11, () => criu_page_server_info),
  notify_scripts: opt.bool(12),
  root: opt.string(13),
  parent_img: opt.string(14),
  track_mem: opt.bool(15),
  auto_dedup: opt.bool(16),
  work_dir_fd: opt.int32(17),
  link_remap: opt.bool(18),
  veths: rep.msg(19, () => criu_veth_pair),
  cpu_cap: opt.uint32(20, { absent: 4294967295 }),
  force_irmap: opt.bool(21),
  exec_cmd: rep.string(22),
  ext_mnt: rep.msg(23, () => ext_mount_map),
  manage_cgroups: opt.bool(24),
  cg_root: rep.msg(25, () => cgroup_root),
  rst_sibling: opt.bool(26),
  inherit_fd: rep.msg(27, () => inherit_fd),
  auto_ext_mnt: opt.bool(28),
  ext_sharing: opt.bool(29),
  ext_masters: opt.bool(30),
  skip_mnt: rep.string(31),
  enable_fs: rep.string(32),
  unix_sk_ino: rep.msg(33, () => unix_sk),
  manage_cgroups_mode: opt.enum(34, criu_cg_mode),
  ghost_limit: opt.uint32(35, { absent: 1048576 }),
  irmap_scan_paths: rep.string(36),
  external: rep.string(37),
  empty_ns: opt.uint32(38),
  join_ns: rep.msg(39, () => join_namespace),
  cgroup_props: opt.string(41),
  cgroup_props_file: opt.string(42),
  cgroup_dump_controller: rep.string(43),
  freeze_cgroup: opt.string(44),
  timeout: opt.uint32(45),
  tcp_skip_in_flight: opt.bool(46),
  weak_sysctls: opt.bool(47),
  lazy_pages: opt.bool(48),
  status_fd: opt.int32(49),
  orphan_pts_master: opt.bool(50),
  config_file: opt.string(51),
  tcp_close: opt.bool(52),
  lsm_profile: opt.string(53),
  tls_cacert: opt.string(54),
  tls_cacrl: opt.string(55),
  tls_cert: opt.string(56),
  tls_key: opt.string(57),
  tls: opt.bool(58),
  tls_no_cn_verify: opt.bool(59),
  cgroup_yard: opt.string(60),
  pre_dump_mode: opt.enum(61, criu_pre_dump_mode, { absent: 1 }),
  pidfd_store_sk: opt.int32(62),
  lsm_mount_context: opt.string(63),
  network_lock: opt.enum(64, criu_network_lock_method, { absent: 1 }),
  mntns_compat_mode: opt.bool(65),
  skip_file_rwx_check: opt.bool(66),
  unprivileged: opt.bool(67),
  leave_stopped: opt.bool(69),
  display_stats: opt.bool(70),
  log_to_stderr: opt.bool(71),
});
export type criu_opts = Message<typeof criu_opts>;

export const criu_dump_resp = message('criu_dump_resp', { restored: opt.bool(1) });
export type criu_dump_resp = Message<typeof criu_dump_resp>;

export const criu_restore_resp = message('criu_restore_resp', { pid: req.int32(1) });
export type criu_restore_resp = Message<typeof criu_restore_resp>;

export const criu_notify = message('criu_notify', { script: opt.string(1), pid: opt.int32(2) });
export type criu_notify = Message<typeof criu_notify>;

export const criu_features = message('criu_features', { mem_track: opt.bool(1), lazy_pages: opt.bool(2), pidfd_store: opt.bool(3) });
export type criu_features = Message<typeof criu_features>;

export const criu_req = message('criu_req', {
  type: req.enum(1, criu_req_type),
  opts: opt.msg(2, () => criu_opts),
  notify_success: opt.bool(3),
  keep_open: opt.bool(4),
  features: opt.msg(5, () => criu_features),
  pid: opt.uint32(6),
});
export type criu_req = Message<typeof criu_req>;

export const criu_resp = message('criu_resp', {
  type: req.enum(1, criu_req_type),
  success: req.bool(2),
  dump: opt.msg(3, () => criu_dump_resp),
  restore: opt.msg(4, () => criu_restore_resp),
  notify: opt.msg(5, () => criu_notify),
  ps: opt.msg(6, () => criu_page_server_info),
  cr_errno: opt.int32(7),
  features: opt.msg(8, () => criu_features),
  cr_errmsg: opt.string(9),
  version: opt.msg(10, () => criu_version),
  status: opt.int32(11),
});
export type criu_resp = Message<typeof criu_resp>;

export const criu_version = message('criu_version', {
  major_number: req.int32(1),
  minor_number: req.int32(2),
  gitid: opt.string(3),
  sublevel: opt.int32(4),
  extra: opt.int32(5),
  name: opt.string(6),
});
export type criu_version = Message<typeof criu_version>;
