/** Namespaces other than network and IPC: users, host names, pids, clocks, mounts; sysctls. */
import { enumeration, message, opt, rep, req, type Message } from './define.ts';

export const uid_gid_extent = message('uid_gid_extent', { first: req.uint32(1), lower_first: req.uint32(2), count: req.uint32(3) });
export type uid_gid_extent = Message<typeof uid_gid_extent>;

export const userns_entry = message('userns_entry', {
  uid_map: rep.msg(1, () => uid_gid_extent),
  gid_map: rep.msg(2, () => uid_gid_extent),
});
export type userns_entry = Message<typeof userns_entry>;

export const utsns_entry = message('utsns_entry', { nodename: req.string(1), domainname: req.string(2) });
export type utsns_entry = Message<typeof utsns_entry>;

export const pidns_entry = message('pidns_entry', { ext_key: opt.string(1) });
export type pidns_entry = Message<typeof pidns_entry>;

export const timespec = message('timespec', { tv_sec: req.uint64(1), tv_nsec: req.uint64(2) });
export type timespec = Message<typeof timespec>;

export const timens_entry = message('timens_entry', { monotonic: req.msg(1, () => timespec), boottime: req.msg(2, () => timespec) });
export type timens_entry = Message<typeof timens_entry>;

export const fstype = enumeration({
  UNSUPPORTED: 0, PROC: 1, SYSFS: 2, DEVTMPFS: 3, BINFMT_MISC: 4, TMPFS: 5, DEVPTS: 6, SIMFS: 7, PSTORE: 8,
  SECURITYFS: 9, FUSECTL: 10, DEBUGFS: 11, CGROUP: 12, AUFS: 13, MQUEUE: 14, FUSE: 15, AUTO: 16, OVERLAYFS: 17,
  AUTOFS: 18, TRACEFS: 19, CGROUP2: 23,
});

export const mnt_entry = message('mnt_entry', {
  fstype: req.uint32(1),
  mnt_id: req.uint32(2),
  root_dev: req.uint32(3, { dev: true }),
  parent_mnt_id: req.uint32(4),
  flags: req.uint32(5, { hex: true }),
  root: req.string(6),
  mountpoint: req.string(7),
  source: req.string(8),
  options: req.string(9),
  shared_id: opt.uint32(10),
  master_id: opt.uint32(11),
  with_plugin: opt.bool(12),
  ext_mount: opt.bool(13),
  fsname: opt.string(14),
  internal_sharing: opt.bool(15),
  deleted: opt.bool(16),
  sb_flags: opt.uint32(17, { hex: true }),
  ext_key: opt.string(18),
});
export type mnt_entry = Message<typeof mnt_entry>;

export const autofs_entry = message('autofs_entry', {
  fd: req.int32(1),
  pgrp: req.int32(2),
  timeout: req.int32(3),
  minproto: req.int32(4),
  maxproto: req.int32(5),
  mode: req.int32(6),
  uid: opt.int32(7),
  gid: opt.int32(8),
  read_fd: opt.int32(9),
});
export type autofs_entry = Message<typeof autofs_entry>;

export const binfmt_misc_entry = message('binfmt_misc_entry', {
  name: req.string(1),
  enabled: req.bool(2),
  interpreter: req.string(3),
  flags: opt.string(4),
  extension: opt.string(5),
  magic: opt.string(6),
  mask: opt.string(7),
  offset: opt.int32(8),
});
export type binfmt_misc_entry = Message<typeof binfmt_misc_entry>;

export const SysctlType = enumeration({ CTL_STR: 5, CTL_32: 6 });

export const sysctl_entry = message('sysctl_entry', { type: req.enum(1, SysctlType), iarg: opt.int32(2), sarg: opt.string(3) });
export type sysctl_entry = Message<typeof sysctl_entry>;
