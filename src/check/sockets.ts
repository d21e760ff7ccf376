/** Host features that dumping and restoring sockets and network namespaces need. */
import { spawnSync } from 'node:child_process';
import { ERRNO } from '../kernel/errno.ts';
import { IOC, NS, SK } from '../kernel/probes.ts';
import { Cond, Op, type DataRef, type Program, type ResultRef } from '../program/program.ts';
import { addBatch, lockMessage, tellErrno } from '../network-lock/nftables.ts';
import type { Feature } from './feature.ts';
import { LOOPBACK, missing, struct, words, type Host } from './host.ts';

/** A netlink message: struct nlmsghdr before `body`. */
function message(type: number, flags: number, body: Buffer): Buffer {
  return Buffer.concat([struct([4, 16 + body.length], [2, type], [2, SK.NLM_F_REQUEST | flags], [4, 1], [4, 0]), body]);
}

/** A netlink attribute, padded. */
function attribute(type: number, value: Buffer): Buffer {
  const length = 4 + value.length;
  return Buffer.concat([struct([2, length], [2, type]), value, Buffer.alloc((4 - (length % 4)) % 4)]);
}

/** Asks netlink; returns the first answer. @param patch writes what is only known in the program into the request */
function ask(host: Host, protocol: number, request: Buffer): Buffer {
  let reply: DataRef | undefined;
  let size: ResultRef | undefined;
  const ran = host.run((p) => { ({ reply, size } = exchange(p, protocol, p.data(request), request.length)); });
  return ran.data(reply!).subarray(0, Number(ran.result(size!)));
}

function exchange(p: Program, protocol: number, request: DataRef, length: number): { reply: DataRef; size: ResultRef } {
  const socket = p.call('socket', [SK.AF_NETLINK, SK.RAW, protocol]);
  p.call('sendto', [socket, request, length, 0, 0, 0]);
  const reply = p.reserve(16384);
  return { reply, size: p.call('recvfrom', [socket, reply, 16384, 0, 0, 0]) };
}

/** The errno of an NLMSG_ERROR answer; 0 for an acknowledgement; undefined when the answer is none. */
function errorOf(reply: Buffer): number | undefined {
  return reply.length >= 20 && reply.readUInt16LE(4) === SK.NLMSG_ERROR ? -reply.readInt32LE(16) : undefined;
}

/** A dump request to sock_diag for a family (and protocol) must be answered with anything but an error. */
function diag(host: Host, what: string, body: Buffer): void {
  const error = errorOf(ask(host, SK.NETLINK_SOCK_DIAG, message(SK.SOCK_DIAG_BY_FAMILY, SK.NLM_F_DUMP, body)));
  if (error !== undefined && error !== 0) throw missing(`sock_diag does not list ${what} sockets: errno ${error}`);
}

/** struct inet_diag_req_v2: family, protocol, ext, pad, states, then the id (48 bytes). */
const inetDiag = (family: number, protocol: number): Buffer => Buffer.concat([struct([1, family], [1, protocol], [1, 0], [1, 0], [4, -1]), Buffer.alloc(48)]);

export const SOCKET_FEATURES: readonly Feature[] = [
  {
    name: 'sock_diag', level: 'extra', needed: 'any kind of socket', from: 'CONFIG_UNIX_DIAG, CONFIG_INET_TCP_DIAG, CONFIG_INET_UDP_DIAG, CONFIG_NETLINK_DIAG, CONFIG_PACKET_DIAG',
    probe(host) {
      diag(host, 'unix', struct([1, SK.AF_UNIX], [1, 0], [2, 0], [4, -1], [4, 0], [4, 0], [4, -1], [4, -1]));
      diag(host, 'TCP', inetDiag(SK.AF_INET, SK.IPPROTO_TCP));
      diag(host, 'UDP', inetDiag(SK.AF_INET, SK.IPPROTO_UDP));
      diag(host, 'netlink', struct([1, SK.AF_NETLINK], [1, 255], [2, 0], [4, 0], [4, 0], [4, -1], [4, -1]));
      diag(host, 'packet', struct([1, SK.AF_PACKET], [1, 0], [2, 0], [4, 0], [4, 0], [4, -1], [4, -1]));
    },
  },
  {
    name: 'net_diag_raw', level: 'extra', needed: 'raw sockets', from: 'Linux 4.10 with CONFIG_INET_RAW_DIAG',
    probe(host) {
      diag(host, 'raw IPv4', inetDiag(SK.AF_INET, SK.IPPROTO_RAW));
      diag(host, 'raw IPv6', inetDiag(SK.AF_INET6, SK.IPPROTO_RAW));
    },
  },
  {
    name: 'sock_peek_off', level: 'extra', needed: 'data queued in unix sockets', from: 'Linux 3.4',
    probe(host) {
      host.run((p) => {
        const value = p.data(struct([4, 0]));
        p.call('getsockopt', [p.call('socket', [SK.AF_UNIX, SK.DGRAM, 0]), SK.SOL_SOCKET, SK.SO_PEEK_OFF, value, words(p, 4)]);
        p.control(Op.EXPECT, [p.load(value, 4), Cond.EQ, 0xffffffff, ERRNO.ENOPROTOOPT], { keep: false, resource: 'SO_PEEK_OFF is -1 at first' });
      });
    },
  },
  {
    name: 'tcp_repair', level: 'extra', needed: 'TCP connections', from: 'Linux 3.5, and CAP_NET_ADMIN',
    probe(host) {
      host.run((p) => { p.call('setsockopt', [p.call('socket', [SK.AF_INET, SK.STREAM, 0]), SK.SOL_TCP, SK.TCP_REPAIR, words(p, 1), 4]); });
    },
  },
  {
    name: 'tcp_repair_window', level: 'extra', needed: 'TCP connections without a stall after the restore', from: 'Linux 4.8, and CAP_NET_ADMIN',
    probe(host) {
      host.run((p) => {
        const socket = p.call('socket', [SK.AF_INET, SK.STREAM, 0]);
        p.call('setsockopt', [socket, SK.SOL_TCP, SK.TCP_REPAIR, words(p, 1), 4]);
        p.call('getsockopt', [socket, SK.SOL_TCP, SK.TCP_REPAIR_WINDOW, p.reserve(20), words(p, 20)]);
      });
    },
  },
  {
    name: 'tcp_half_closed', level: 'extra', needed: 'TCP connections closed on one side', from: 'Linux 4.10, and CAP_NET_ADMIN',
    probe(host) {
      host.run((p) => {
        const listener = p.call('socket', [SK.AF_INET, SK.STREAM, 0]);
        const address = p.data(LOOPBACK);
        p.call('bind', [listener, address, 16]);
        p.call('getsockname', [listener, address, words(p, 16)]);
        p.call('listen', [listener, 1]);
        const client = p.call('socket', [SK.AF_INET, SK.STREAM, 0]);
        p.call('connect', [client, address, 16]);
        p.call('shutdown', [client, 1]);
        p.call('setsockopt', [client, SK.SOL_TCP, SK.TCP_REPAIR, words(p, 1), 4], { resource: 'half-closed connection' });
      });
    },
  },
  {
    name: 'sockopt_buf_lock', level: 'extra', needed: 'sockets whose buffer sizes were set', from: 'Linux 5.15',
    probe(host) {
      host.run((p) => { p.call('getsockopt', [p.call('socket', [SK.AF_INET, SK.STREAM, 0]), SK.SOL_SOCKET, SK.SO_BUF_LOCK, p.reserve(4), words(p, 4)]); });
    },
  },
  {
    name: 'ipv6_freebind', level: 'extra', needed: 'IPv6 sockets bound to an address that is not there', from: 'Linux 4.15 with CONFIG_IPV6',
    probe(host) {
      host.run((p) => { p.call('setsockopt', [p.call('socket', [SK.AF_INET6, SK.DGRAM, 0]), SK.SOL_IPV6, SK.IPV6_FREEBIND, words(p, 1), 4]); });
    },
  },
  {
    name: 'sk_ns', level: 'extra', needed: 'sockets of another network namespace', from: 'Linux 4.10, and CAP_NET_ADMIN',
    probe(host) { host.run((p) => { p.call('ioctl', [p.call('socket', [SK.AF_UNIX, SK.DGRAM, 0]), IOC.SIOCGSKNS, 0]); }); },
  },
  {
    name: 'sk_unix_file', level: 'named', needed: 'unix sockets bound in a mount namespace', from: 'Linux 4.13, and CAP_NET_ADMIN',
    probe(host) {
      // A socket without a path has no file: ENOENT from a kernel that knows the request.
      host.run((p) => { p.call('ioctl', [p.call('socket', [SK.AF_UNIX, SK.DGRAM, 0]), IOC.SIOCUNIXFILE, 0], { expect: { orErrno: ERRNO.ENOENT } }); });
    },
  },
  {
    name: 'nsid', level: 'named', needed: 'several network namespaces in one tree', from: 'Linux 4.0',
    probe(host) {
      const reply = ask(host, SK.NETLINK_ROUTE, message(SK.RTM_GETNSID, 0, Buffer.concat([Buffer.alloc(4), attribute(SK.NETNSA_PID, struct([4, process.pid]))])));
      if (errorOf(reply) !== undefined) throw missing(`RTM_GETNSID: errno ${String(errorOf(reply))}`);
    },
  },
  {
    name: 'link_nsid', level: 'named', needed: 'virtual Ethernet pairs between namespaces of one tree', from: 'Linux 4.0 with CONFIG_VETH',
    probe(host) {
      let other: ResultRef | undefined;
      const ran = host.run((p) => {
        p.call('unshare', [NS.CLONE_NEWNET]);
        other = p.call('openat', [-100, p.cstring('/proc/self/ns/net'), 0, 0]);
        p.call('unshare', [NS.CLONE_NEWNET]);
      });
      const peer = Buffer.concat([Buffer.alloc(16), attribute(SK.IFLA_NET_NS_FD, struct([4, ran.result(other!)]))]);
      const info = Buffer.concat([attribute(SK.IFLA_INFO_KIND, Buffer.from('veth')), attribute(SK.IFLA_INFO_DATA, attribute(SK.VETH_INFO_PEER, peer))]);
      const made = ask(host, SK.NETLINK_ROUTE, message(SK.RTM_NEWLINK, SK.NLM_F_CREATE | SK.NLM_F_ACK, Buffer.concat([
        Buffer.alloc(16), attribute(SK.IFLA_IFNAME, Buffer.from('sf0\0')), attribute(SK.IFLA_LINKINFO, info)])));
      if (errorOf(made) !== 0) throw missing(`a veth pair across namespaces cannot be made: errno ${String(errorOf(made))}`);
      const link = ask(host, SK.NETLINK_ROUTE, message(SK.RTM_GETLINK, 0, Buffer.concat([Buffer.alloc(16), attribute(SK.IFLA_IFNAME, Buffer.from('sf0\0'))])));
      if (!hasAttribute(link, 32, SK.IFLA_LINK_NETNSID)) throw missing('a veth device does not tell the namespace of its peer');
    },
  },
  {
    name: 'newifindex', level: 'extra', needed: 'network devices with their numbers', from: 'Linux 5.15, and CAP_NET_ADMIN',
    probe(host) {
      // No such device and a negative number: the kernel that knows the attribute says ERANGE before it looks for the device.
      const error = errorOf(ask(host, SK.NETLINK_ROUTE, message(SK.RTM_SETLINK, SK.NLM_F_ACK | SK.NLM_F_CREATE, Buffer.concat([
        Buffer.alloc(16), attribute(SK.IFLA_NEW_IFINDEX, struct([4, -1])), attribute(SK.IFLA_IFNAME, Buffer.from('sf-none\0'))]))));
      if (error !== ERRNO.ERANGE) throw missing(`IFLA_NEW_IFINDEX is not known: errno ${String(error)}`);
    },
  },
  {
    name: 'has_ipt_legacy', level: 'named', needed: 'iptables rules of a network namespace', from: 'the iptables package',
    probe() {
      for (const program of ['iptables-save', 'iptables-legacy-save']) {
        const { stdout, error } = spawnSync(program, ['-V'], { encoding: 'utf8' });
        if (error === undefined && !stdout.includes('nf_tables')) return program;
      }
      throw missing('neither iptables-save nor iptables-legacy-save is there with the legacy interface');
    },
  },
  {
    name: 'nftables', level: 'named', needed: 'nftables rules of a network namespace', from: 'a later Stillframe',
    probe() { throw missing('Stillframe does not dump nftables rules yet'); },
  },
  {
    name: 'network_lock_nftables', level: 'extra', needed: 'holding packets of TCP connections by nftables', from: 'Linux 5.10 with CONFIG_NF_TABLES_INET, and CAP_NET_ADMIN',
    probe(host) {
      // a whole lock, in a network that goes with it
      const end = { words: [0x0100007f], port: 1 };
      let answer: ReturnType<typeof addBatch> | undefined;
      const ran = host.run((p) => {
        p.call('unshare', [NS.CLONE_NEWNET]);
        answer = addBatch(p, lockMessage('CRIU-probe', 'a probe', [{ family: SK.AF_INET, local: end, peer: end }]));
      });
      const errno = answer!(ran);
      if (errno !== 0) throw missing(`nf_tables refuses a lock: ${tellErrno(errno)}`);
    },
  },
];

/** Whether an attribute is among those after the first `from` bytes of a message. */
function hasAttribute(reply: Buffer, from: number, type: number): boolean {
  for (let at = from; at + 4 <= reply.length;) {
    const length = reply.readUInt16LE(at);
    if ((reply.readUInt16LE(at + 2) & 0x3fff) === type) return true;
    if (length < 4) return false;
    at += (length + 3) & ~3;
  }
  return false;
}
