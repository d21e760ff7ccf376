/**
 * Internet sockets (AF_INET, AF_INET6). All are made and bound first, each letting its address be used again by the others; then they listen
 * or connect; what they themselves had said about using addresses again comes last.
 */
import { fd_types, type file_entry, type inet_sk_entry, type sf_sockopt_entry } from '../../image/schema/index.ts';
import { METHOD, unlockOf } from '../../network-lock/unlock.ts';
import { rootTask, type FrozenTree, type TcpStream } from '../../image/tree.ts';
import { ownFileOf } from '../../image/tree-own.ts';
import { tcpStateName } from '../../inspect/names.ts';
import { ERRNO } from '../../kernel/errno.ts';
import { ICMP_FILTER, ICMPV6_FILTER, IP, IPPROTO, IPV6, SOL, TCP, TCP_STATE } from '../../kernel/inet.ts';
import { AF, SO, SOCK, SOL_SOCKET } from '../../kernel/sockets.ts';
import type { Arg, Program, ResultRef } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import type { HelperFd } from '../../restore/helper-fd.ts';
import type { FileKind } from '../../restore/kinds.ts';
import { addStatusFlags } from '../../restore/status-flags.ts';
import { addOptions } from '../socket/options-restore.ts';
import { describeAddresses, encodeAddress, wordsOf } from './address.ts';
import { addMemberships, checkMembership } from './multicast-restore.ts';
import { addConnection, addStart, type AddressOf, type Connection } from './stream-restore.ts';
import { addDeviceIndex } from '../socket/device.ts';

interface Socket {
  readonly file: file_entry;
  readonly entry: inet_sk_entry;
  readonly held: HelperFd;
  /** It is a connection and stays one. */
  readonly connection?: Connection;
}
const made = new WeakMap<RestoreContext, Socket[]>();

const isV6 = ({ family }: inet_sk_entry): boolean => family === AF.INET6;
const isTcp = ({ type, proto }: inet_sk_entry): boolean => type === SOCK.STREAM && proto === IPPROTO.TCP;
/** It has, or had, a peer. */
export const isConnection = (entry: inet_sk_entry): boolean => isTcp(entry) && entry.dst_port !== 0;
const HOW: Readonly<Record<number, number>> = { 1: 0, 2: 1, 3: 2 };
const SHUT_RDWR = 2;

export function describeInet(entry: inet_sk_entry): string {
  const peer = entry.dst_port === 0 ? undefined : { words: entry.dst_addr, port: entry.dst_port };
  const state = !isTcp(entry) ? '' : entry.state === TCP_STATE.LISTEN ? ', listening' : entry.state === TCP_STATE.CLOSE ? '' : `, ${tcpStateName(entry.state)}`;
  return `${describeAddresses(entry.type, entry.proto, { words: entry.src_addr, port: entry.src_port }, peer)}${state}`;
}

export const inetSockets: FileKind = {
  types: [fd_types.INETSK],
  describe: ({ id, isk }) => (isk === undefined ? `inet socket ${id}` : describeInet(isk)),
  check(files, context) { for (const file of files) check(file, context); },
  open(files, context) {
    const sockets: Socket[] = [];
    for (const file of files) if (file.isk !== undefined) sockets.push(make(file, file.isk, context));
    made.set(context, sockets);
  },
  settle(context) {
    const sockets = made.get(context) ?? [];
    openNetwork(sockets, context);
    for (const one of sockets) join(one, context);
    for (const one of sockets) finish(one, context);
  },
};

function check({ id, isk }: file_entry, context: RestoreContext): void {
  const damaged = 'The image is damaged: take another';
  if (isk === undefined) {
    context.refuse(`file ${id}`, 'its record in files.img has no internet socket in it', damaged);
    return;
  }
  const where = `file ${id} (${describeInet(isk)})`;
  const { family, type, src_addr, dst_addr, src_port, dst_port, state, backlog } = isk;
  if (family !== AF.INET && family !== AF.INET6) {
    context.refuse(where, `its family ${family} is not one of AF_INET and AF_INET6`, damaged);
    return;
  }
  if (type !== SOCK.STREAM && type !== SOCK.DGRAM && type !== SOCK.RAW) context.refuse(where, `its type ${type} is not one of stream, dgram and raw`, damaged);
  if (src_addr.length < wordsOf(family) || dst_addr.length < wordsOf(family)) context.refuse(where, 'one of its addresses is too short for its family', damaged);
  if (src_port > 0xffff || dst_port > 0xffff) context.refuse(where, 'one of its ports is above 65535', damaged);
  if (state === TCP_STATE.LISTEN && !isTcp(isk)) context.refuse(where, 'it listens, and is no TCP socket', damaged);
  if (state === TCP_STATE.LISTEN && backlog > 0x7fff_ffff) context.refuse(where, `its backlog ${backlog} is no number of connections`, damaged);
  const own = ownFileOf(context.tree, id)?.inet;
  if (own?.mptcp === true && !isTcp(isk)) context.refuse(where, 'stillframe.img has it as an MPTCP socket, and it is no TCP socket', damaged);
  for (const one of own?.memberships ?? []) {
    const why = checkMembership(one);
    if (why !== undefined) context.refuse(where, why, damaged);
  }
  if (isConnection(isk)) checkConnection(isk, where, context);
}

/** The kernel takes no scale above 14 (RFC 7323). */
const LARGEST_SCALE = 14;

function checkStream(stream: TcpStream | undefined, inode: number, where: string, context: RestoreContext): void {
  const file = `tcp-stream-${inode.toString(16)}.img`;
  if (stream === undefined) {
    context.refuse(where, `${file} is missing`, 'The set is incomplete: copy all of its files. Or it was dumped with --tcp-close: restore it with that option, too');
    return;
  }
  const { inq, outq, entry } = stream;
  const damaged = 'The image is damaged: take another';
  if (inq.size !== entry.inq_len || outq.size !== entry.outq_len) context.refuse(where, `${file} holds other queues than it says`, damaged);
  if ((entry.unsq_len ?? 0) > entry.outq_len) context.refuse(where, `${file} says that more was not sent than waits to be`, damaged);
  if (entry.snd_wscale > LARGEST_SCALE || (entry.rcv_wscale ?? 0) > LARGEST_SCALE) context.refuse(where, `${file} has a window scale above ${LARGEST_SCALE}`, damaged);
}

function checkConnection({ state, ino }: inet_sk_entry, where: string, context: RestoreContext): void {
  if (context.options.tcpClose === true) return;
  const stream = context.tree.tcp_streams.get(ino);
  if (state === TCP_STATE.CLOSE && stream === undefined) return;
  if (context.options.tcpEstablished === true || state === TCP_STATE.CLOSE) checkStream(stream, ino, where, context);
  else context.refuse(where, 'it is a TCP connection', 'Restore it with --tcp-established, or let the program find it closed with --tcp-close');
}

/** Before the first connection speaks, the lock that the dump left goes. */
function openNetwork(sockets: readonly Socket[], context: RestoreContext): void {
  const { inventory } = context.tree;
  const connections = sockets.filter(({ entry }) => isConnection(entry) && entry.state !== TCP_STATE.CLOSE);
  if (connections.length === 0) return;
  const id = inventory.dump_criu_run_id ?? String(rootTask(context.tree)?.pid ?? 0);
  const { steps, command } = unlockOf(inventory.network_lock_method ?? METHOD.iptables, id, connections.map(({ entry: { family, src_addr, src_port, dst_addr, dst_port } }) => ({
    family, local: { words: src_addr, port: src_port }, peer: { words: dst_addr, port: dst_port },
  })));
  steps?.(context.final);
  context.finalCommand = command;
}

const number = (p: Program, value: number): Arg => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0, 0);
  return p.data(bytes, 4);
};

function set(p: Program, fd: Arg, level: number, name: number, value: number): void {
  p.call('setsockopt', [fd, level, name, number(p, value), 4], { keep: false, remedy: { EPERM: 'It needs CAP_NET_ADMIN: run the restore as root' } });
}

function at(p: Program, { id }: file_entry, entry: inet_sk_entry): void {
  p.resource(`file ${id} (${describeInet(entry)})`);
}

/** Ports of which some socket of the tree may be one of several: others there may have been so when they were bound, and not any more. */
function sharesPort({ src_port, type }: inet_sk_entry, { tree }: RestoreContext): boolean {
  let ports = sharedPorts.get(tree);
  if (ports === undefined) sharedPorts.set(tree, ports = new Set([...tree.files.values()].flatMap(({ isk }) => (isk?.opts.so_reuseport === true ? [isk.src_port] : []))));
  return src_port !== 0 && type !== SOCK.RAW && ports.has(src_port);
}
const sharedPorts = new WeakMap<FrozenTree, ReadonlySet<number>>();

/** After it no filter can be set. */
const locksFilter = ({ level, name }: sf_sockopt_entry): boolean => level === SOL_SOCKET && name === SO.LOCK_FILTER;

/** A socket under its address. */
function make(file: file_entry, entry: inet_sk_entry, context: RestoreContext): Socket {
  const p = context.local.program;
  at(p, file, entry);
  const own = ownFileOf(context.tree, file.id);
  const fd = p.call('socket', [entry.family, entry.type | SOCK.CLOEXEC, own?.inet?.mptcp === true ? IPPROTO.MPTCP : entry.proto], {
    remedy: { EPERM: 'It needs CAP_NET_RAW: run the restore as root', EACCES: 'Its protocol is not for everybody here: net.ipv4.ping_group_range says for whom', EPROTONOSUPPORT: 'This kernel was built without that protocol, or its module is not loaded', ENOPROTOOPT: 'MPTCP is switched off here: sysctl net.mptcp.enabled=1' },
  });
  if (own?.inet?.uid !== undefined || own?.inet?.gid !== undefined) p.call('fchown', [fd, own.inet.uid ?? 0, own.inet.gid ?? 0], { keep: false });
  if (isV6(entry) && entry.type !== SOCK.RAW) set(p, fd, SOL.IPV6, IPV6.V6ONLY, entry.v6only === true ? 1 : 0);
  set(p, fd, SOL_SOCKET, SO.REUSEADDR, 1);
  if (entry.opts.so_reuseport === true || sharesPort(entry, context)) set(p, fd, SOL_SOCKET, SO.REUSEPORT, 1);
  if (entry.opts.so_bound_dev !== undefined) {
    p.call('setsockopt', [fd, SOL_SOCKET, SO.BINDTODEVICE, p.cstring(entry.opts.so_bound_dev), entry.opts.so_bound_dev.length + 1], { keep: false, remedy: { ENODEV: `There is no network device ${entry.opts.so_bound_dev} here` } });
  }
  for (const { level, name, value } of own?.sockopts.filter((option) => !locksFilter(option)) ?? []) {
    p.call('setsockopt', [fd, level, name, p.data(value), value.length], { keep: false, remedy: { ENOENT: 'This kernel does not know its congestion control: load that module', ENOPROTOOPT: 'This kernel is older than the one of the dump' } });
  }
  const connection = connectionOf(entry, context);
  if (connection !== undefined) addConnection(p, fd, connection, addressesOf(fd, entry, own?.inet?.device));
  else if (!isConnection(entry) && entry.src_port !== 0) addBind(p, fd, entry);
  const held = context.local.open(describeInet(entry), fd);
  context.files.set(file.id, held);
  return { file, entry, held, connection };
}

/** Undefined for what is no connection, is to be found closed, or is over and has nothing to be read. */
function connectionOf(entry: inet_sk_entry, { options, tree }: RestoreContext): Connection | undefined {
  const stream = tree.tcp_streams.get(entry.ino);
  if (!isConnection(entry) || options.tcpClose === true || stream === undefined || (entry.state === TCP_STATE.CLOSE && stream.entry.inq_len === 0)) return undefined;
  return { entry, stream };
}

function addressesOf(fd: Arg, entry: inet_sk_entry, device: string | undefined): AddressOf {
  return (p, end) => (end === 'local' ? addAddress(p, fd, entry.family, entry.src_addr, entry.src_port, entry.ifname) : addAddress(p, fd, entry.family, entry.dst_addr, entry.dst_port, device));
}

/** An IPv6 address that was just given to a device cannot be bound at first, but with FREEBIND (RFC 4862: it is tentative). */
function addBind(p: Program, fd: ResultRef, entry: inet_sk_entry): void {
  const freebind = entry.ip_opts?.freebind === true;
  if (entry.type === SOCK.RAW && (entry.src_addr.every((word) => word === 0))) return;
  if (isV6(entry)) set(p, fd, SOL.IPV6, IPV6.FREEBIND, 1);
  else if (freebind) set(p, fd, SOL.IP, IP.FREEBIND, 1);
  const address = addAddress(p, fd, entry.family, entry.src_addr, entry.src_port, entry.ifname);
  const what = entry.type === SOCK.STREAM ? 't' : 'u';
  p.call('bind', [fd, address.at, address.size], {
    keep: false,
    remedy: {
      EADDRINUSE: `Another process owns that port: 'ss -l${what}np sport = :${entry.src_port}' names it`,
      EADDRNOTAVAIL: 'This machine does not have that address: give it to a device first (ip address add)',
      EACCES: 'Ports of the system need CAP_NET_BIND_SERVICE: run the restore as root',
    },
  });
  if (isV6(entry) && !freebind) set(p, fd, SOL.IPV6, IPV6.FREEBIND, 0);
}

function addAddress(p: Program, fd: Arg, family: number, words: readonly number[], port: number, device: string | undefined): { readonly at: ReturnType<Program['data']>; readonly size: number } {
  const bytes = encodeAddress(family, { words, port });
  const place = p.data(bytes);
  if (device !== undefined && family === AF.INET6) {
    addDeviceIndex(p, fd, place.at(24), device, { ENODEV: `There is no network device ${device} here` });
  }
  return { at: place, size: bytes.length };
}

/** Listens, or connects: every socket of the tree is bound by now. */
function join({ file, entry, held, connection }: Socket, context: RestoreContext): void {
  if (connection !== undefined) return;
  const p = context.local.program;
  at(p, file, entry);
  if (isConnection(entry)) {
    p.call('shutdown', [held.ref, SHUT_RDWR], { expect: { orErrno: ERRNO.ENOTCONN }, keep: false });
  } else if (entry.state === TCP_STATE.LISTEN) {
    p.call('listen', [held.ref, entry.backlog], { keep: false, remedy: { EADDRINUSE: `Another process listens there: 'ss -ltnp sport = :${entry.src_port}' names it` } });
  } else if (entry.dst_port !== 0) {
    const device = ownFileOf(context.tree, file.id)?.inet?.device;
    const address = addAddress(p, held.ref, entry.family, entry.dst_addr, entry.dst_port, device);
    p.call('connect', [held.ref, address.at, address.size], { keep: false, remedy: { ENETUNREACH: 'There is no route to its peer here: add one', EADDRNOTAVAIL: 'This machine does not have its address' } });
  }
}

function finish({ file, entry, held, connection }: Socket, context: RestoreContext): void {
  const p = context.local.program;
  at(p, file, entry);
  const fd = held.ref;
  addIpOptions(p, fd, entry);
  const own = ownFileOf(context.tree, file.id);
  addOptions(p, fd, entry.opts, own?.sockopts.filter(locksFilter), { noLock: own?.inet?.mptcp === true });
  addMemberships(p, fd, own?.inet?.memberships ?? []);
  if (isTcp(entry)) addTcpOptions(p, fd, entry);
  const how = HOW[entry.shutdown ?? 0];
  if (how !== undefined && !isConnection(entry)) p.call('shutdown', [fd, how], { expect: { orErrno: ERRNO.ENOTCONN }, keep: false });
  if (entry.opts.reuseaddr !== true && connection === undefined) set(p, fd, SOL_SOCKET, SO.REUSEADDR, 0);
  if (entry.opts.so_reuseport !== true && sharesPort(entry, context)) set(p, fd, SOL_SOCKET, SO.REUSEPORT, 0);
  addStatusFlags(p, fd, entry.flags);
  if (connection === undefined) return;
  at(context.final, file, entry);
  addStart(context.final, held.arg, connection, addressesOf(held.arg, entry, own?.inet?.device));
}

function addIpOptions(p: Program, fd: Arg, entry: inet_sk_entry): void {
  const { ip_opts: ip } = entry;
  if (ip === undefined) return;
  const v6 = isV6(entry);
  if (ip.freebind === true) set(p, fd, v6 ? SOL.IPV6 : SOL.IP, v6 ? IPV6.FREEBIND : IP.FREEBIND, 1);
  if (ip.pktinfo === true) set(p, fd, v6 ? SOL.IPV6 : SOL.IP, v6 ? IPV6.RECVPKTINFO : IP.PKTINFO, 1);
  if (!v6 && ip.tos !== undefined) set(p, fd, SOL.IP, IP.TOS, ip.tos);
  if (!v6 && ip.ttl !== undefined) set(p, fd, SOL.IP, IP.TTL, ip.ttl);
  const { raw } = ip;
  if (raw === undefined) return;
  if (raw.nodefrag === true) set(p, fd, SOL.IP, IP.NODEFRAG, 1);
  if (raw.hdrincl !== undefined) set(p, fd, v6 ? SOL.IPV6 : SOL.IP, v6 ? IPV6.HDRINCL : IP.HDRINCL, raw.hdrincl ? 1 : 0);
  if (raw.icmpv_filter.length > 0) {
    const bytes = Buffer.alloc(raw.icmpv_filter.length * 4);
    raw.icmpv_filter.forEach((word, i) => bytes.writeUInt32LE(word, i * 4));
    p.call('setsockopt', [fd, v6 ? SOL.ICMPV6 : SOL.RAW, v6 ? ICMPV6_FILTER : ICMP_FILTER, p.data(bytes), bytes.length], { keep: false });
  }
}

function addTcpOptions(p: Program, fd: Arg, { tcp_opts: tcp, opts }: inet_sk_entry): void {
  const [keepcnt, keepidle, keepintvl] = [tcp?.keepcnt ?? opts.tcp_keepcnt, tcp?.keepidle ?? opts.tcp_keepidle, tcp?.keepintvl ?? opts.tcp_keepintvl];
  if (keepcnt !== undefined) set(p, fd, SOL.TCP, TCP.KEEPCNT, keepcnt);
  if (keepidle !== undefined) set(p, fd, SOL.TCP, TCP.KEEPIDLE, keepidle);
  if (keepintvl !== undefined) set(p, fd, SOL.TCP, TCP.KEEPINTVL, keepintvl);
  if (tcp?.nodelay === true) set(p, fd, SOL.TCP, TCP.NODELAY, 1);
  if (tcp?.cork === true) set(p, fd, SOL.TCP, TCP.CORK, 1);
}
