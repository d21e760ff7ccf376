/** What belongs to an image set as a whole: inventory, CPU description, statistics, the image streamer protocol. */
import { enumeration, message, opt, rep, req, type Message } from './define.ts';
import { task_kobj_ids_entry } from './tasks.ts';

export const lsmtype = enumeration({ NO_LSM: 0, SELINUX: 1, APPARMOR: 2 });

export const plugins_entry = message('plugins_entry', { plugins: rep.string(12) });
export type plugins_entry = Message<typeof plugins_entry>;

export const inventory_entry = message('inventory_entry', {
  img_version: req.uint32(1),
  fdinfo_per_id: opt.bool(2),
  root_ids: opt.msg(3, () => task_kobj_ids_entry),
  ns_per_id: opt.bool(4),
  root_cg_set: opt.uint32(5),
  lsmtype: opt.enum(6, lsmtype),
  dump_uptime: opt.uint64(8),
  pre_dump_mode: opt.uint32(9),
  tcp_close: opt.bool(10),
  network_lock_method: opt.uint32(11),
  plugins_entry: opt.msg(12, () => plugins_entry),
  dump_criu_run_id: opt.string(13),
  allow_uprobes: opt.bool(14),
});
export type inventory_entry = Message<typeof inventory_entry>;

export const cpuinfo_x86_entry_vendor = enumeration({ UNKNOWN: 0, INTEL: 1, AMD: 2 });

export const cpuinfo_x86_entry = message('cpuinfo_x86_entry', {
  vendor_id: req.enum(1, cpuinfo_x86_entry_vendor),
  cpu_family: req.uint32(2),
  model: req.uint32(3),
  stepping: req.uint32(4),
  capability_ver: req.uint32(5),
  capability: rep.uint32(6),
  model_id: opt.string(7),
  xfeatures_mask: opt.uint64(8),
  xsave_size: opt.uint32(9),
  xsave_size_max: opt.uint32(10),
});
export type cpuinfo_x86_entry = Message<typeof cpuinfo_x86_entry>;

export const cpuinfo_ppc64_entry_endianness = enumeration({ BIGENDIAN: 0, LITTLEENDIAN: 1 });

export const cpuinfo_ppc64_entry = message('cpuinfo_ppc64_entry', {
  endian: req.enum(1, cpuinfo_ppc64_entry_endianness),
  hwcap: rep.uint64(2),
});
export type cpuinfo_ppc64_entry = Message<typeof cpuinfo_ppc64_entry>;

export const cpuinfo_s390_entry = message('cpuinfo_s390_entry', { hwcap: rep.uint64(2) });
export type cpuinfo_s390_entry = Message<typeof cpuinfo_s390_entry>;

export const cpuinfo_entry = message('cpuinfo_entry', {
  x86_entry: rep.msg(1, () => cpuinfo_x86_entry),
  ppc64_entry: rep.msg(2, () => cpuinfo_ppc64_entry),
  s390_entry: rep.msg(3, () => cpuinfo_s390_entry),
});
export type cpuinfo_entry = Message<typeof cpuinfo_entry>;

export const dump_stats_entry = message('dump_stats_entry', {
  freezing_time: req.uint32(1),
  frozen_time: req.uint32(2),
  memdump_time: req.uint32(3),
  memwrite_time: req.uint32(4),
  pages_scanned: req.uint64(5),
  pages_skipped_parent: req.uint64(6),
  pages_written: req.uint64(7),
  irmap_resolve: opt.uint32(8),
  pages_lazy: req.uint64(9),
  page_pipes: opt.uint64(10),
  page_pipe_bufs: opt.uint64(11),
  shpages_scanned: opt.uint64(12),
  shpages_skipped_parent: opt.uint64(13),
  shpages_written: opt.uint64(14),
});
export type dump_stats_entry = Message<typeof dump_stats_entry>;

export const restore_stats_entry = message('restore_stats_entry', {
  pages_compared: req.uint64(1),
  pages_skipped_cow: req.uint64(2),
  forking_time: req.uint32(3),
  restore_time: req.uint32(4),
  pages_restored: opt.uint64(5),
});
export type restore_stats_entry = Message<typeof restore_stats_entry>;

export const stats_entry = message('stats_entry', {
  dump: opt.msg(1, () => dump_stats_entry),
  restore: opt.msg(2, () => restore_stats_entry),
});
export type stats_entry = Message<typeof stats_entry>;

export const timeval = message('timeval', { tv_sec: req.uint64(1), tv_usec: req.uint64(2) });
export type timeval = Message<typeof timeval>;

export const img_streamer_request_entry = message('img_streamer_request_entry', { filename: req.string(1) });
export type img_streamer_request_entry = Message<typeof img_streamer_request_entry>;

export const img_streamer_reply_entry = message('img_streamer_reply_entry', { exists: req.bool(1) });
export type img_streamer_reply_entry = Message<typeof img_streamer_reply_entry>;
