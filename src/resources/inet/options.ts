/** Options of internet sockets that the image format has no field for, as one table (../socket/own-options.ts). */
import { EXTENSION_SIZE, IP, IPPROTO, IPV6, SOL, TCP, UDP, UDPLITE } from '../../kernel/inet.ts';
import { AF, SO, SOCK, SOL_SOCKET } from '../../kernel/sockets.ts';
import { GENERAL_OPTIONS, type OptionTableRow, type WhatSocket as What } from '../socket/own-options.ts';

const isV6 = ({ family }: What): boolean => family === AF.INET6;
const isUdp = ({ type, protocol }: What): boolean => type === SOCK.DGRAM && (protocol === IPPROTO.UDP || protocol === IPPROTO.UDPLITE);
const isStream = ({ type }: What): boolean => type === SOCK.STREAM;

export const INET_OPTIONS: readonly OptionTableRow[] = [
  ...GENERAL_OPTIONS,
  { level: SOL_SOCKET, names: [SO.TXREHASH, SO.PEEK_OFF, SO.ZEROCOPY] },
  { level: SOL_SOCKET, names: [SO.INCOMING_CPU], unconnected: true },
  { level: SOL_SOCKET, names: [SO.DEBUG, SO.WIFI_STATUS, SO.NOFCS], has: (what) => !isStream(what) },
  { level: SOL_SOCKET, names: [SO.TXTIME], size: 8, has: (what) => !isStream(what) },
  {
    level: SOL.TCP, has: isStream,
    names: [
      TCP.SYNCNT, TCP.LINGER2, TCP.DEFER_ACCEPT, TCP.THIN_LINEAR_TIMEOUTS, TCP.USER_TIMEOUT, TCP.NOTSENT_LOWAT, TCP.SAVE_SYN, TCP.FASTOPEN_NO_COOKIE,
      TCP.INQ, TCP.TX_DELAY, TCP.RTO_MAX_MS, TCP.RTO_MIN_US, TCP.DELACK_MAX_US,
    ],
  },
  { level: SOL.TCP, has: isStream, names: [TCP.CONGESTION], size: 16 },
  { level: SOL.TCP, has: isStream, names: [TCP.MAXSEG, TCP.WINDOW_CLAMP, TCP.FASTOPEN, TCP.FASTOPEN_CONNECT], unconnected: true },
  {
    level: SOL.IP,
    names: [IP.MTU_DISCOVER, IP.RECVERR, IP.RECVTTL, IP.RECVTOS, IP.TRANSPARENT, IP.MINTTL, IP.BIND_ADDRESS_NO_PORT, IP.ORIGDSTADDR, IP.UNICAST_IF, IP.LOCAL_PORT_RANGE],
  },
  { level: SOL.IP, names: [IP.TOS, IP.TTL, IP.PKTINFO], has: isV6 },
  { level: SOL.IP, names: [IP.RECVOPTS, IP.RETOPTS, IP.PASSSEC, IP.CHECKSUM, IP.RECVFRAGSIZE, IP.RECVERR_RFC4884], has: (what) => !isStream(what) },
  { level: SOL.IP, names: [IP.MULTICAST_TTL, IP.MULTICAST_LOOP, IP.MULTICAST_ALL, IP.MULTICAST_IF], has: (what) => !isStream(what) },
  { level: SOL.IP, names: [IP.ROUTER_ALERT], has: (what) => !isV6(what) && what.type === SOCK.RAW },
  { level: SOL.IP, names: [IP.OPTIONS], size: 40, has: (what) => !isV6(what), unconnected: true },
  {
    level: SOL.IPV6, has: isV6,
    names: [
      IPV6.UNICAST_HOPS, IPV6.MTU_DISCOVER, IPV6.RECVERR, IPV6.RECVERR_RFC4884, IPV6.FLOWINFO_SEND, IPV6.RECVHOPLIMIT, IPV6.RECVHOPOPTS, IPV6.RECVRTHDR,
      IPV6.RECVDSTOPTS, IPV6.RECVPATHMTU, IPV6.DONTFRAG, IPV6.RECVTCLASS, IPV6.TCLASS, IPV6.AUTOFLOWLABEL, IPV6.ADDR_PREFERENCES, IPV6.MINHOPCOUNT,
      IPV6.ORIGDSTADDR, IPV6.TRANSPARENT, IPV6.UNICAST_IF, IPV6.RECVFRAGSIZE,
    ],
  },
  { level: SOL.IPV6, names: [IPV6.MULTICAST_HOPS, IPV6.MULTICAST_LOOP, IPV6.MULTICAST_ALL, IPV6.MULTICAST_IF], has: (what) => isV6(what) && !isStream(what) },
  {
    level: SOL.IPV6, has: (what) => isV6(what) && !isStream(what),
    names: [IPV6.PKTINFO_2292, IPV6.HOPOPTS_2292, IPV6.DSTOPTS_2292, IPV6.RTHDR_2292, IPV6.HOPLIMIT_2292, IPV6.FLOWINFO, IPV6.ROUTER_ALERT_ISOLATE],
  },
  { level: SOL.IPV6, names: [IPV6.HOPOPTS, IPV6.RTHDRDSTOPTS, IPV6.RTHDR, IPV6.DSTOPTS], size: EXTENSION_SIZE, has: isV6, unconnected: true },
  { level: SOL.IPV6, names: [IPV6.CHECKSUM], has: (what) => isV6(what) && what.type === SOCK.RAW && what.protocol !== IPPROTO.ICMPV6 },
  { level: SOL.UDP, names: [UDP.CORK, UDP.ENCAP, UDP.NO_CHECK6_TX, UDP.NO_CHECK6_RX, UDP.SEGMENT, UDP.GRO], has: isUdp },
  { level: SOL.UDPLITE, names: [UDPLITE.SEND_CSCOV, UDPLITE.RECV_CSCOV], has: ({ type, protocol }) => type === SOCK.DGRAM && protocol === IPPROTO.UDPLITE },
  // set last, after the filter (./restore.ts)
  { level: SOL_SOCKET, names: [SO.LOCK_FILTER] },
];
