/** Sockets: unix, inet, netlink, packet; their options and queues; TCP streams. */
import { enumeration, message, opt, rep, req, type Message } from './define.ts';
import { fown_entry } from './files.ts';

export const sk_shutdown = enumeration({ NONE: 0, READ: 1, WRITE: 2, BOTH: 3 });

export const sk_opts_entry = message('sk_opts_entry', {
  so_sndbuf: req.uint32(1),
  so_rcvbuf: req.uint32(2),
  so_snd_tmo_sec: req.uint64(3),
  so_snd_tmo_usec: req.uint64(4),
  so_rcv_tmo_sec: req.uint64(5),
  so_rcv_tmo_usec: req.uint64(6),
  reuseaddr: opt.bool(7),
  so_priority: opt.uint32(8),
  so_rcvlowat: opt.uint32(9),
  so_mark: opt.uint32(10),
  so_passcred: opt.bool(11),
  so_passsec: opt.bool(12),
  so_dontroute: opt.bool(13),
  so_no_check: opt.bool(14),
  so_bound_dev: opt.string(15),
  so_filter: rep.fixed64(16),
  so_reuseport: opt.bool(17),
  so_broadcast: opt.bool(18),
  so_keepalive: opt.bool(19),
  tcp_keepcnt: opt.uint32(20),
  tcp_keepidle: opt.uint32(21),
  tcp_keepintvl: opt.uint32(22),
  so_oobinline: opt.uint32(23),
  so_linger: opt.uint32(24),
  so_buf_lock: opt.uint32(25),
});
export type sk_opts_entry = Message<typeof sk_opts_entry>;

export const ip_opts_raw_entry = message('ip_opts_raw_entry', {
  hdrincl: opt.bool(1),
  nodefrag: opt.bool(2),
  checksum: opt.bool(3),
  icmpv_filter: rep.uint32(4),
});
export type ip_opts_raw_entry = Message<typeof ip_opts_raw_entry>;

export const ip_opts_entry = message('ip_opts_entry', {
  freebind: opt.bool(1),
  raw: opt.msg(4, () => ip_opts_raw_entry),
  pktinfo: opt.bool(5),
  tos: opt.uint32(6),
  ttl: opt.uint32(7),
});
export type ip_opts_entry = Message<typeof ip_opts_entry>;

export const inet_sk_entry = message('inet_sk_entry', {
  id: req.uint32(1),
  ino: req.uint32(2),
  family: req.uint32(3, { dict: 'sk' }),
  type: req.uint32(4, { dict: 'sk' }),
  proto: req.uint32(5, { dict: 'sk' }),
  state: req.uint32(6, { dict: 'sk' }),
  src_port: req.uint32(7),
  dst_port: req.uint32(8),
  flags: req.uint32(9, { hex: true }),
  backlog: req.uint32(10),
  src_addr: rep.uint32(11, { ipadd: true }),
  dst_addr: rep.uint32(12, { ipadd: true }),
  fown: req.msg(13, () => fown_entry),
  opts: req.msg(14, () => sk_opts_entry),
  v6only: opt.bool(15),
  ip_opts: opt.msg(16, () => ip_opts_entry),
  ifname: opt.string(17),
  ns_id: opt.uint32(18),
  shutdown: opt.enum(19, sk_shutdown),
  tcp_opts: opt.msg(20, () => tcp_opts_entry),
});
export type inet_sk_entry = Message<typeof inet_sk_entry>;

export const file_perms_entry = message('file_perms_entry', { mode: req.uint32(1), uid: req.uint32(2), gid: req.uint32(3) });
export type file_perms_entry = Message<typeof file_perms_entry>;

export const unix_sk_entry = message('unix_sk_entry', {
  id: req.uint32(1),
  ino: req.uint32(2),
  type: req.uint32(3, { dict: 'sk' }),
  state: req.uint32(4, { dict: 'sk' }),
  flags: req.uint32(5, { hex: true }),
  uflags: req.uint32(6, { hex: true }),
  backlog: req.uint32(7),
  peer: req.uint32(8),
  fown: req.msg(9, () => fown_entry),
  opts: req.msg(10, () => sk_opts_entry),
  name: req.bytes(11, { conv: 'unix_name' }),
  shutdown: opt.enum(12, sk_shutdown),
  file_perms: opt.msg(13, () => file_perms_entry),
  name_dir: opt.string(14),
  deleted: opt.bool(15),
  ns_id: opt.uint32(16),
  mnt_id: opt.sint32(17, { absent: -1 }),
});
export type unix_sk_entry = Message<typeof unix_sk_entry>;

export const netlink_sk_entry = message('netlink_sk_entry', {
  id: req.uint32(1),
  ino: req.uint32(2),
  protocol: req.uint32(3),
  state: req.uint32(4),
  flags: req.uint32(6, { hex: true }),
  portid: req.uint32(7),
  groups: rep.uint32(8),
  dst_portid: req.uint32(9),
  dst_group: req.uint32(10),
  fown: req.msg(11, () => fown_entry),
  opts: req.msg(12, () => sk_opts_entry),
  ns_id: opt.uint32(13),
});
export type netlink_sk_entry = Message<typeof netlink_sk_entry>;

export const packet_mclist = message('packet_mclist', { index: req.uint32(1), type: req.uint32(2), addr: req.bytes(3) });
export type packet_mclist = Message<typeof packet_mclist>;

export const packet_ring = message('packet_ring', {
  block_size: req.uint32(1),
  block_nr: req.uint32(2),
  frame_size: req.uint32(3),
  frame_nr: req.uint32(4),
  retire_tmo: req.uint32(5),
  sizeof_priv: req.uint32(6),
  features: req.uint32(7),
});
export type packet_ring = Message<typeof packet_ring>;

export const packet_sock_entry = message('packet_sock_entry', {
  id: req.uint32(1),
  type: req.uint32(2),
  protocol: req.uint32(3),
  flags: req.uint32(4, { hex: true }),
  ifindex: req.uint32(5),
  fown: req.msg(6, () => fown_entry),
  opts: req.msg(7, () => sk_opts_entry),
  version: req.uint32(8),
  reserve: req.uint32(9),
  aux_data: req.bool(10),
  orig_dev: req.bool(11),
  vnet_hdr: req.bool(12),
  loss: req.bool(13),
  timestamp: req.uint32(14),
  copy_thresh: req.uint32(15),
  mclist: rep.msg(16, () => packet_mclist),
  fanout: opt.uint32(17, { absent: 4294967295 }),
  rx_ring: opt.msg(18, () => packet_ring),
  tx_ring: opt.msg(19, () => packet_ring),
  ns_id: opt.uint32(20),
});
export type packet_sock_entry = Message<typeof packet_sock_entry>;

export const scm_entry = message('scm_entry', { type: req.uint32(1), rights: rep.uint32(2) });
export type scm_entry = Message<typeof scm_entry>;

export const sk_packet_entry = message('sk_packet_entry', {
  id_for: req.uint32(1),
  length: req.uint32(2),
  scm: rep.msg(4, () => scm_entry),
});
export type sk_packet_entry = Message<typeof sk_packet_entry>;

export const tcp_opts_entry = message('tcp_opts_entry', {
  cork: opt.bool(1),
  nodelay: opt.bool(2),
  keepcnt: opt.uint32(3),
  keepidle: opt.uint32(4),
  keepintvl: opt.uint32(5),
});
export type tcp_opts_entry = Message<typeof tcp_opts_entry>;

export const tcp_stream_entry = message('tcp_stream_entry', {
  inq_len: req.uint32(1),
  inq_seq: req.uint32(2),
  outq_len: req.uint32(3),
  outq_seq: req.uint32(4),
  opt_mask: req.uint32(5, { hex: true }),
  snd_wscale: req.uint32(6),
  mss_clamp: req.uint32(7),
  rcv_wscale: opt.uint32(8),
  timestamp: opt.uint32(9),
  cork: opt.bool(10),
  nodelay: opt.bool(11),
  unsq_len: opt.uint32(12),
  snd_wl1: opt.uint32(13),
  snd_wnd: opt.uint32(14),
  max_window: opt.uint32(15),
  rcv_wnd: opt.uint32(16),
  rcv_wup: opt.uint32(17),
});
export type tcp_stream_entry = Message<typeof tcp_stream_entry>;
