/**
 * Our own image, `stillframe.img`: what a task is and holds that the CRIU image format has no place for. CRIU ignores the file;
 * a set without it restores like one of CRIU's. New facts are added as optional fields, so old readers go on working;
 * `needs` names what a restorer must understand for the result to be right (not merely poorer).
 */
import { message, opt, rep, req, type Message } from './define.ts';

/** A named anonymous mapping (PR_SET_VMA_ANON_NAME). */
export const sf_vma_name_entry = message('sf_vma_name_entry', {
  start: req.uint64(1, { hex: true }),
  end: req.uint64(2, { hex: true }),
  name: req.string(3),
});
export type sf_vma_name_entry = Message<typeof sf_vma_name_entry>;

/** A range with VmFlags the format loses; `sealed` is mseal(2). */
export const sf_vma_flags_entry = message('sf_vma_flags_entry', {
  start: req.uint64(1, { hex: true }),
  end: req.uint64(2, { hex: true }),
  sealed: opt.bool(3),
  lock_on_fault: opt.bool(4),
});
export type sf_vma_flags_entry = Message<typeof sf_vma_flags_entry>;

/** One thread; units are the kernel's. */
export const sf_thread_entry = message('sf_thread_entry', {
  tid: req.uint32(1),
  /** sched_getaffinity's mask, as the kernel's bytes (little-endian words). */
  affinity: opt.bytes(2),
  /** ioprio_get's value: class << 13 | level. */
  ioprio: opt.uint32(3),
  timer_slack_ns: opt.uint64(4),
  /** sched_attr fields CRIU has no place for. */
  sched_flags: opt.uint64(5, { hex: true }),
  sched_runtime: opt.uint64(6),
  sched_deadline: opt.uint64(7),
  sched_period: opt.uint64(8),
  sched_util_min: opt.uint32(9),
  sched_util_max: opt.uint32(10),
  /** PR_GET_TSC, when it is not PR_TSC_ENABLE. */
  tsc_mode: opt.uint32(11),
  /** PR_GET_IO_FLUSHER. */
  io_flusher: opt.bool(12),
  /** PR_MCE_KILL_GET, when it is not the default. */
  mce_kill: opt.uint32(13),
  /** PR_SPEC_* of PR_SPEC_STORE_BYPASS and PR_SPEC_INDIRECT_BRANCH, when the thread has given up speculation. */
  store_bypass: opt.uint32(14, { hex: true }),
  indirect_branch: opt.uint32(15, { hex: true }),
});
export type sf_thread_entry = Message<typeof sf_thread_entry>;

/** One task, by its pid in the process tree image. */
export const sf_task_entry = message('sf_task_entry', {
  pid: req.uint32(1),
  threads: rep.msg(2, () => sf_thread_entry),
  vma_names: rep.msg(3, () => sf_vma_name_entry),
  vma_flags: rep.msg(4, () => sf_vma_flags_entry),
  /** /proc/PID/coredump_filter. */
  coredump_filter: opt.uint32(5, { hex: true }),
  /** PR_GET_THP_DISABLE's flags, beyond the one bit in mm_entry. */
  thp_flags: opt.uint32(6, { hex: true }),
  /** PR_GET_MDWE. */
  mdwe: opt.uint32(7, { hex: true }),
  /** PR_GET_MEMORY_MERGE. */
  memory_merge: opt.bool(8),
});
export type sf_task_entry = Message<typeof sf_task_entry>;

/** An option set on a socket that the format has no field for; `value` is what getsockopt gave. */
export const sf_sockopt_entry = message('sf_sockopt_entry', { level: req.uint32(1), name: req.uint32(2), value: req.bytes(3) });
export type sf_sockopt_entry = Message<typeof sf_sockopt_entry>;

/**
 * A member of an epoll that the format cannot tell: `tfd` was closed or is another file by now, or another task made it a member. `index` is
 * its place in eventpoll_file_entry.tfd, `file` the member's id in the files image.
 */
export const sf_epoll_entry = message('sf_epoll_entry', { index: req.uint32(1), tfd: req.uint32(2), file: req.uint32(3) });
export type sf_epoll_entry = Message<typeof sf_epoll_entry>;

/** What came with a message waiting in a socket's queue. `index` is its place among those of that socket in sk-queues. */
export const sf_packet_entry = message('sf_packet_entry', {
  index: req.uint32(1),
  /** SCM_CREDENTIALS; a pid of the dumping process's namespace. */
  pid: opt.uint32(2),
  uid: opt.uint32(3),
  gid: opt.uint32(4),
  /** The sender's sun_path, when it had a name. */
  address: opt.bytes(5),
});
export type sf_packet_entry = Message<typeof sf_packet_entry>;

/** Whom a socket names as its peer (SO_PEERCRED). */
export const sf_peer_entry = message('sf_peer_entry', { pid: req.uint32(1), uid: req.uint32(2), gid: req.uint32(3) });
export type sf_peer_entry = Message<typeof sf_peer_entry>;

/** One internet address, as inet_sk_entry has it: one word or four. */
export const sf_address_entry = message('sf_address_entry', { words: rep.uint32(1, { ipadd: true }) });
export type sf_address_entry = Message<typeof sf_address_entry>;

/** A multicast group that a socket is a member of (MCAST_JOIN_GROUP), with its filter (MCAST_MSFILTER). */
export const sf_membership_entry = message('sf_membership_entry', {
  device: req.string(1),
  group: rep.uint32(2, { ipadd: true }),
  /** MCAST_INCLUDE (1): only from `sources`; MCAST_EXCLUDE (0): from all but those. */
  mode: opt.uint32(3),
  sources: rep.msg(4, () => sf_address_entry),
});
export type sf_membership_entry = Message<typeof sf_membership_entry>;

/** What the format has no place for of an internet socket. */
export const sf_inet_entry = message('sf_inet_entry', {
  /** Who made it, when not root: it decides who else may bind a port of its group. */
  uid: opt.uint32(1),
  gid: opt.uint32(2),
  /** The device that a link-local address of its peer belongs to. */
  device: opt.string(3),
  memberships: rep.msg(4, () => sf_membership_entry),
  /** It is an MPTCP socket without a connection, which the format's entry shows as the TCP socket that it can stand in for. */
  mptcp: opt.bool(5),
});
export type sf_inet_entry = Message<typeof sf_inet_entry>;

/** A frame of a packet socket's ring that waits to be read, or a block of one of version 3: its number, and its bytes from its start on. */
export const sf_ring_part_entry = message('sf_ring_part_entry', { index: req.uint32(1), data: req.bytes(2) });
export type sf_ring_part_entry = Message<typeof sf_ring_part_entry>;

/** How often a membership of a packet socket was asked for, and the name of its device: one each of packet_sock_entry.mclist. */
export const sf_packet_member_entry = message('sf_packet_member_entry', { count: req.uint32(1), device: opt.string(2) });
export type sf_packet_member_entry = Message<typeof sf_packet_member_entry>;

/** What the format has no place for of a packet socket. */
export const sf_packet_sock_entry = message('sf_packet_sock_entry', {
  /** Name of the device it is bound to; its number may be another one at the restore. */
  device: opt.string(1),
  members: rep.msg(2, () => sf_packet_member_entry),
  /** Its receive ring: the frame (block) that the kernel fills next, and what waits. */
  next: opt.uint32(3),
  waiting: rep.msg(4, () => sf_ring_part_entry),
});
export type sf_packet_sock_entry = Message<typeof sf_packet_sock_entry>;

/** What a descriptor of /dev/net/tun is attached with (the format keeps it with the network namespace). */
export const sf_tun_entry = message('sf_tun_entry', {
  /** Flags of TUNSETIFF. */
  flags: req.uint32(1, { hex: true }),
  /** TUNGETSNDBUF, TUNGETVNETHDRSZ. */
  sndbuf: req.uint32(2),
  header: req.uint32(3),
  little_endian: opt.bool(4),
  big_endian: opt.bool(5),
});
export type sf_tun_entry = Message<typeof sf_tun_entry>;

/** One open file description, by its id in the files image. */
export const sf_file_entry = message('sf_file_entry', {
  id: req.uint32(1),
  sockopts: rep.msg(2, () => sf_sockopt_entry),
  /** fcntl(F_GET_FILE_RW_HINT) of the description, when set. */
  rw_hint: opt.uint64(3),
  /** A POSIX message queue: its name below /dev/mqueue. */
  mqueue: opt.string(4),
  /** Its flags, where the format's entry has no place for them. */
  open_flags: opt.uint32(5, { hex: true }),
  /** An eventfd made with EFD_SEMAPHORE. */
  semaphore: opt.bool(20),
  epoll: rep.msg(21, () => sf_epoll_entry),
  /** A pipe or fifo in packet mode (O_DIRECT): bytes of each packet that waits, on the reading end that its data was read from. */
  pipe_packets: rep.uint32(22),
  /** A socket's queue. */
  packets: rep.msg(40, () => sf_packet_entry),
  peer: opt.msg(41, () => sf_peer_entry),
  /** A listening socket: inodes of those that wait to be accepted, the first one first. */
  pending: rep.uint32(42),
  /** A datagram socket whose peer has closed (the format says the same of one that somebody else is connected to). */
  orphan: opt.bool(43),
  /** A unix socket that is reached by another name than the one it is bound to, which is gone or another file's: that one, and where it starts if relative. */
  bound: opt.bytes(44),
  bound_dir: opt.string(45),
  /** More names by which it is reached, beside the one that the format's entry has; absolute. */
  names: rep.string(46),
  inet: opt.msg(50, () => sf_inet_entry),
  /** SOCK_* of a netlink socket, when it is not SOCK_RAW. */
  socket_type: opt.uint32(60),
  packet: opt.msg(70, () => sf_packet_sock_entry),
  tun: opt.msg(71, () => sf_tun_entry),
});
export type sf_file_entry = Message<typeof sf_file_entry>;

/** A message waiting in a POSIX message queue, oldest of its priority first. */
export const sf_mq_message_entry = message('sf_mq_message_entry', { priority: req.uint32(1), data: req.bytes(2) });
export type sf_mq_message_entry = Message<typeof sf_mq_message_entry>;

/** A POSIX message queue of the tree's IPC namespace. */
export const sf_mqueue_entry = message('sf_mqueue_entry', {
  name: req.string(1),
  mode: req.uint32(2),
  uid: req.uint32(3),
  gid: req.uint32(4),
  max_messages: req.uint32(5),
  message_size: req.uint32(6),
  messages: rep.msg(7, () => sf_mq_message_entry),
  /** How many messages waited at the dump; they stay in the kernel. */
  waiting: opt.uint32(8),
  /** Its name was removed (mq_unlink). */
  removed: opt.bool(9),
});
export type sf_mqueue_entry = Message<typeof sf_mqueue_entry>;

/** The only record of `stillframe.img`. */
export const stillframe_entry = message('stillframe_entry', {
  /** 1. Raised only when an old reader would do harm. */
  version: req.uint32(1),
  /** Version of the program that wrote the set. */
  writer: opt.string(2),
  tasks: rep.msg(3, () => sf_task_entry),
  files: rep.msg(4, () => sf_file_entry),
  mqueues: rep.msg(5, () => sf_mqueue_entry),
  /** Features a restorer has to know, by name; an unknown one is refused. */
  needs: rep.string(6),
});
export type stillframe_entry = Message<typeof stillframe_entry>;

/** The only record of `hashes-N.img`: the hash of each page of `pages-N.img` follows it, in order, as two 64-bit words, the low one first. */
export const sf_hashes_entry = message('sf_hashes_entry', {
  /** `xxh3-128` (core/pagehash.h). A reader that does not know it takes the file for absent. */
  algorithm: req.string(1),
  page_size: req.uint32(2),
  pages: req.uint64(3),
});
export type sf_hashes_entry = Message<typeof sf_hashes_entry>;
