/** Open files: descriptor tables, descriptions, regular files, ghost files, locks, file handles. */
import { enumeration, message, opt, rep, req, type Message } from './define.ts';
import { bpfmap_file_entry, eventfd_file_entry, eventpoll_file_entry, fanotify_file_entry, fifo_entry, inotify_file_entry, ns_file_entry, pidfd_entry, pipe_entry, signalfd_entry, timerfd_entry } from './fd-kinds.ts';
import { memfd_file_entry } from './memory.ts';
import { tunfile_entry } from './network.ts';
import { timeval } from './set.ts';
import { inet_sk_entry, netlink_sk_entry, packet_sock_entry, unix_sk_entry } from './sockets.ts';
import { tty_file_entry } from './ttys.ts';

export const fd_types = enumeration({
  UND: 0, REG: 1, PIPE: 2, FIFO: 3, INETSK: 4, UNIXSK: 5, EVENTFD: 6, EVENTPOLL: 7, INOTIFY: 8, SIGNALFD: 9,
  PACKETSK: 10, TTY: 11, FANOTIFY: 12, NETLINKSK: 13, NS: 14, TUNF: 15, EXT: 16, TIMERFD: 17, MEMFD: 18, BPFMAP: 19,
  PIDFD: 20, CTL_TTY: 65534, AUTOFS_PIPE: 65535,
});

export const fdinfo_entry = message('fdinfo_entry', {
  id: req.uint32(1),
  flags: req.uint32(2),
  type: req.enum(3, fd_types),
  fd: req.uint32(4),
  xattr_security_selinux: opt.string(5),
});
export type fdinfo_entry = Message<typeof fdinfo_entry>;

export const file_entry = message('file_entry', {
  type: req.enum(1, fd_types),
  id: req.uint32(2),
  reg: opt.msg(3, () => reg_file_entry),
  isk: opt.msg(4, () => inet_sk_entry),
  nsf: opt.msg(5, () => ns_file_entry),
  psk: opt.msg(6, () => packet_sock_entry),
  nlsk: opt.msg(7, () => netlink_sk_entry),
  efd: opt.msg(8, () => eventfd_file_entry),
  epfd: opt.msg(9, () => eventpoll_file_entry),
  sgfd: opt.msg(10, () => signalfd_entry),
  tunf: opt.msg(11, () => tunfile_entry),
  tfd: opt.msg(12, () => timerfd_entry),
  ify: opt.msg(13, () => inotify_file_entry),
  ffy: opt.msg(14, () => fanotify_file_entry),
  ext: opt.msg(15, () => ext_file_entry),
  usk: opt.msg(16, () => unix_sk_entry),
  fifo: opt.msg(17, () => fifo_entry),
  pipe: opt.msg(18, () => pipe_entry),
  tty: opt.msg(19, () => tty_file_entry),
  memfd: opt.msg(20, () => memfd_file_entry),
  bpf: opt.msg(21, () => bpfmap_file_entry),
  pidfd: opt.msg(22, () => pidfd_entry),
});
export type file_entry = Message<typeof file_entry>;

export const reg_file_entry = message('reg_file_entry', {
  id: req.uint32(1),
  flags: req.uint32(2, { flags: 'rfile.flags' }),
  pos: req.uint64(3),
  fown: req.msg(5, () => fown_entry),
  name: req.string(6),
  mnt_id: opt.sint32(7, { absent: -1 }),
  size: opt.uint64(8),
  ext: opt.bool(9),
  mode: opt.uint32(10),
  build_id: rep.uint32(11),
  checksum: opt.uint32(12),
  checksum_config: opt.uint32(13),
  checksum_parameter: opt.uint32(14),
});
export type reg_file_entry = Message<typeof reg_file_entry>;

export const fown_entry = message('fown_entry', {
  uid: req.uint32(1),
  euid: req.uint32(2),
  signum: req.uint32(3),
  pid_type: req.uint32(4),
  pid: req.uint32(5),
});
export type fown_entry = Message<typeof fown_entry>;

export const fs_entry = message('fs_entry', { cwd_id: req.uint32(1), root_id: req.uint32(2), umask: opt.uint32(3) });
export type fs_entry = Message<typeof fs_entry>;

export const ghost_file_entry = message('ghost_file_entry', {
  uid: req.uint32(1),
  gid: req.uint32(2),
  mode: req.uint32(3),
  dev: opt.uint32(4, { dev: true }),
  ino: opt.uint64(5),
  rdev: opt.uint32(6, { dev: true, odev: true }),
  atim: opt.msg(7, () => timeval),
  mtim: opt.msg(8, () => timeval),
  chunks: opt.bool(9),
  size: opt.uint64(10),
  symlnk_target: opt.string(11),
});
export type ghost_file_entry = Message<typeof ghost_file_entry>;

export const ghost_chunk_entry = message('ghost_chunk_entry', { len: req.uint64(1), off: req.uint64(2) });
export type ghost_chunk_entry = Message<typeof ghost_chunk_entry>;

export const remap_type = enumeration({ LINKED: 0, GHOST: 1, PROCFS: 2 });

export const remap_file_path_entry = message('remap_file_path_entry', {
  orig_id: req.uint32(1),
  remap_id: req.uint32(2),
  remap_type: opt.enum(3, remap_type),
});
export type remap_file_path_entry = Message<typeof remap_file_path_entry>;

export const ext_file_entry = message('ext_file_entry', { id: req.uint32(1), fown: req.msg(5, () => fown_entry) });
export type ext_file_entry = Message<typeof ext_file_entry>;

export const file_lock_entry = message('file_lock_entry', {
  flag: req.uint32(1),
  type: req.uint32(2),
  pid: req.int32(3),
  fd: req.int32(4),
  start: req.int64(5),
  len: req.int64(6),
});
export type file_lock_entry = Message<typeof file_lock_entry>;

export const fh_entry_sizes = enumeration({ min_entries: 16 });

export const fh_entry = message('fh_entry', {
  bytes: req.uint32(1),
  type: req.uint32(2),
  handle: rep.uint64(3),
  path: opt.string(4),
  mnt_id: opt.uint32(5),
});
export type fh_entry = Message<typeof fh_entry>;

export const irmap_cache_entry = message('irmap_cache_entry', {
  dev: req.uint32(1, { dev: true, odev: true }),
  inode: req.uint64(2),
  path: req.string(3),
});
export type irmap_cache_entry = Message<typeof irmap_cache_entry>;
