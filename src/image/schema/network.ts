/** Network namespaces and devices. */
import { enumeration, message, opt, rep, req, type Message } from './define.ts';
import { sysctl_entry } from './namespaces.ts';

export const nd_type = enumeration({ LOOPBACK: 1, VETH: 2, TUN: 3, EXTLINK: 4, VENET: 5, BRIDGE: 6, MACVLAN: 7, SIT: 8 });

export const net_device_entry = message('net_device_entry', {
  type: req.enum(1, nd_type),
  ifindex: req.uint32(2),
  mtu: req.uint32(3),
  flags: req.uint32(4, { hex: true }),
  name: req.string(5),
  tun: opt.msg(6, () => tun_link_entry),
  address: opt.bytes(7),
  conf: rep.int32(8),
  conf4: rep.msg(9, () => sysctl_entry),
  conf6: rep.msg(10, () => sysctl_entry),
  macvlan: opt.msg(11, () => macvlan_link_entry),
  peer_ifindex: opt.uint32(12),
  peer_nsid: opt.uint32(13),
  master: opt.uint32(14),
  sit: opt.msg(15, () => sit_entry),
});
export type net_device_entry = Message<typeof net_device_entry>;

export const netns_id = message('netns_id', { target_ns_id: req.uint32(1), netnsid_value: req.int32(2) });
export type netns_id = Message<typeof netns_id>;

export const netns_entry = message('netns_entry', {
  def_conf: rep.int32(1),
  all_conf: rep.int32(2),
  def_conf4: rep.msg(3, () => sysctl_entry),
  all_conf4: rep.msg(4, () => sysctl_entry),
  def_conf6: rep.msg(5, () => sysctl_entry),
  all_conf6: rep.msg(6, () => sysctl_entry),
  nsids: rep.msg(7, () => netns_id),
  ext_key: opt.string(8),
  unix_conf: rep.msg(9, () => sysctl_entry),
  ipv4_sysctl: rep.msg(10, () => sysctl_entry),
});
export type netns_entry = Message<typeof netns_entry>;

export const macvlan_link_entry = message('macvlan_link_entry', { mode: req.uint32(1), flags: opt.uint32(2) });
export type macvlan_link_entry = Message<typeof macvlan_link_entry>;

export const sit_entry = message('sit_entry', {
  link: opt.uint32(1),
  local: rep.uint32(2, { ipadd: true }),
  remote: rep.uint32(3, { ipadd: true }),
  ttl: opt.uint32(4),
  tos: opt.uint32(5),
  pmtudisc: opt.bool(6),
  proto: opt.uint32(7),
  flags: opt.uint32(8),
  encap_type: opt.uint32(9),
  encap_flags: opt.uint32(10),
  encap_sport: opt.uint32(11),
  encap_dport: opt.uint32(12),
  rd_prefixlen: opt.uint32(13),
  rd_prefix: rep.uint32(14, { ipadd: true }),
  relay_prefixlen: opt.uint32(15),
  relay_prefix: rep.uint32(16, { ipadd: true }),
});
export type sit_entry = Message<typeof sit_entry>;

export const tunfile_entry = message('tunfile_entry', {
  id: req.uint32(1),
  netdev: opt.string(2),
  detached: opt.bool(3),
  ns_id: opt.uint32(4),
});
export type tunfile_entry = Message<typeof tunfile_entry>;

export const tun_link_entry = message('tun_link_entry', {
  flags: req.uint32(1, { hex: true }),
  owner: req.int32(2),
  group: req.int32(3),
  vnethdr: req.uint32(4),
  sndbuf: req.uint32(5),
});
export type tun_link_entry = Message<typeof tun_link_entry>;
