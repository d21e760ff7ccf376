/** Kinds of descriptor with an image message of their own, other than regular files, terminals and sockets. */
import { enumeration, message, opt, rep, req, type Message } from './define.ts';
import { fh_entry, fown_entry } from './files.ts';

export const pipe_entry = message('pipe_entry', {
  id: req.uint32(1),
  pipe_id: req.uint32(2),
  flags: req.uint32(3, { hex: true }),
  fown: req.msg(4, () => fown_entry),
});
export type pipe_entry = Message<typeof pipe_entry>;

export const pipe_data_entry = message('pipe_data_entry', { pipe_id: req.uint32(1), bytes: req.uint32(2), size: opt.uint32(3) });
export type pipe_data_entry = Message<typeof pipe_data_entry>;

export const fifo_entry = message('fifo_entry', { id: req.uint32(1), pipe_id: req.uint32(2), regf_id: opt.uint32(3) });
export type fifo_entry = Message<typeof fifo_entry>;

export const eventfd_file_entry = message('eventfd_file_entry', {
  id: req.uint32(1),
  flags: req.uint32(2),
  fown: req.msg(3, () => fown_entry),
  counter: req.uint64(4),
});
export type eventfd_file_entry = Message<typeof eventfd_file_entry>;

export const eventpoll_tfd_entry = message('eventpoll_tfd_entry', {
  id: req.uint32(1),
  tfd: req.uint32(2),
  events: req.uint32(3),
  data: req.uint64(4),
  dev: opt.uint32(5),
  inode: opt.uint64(6),
  pos: opt.uint64(7),
});
export type eventpoll_tfd_entry = Message<typeof eventpoll_tfd_entry>;

export const eventpoll_file_entry = message('eventpoll_file_entry', {
  id: req.uint32(1),
  flags: req.uint32(2),
  fown: req.msg(3, () => fown_entry),
  tfd: rep.msg(4, () => eventpoll_tfd_entry),
});
export type eventpoll_file_entry = Message<typeof eventpoll_file_entry>;

export const signalfd_entry = message('signalfd_entry', {
  id: req.uint32(1),
  flags: req.uint32(2, { hex: true }),
  fown: req.msg(3, () => fown_entry),
  sigmask: req.uint64(4, { hex: true }),
});
export type signalfd_entry = Message<typeof signalfd_entry>;

export const timerfd_entry = message('timerfd_entry', {
  id: req.uint32(1),
  flags: req.uint32(2, { hex: true }),
  fown: req.msg(3, () => fown_entry),
  clockid: req.uint32(4),
  ticks: req.uint64(5),
  settime_flags: req.uint32(6, { hex: true }),
  vsec: req.uint64(7),
  vnsec: req.uint64(8),
  isec: req.uint64(9),
  insec: req.uint64(10),
});
export type timerfd_entry = Message<typeof timerfd_entry>;

export const mark_type = enumeration({ INODE: 1, MOUNT: 2 });

export const inotify_wd_entry = message('inotify_wd_entry', {
  id: req.uint32(1),
  i_ino: req.uint64(2),
  mask: req.uint32(3, { hex: true }),
  ignored_mask: req.uint32(4, { hex: true }),
  s_dev: req.uint32(5, { dev: true }),
  wd: req.uint32(6),
  f_handle: req.msg(7, () => fh_entry),
});
export type inotify_wd_entry = Message<typeof inotify_wd_entry>;

export const inotify_file_entry = message('inotify_file_entry', {
  id: req.uint32(1),
  flags: req.uint32(2, { hex: true }),
  fown: req.msg(4, () => fown_entry),
  wd: rep.msg(5, () => inotify_wd_entry),
});
export type inotify_file_entry = Message<typeof inotify_file_entry>;

export const fanotify_inode_mark_entry = message('fanotify_inode_mark_entry', {
  i_ino: req.uint64(1),
  f_handle: req.msg(2, () => fh_entry),
});
export type fanotify_inode_mark_entry = Message<typeof fanotify_inode_mark_entry>;

export const fanotify_mount_mark_entry = message('fanotify_mount_mark_entry', { mnt_id: req.uint32(1), path: opt.string(2) });
export type fanotify_mount_mark_entry = Message<typeof fanotify_mount_mark_entry>;

export const fanotify_mark_entry = message('fanotify_mark_entry', {
  id: req.uint32(1),
  type: req.enum(2, mark_type),
  mflags: req.uint32(3, { hex: true }),
  mask: req.uint32(4, { hex: true }),
  ignored_mask: req.uint32(5, { hex: true }),
  s_dev: req.uint32(6, { dev: true }),
  ie: opt.msg(7, () => fanotify_inode_mark_entry),
  me: opt.msg(8, () => fanotify_mount_mark_entry),
});
export type fanotify_mark_entry = Message<typeof fanotify_mark_entry>;

export const fanotify_file_entry = message('fanotify_file_entry', {
  id: req.uint32(1),
  flags: req.uint32(2, { hex: true }),
  fown: req.msg(3, () => fown_entry),
  faflags: req.uint32(4, { hex: true }),
  evflags: req.uint32(5, { hex: true }),
  mark: rep.msg(6, () => fanotify_mark_entry),
});
export type fanotify_file_entry = Message<typeof fanotify_file_entry>;

export const pidfd_entry = message('pidfd_entry', {
  id: req.uint32(1),
  ino: req.uint32(2),
  flags: req.uint32(3),
  nspid: req.int32(4),
  fown: req.msg(5, () => fown_entry),
});
export type pidfd_entry = Message<typeof pidfd_entry>;

export const bpfmap_file_entry = message('bpfmap_file_entry', {
  id: req.uint32(1),
  flags: req.uint32(2, { flags: 'rfile.flags' }),
  pos: req.uint64(3),
  fown: req.msg(4, () => fown_entry),
  map_type: req.uint32(5),
  key_size: req.uint32(6),
  value_size: req.uint32(7),
  map_id: req.uint32(8),
  max_entries: req.uint32(9),
  map_flags: req.uint32(10),
  memlock: req.uint64(11),
  frozen: req.bool(12),
  map_name: req.string(13),
  ifindex: req.uint32(14),
  mnt_id: opt.sint32(15, { absent: -1 }),
  map_extra: opt.uint64(16),
});
export type bpfmap_file_entry = Message<typeof bpfmap_file_entry>;

export const bpfmap_data_entry = message('bpfmap_data_entry', {
  map_id: req.uint32(1),
  keys_bytes: req.uint32(2),
  values_bytes: req.uint32(3),
  count: req.uint32(4),
});
export type bpfmap_data_entry = Message<typeof bpfmap_data_entry>;

export const ns_file_entry = message('ns_file_entry', {
  id: req.uint32(1),
  ns_id: req.uint32(2),
  ns_cflag: req.uint32(3),
  flags: req.uint32(4),
});
export type ns_file_entry = Message<typeof ns_file_entry>;
