/** Internet sockets: <linux/in.h>, <linux/in6.h>, <linux/tcp.h>, <linux/udp.h>, <linux/icmp.h>, <linux/icmpv6.h>, <net/tcp_states.h>. */
export const IPPROTO = { IP: 0, ICMP: 1, TCP: 6, UDP: 17, ICMPV6: 58, UDPLITE: 136, RAW: 255, MPTCP: 262 } as const;
export const SOL = { IP: 0, TCP: 6, UDP: 17, IPV6: 41, ICMPV6: 58, UDPLITE: 136, RAW: 255, MPTCP: 284 } as const;

export const TCP_STATE = {
  ESTABLISHED: 1, SYN_SENT: 2, SYN_RECV: 3, FIN_WAIT1: 4, FIN_WAIT2: 5, TIME_WAIT: 6, CLOSE: 7, CLOSE_WAIT: 8, LAST_ACK: 9, LISTEN: 10, CLOSING: 11,
} as const;

export const TCP = {
  NODELAY: 1, MAXSEG: 2, CORK: 3, KEEPIDLE: 4, KEEPINTVL: 5, KEEPCNT: 6, SYNCNT: 7, LINGER2: 8, DEFER_ACCEPT: 9, WINDOW_CLAMP: 10, INFO: 11,
  CONGESTION: 13, THIN_LINEAR_TIMEOUTS: 16, USER_TIMEOUT: 18, REPAIR: 19, REPAIR_QUEUE: 20, QUEUE_SEQ: 21, REPAIR_OPTIONS: 22, FASTOPEN: 23,
  TIMESTAMP: 24, NOTSENT_LOWAT: 25, SAVE_SYN: 27, REPAIR_WINDOW: 29, FASTOPEN_CONNECT: 30, ULP: 31, FASTOPEN_NO_COOKIE: 34, INQ: 36, TX_DELAY: 37,
  AO_INFO: 40, RTO_MAX_MS: 44, RTO_MIN_US: 45, DELACK_MAX_US: 46,
} as const;

export const IP = {
  TOS: 1, TTL: 2, HDRINCL: 3, OPTIONS: 4, ROUTER_ALERT: 5, RECVOPTS: 6, RETOPTS: 7, PKTINFO: 8, MTU_DISCOVER: 10, RECVERR: 11, RECVTTL: 12, RECVTOS: 13, FREEBIND: 15,
  PASSSEC: 18, TRANSPARENT: 19, ORIGDSTADDR: 20, MINTTL: 21, NODEFRAG: 22, CHECKSUM: 23, BIND_ADDRESS_NO_PORT: 24, RECVFRAGSIZE: 25,
  RECVERR_RFC4884: 26, MULTICAST_IF: 32, MULTICAST_TTL: 33, MULTICAST_LOOP: 34, MSFILTER: 41, MULTICAST_ALL: 49, UNICAST_IF: 50, LOCAL_PORT_RANGE: 51,
} as const;

export const IPV6 = {
  PKTINFO_2292: 2, HOPOPTS_2292: 3, DSTOPTS_2292: 4, RTHDR_2292: 5, CHECKSUM: 7, HOPLIMIT_2292: 8, FLOWINFO: 11, UNICAST_HOPS: 16, MULTICAST_IF: 17, MULTICAST_HOPS: 18, MULTICAST_LOOP: 19, MTU_DISCOVER: 23, RECVERR: 25, V6ONLY: 26, MULTICAST_ALL: 29, ROUTER_ALERT_ISOLATE: 30,
  RECVERR_RFC4884: 31, FLOWINFO_SEND: 33, HDRINCL: 36, RECVPKTINFO: 49, RECVHOPLIMIT: 51, RECVHOPOPTS: 53, HOPOPTS: 54, RTHDRDSTOPTS: 55, RECVRTHDR: 56, RTHDR: 57, RECVDSTOPTS: 58, DSTOPTS: 59, RECVPATHMTU: 60,
  DONTFRAG: 62, RECVTCLASS: 66, TCLASS: 67, AUTOFLOWLABEL: 70, ADDR_PREFERENCES: 72, MINHOPCOUNT: 73, ORIGDSTADDR: 74, TRANSPARENT: 75, UNICAST_IF: 76,
  RECVFRAGSIZE: 77, FREEBIND: 78,
} as const;

/** The most bytes of an extension header of IPv6 (RFC 8200). */
export const EXTENSION_SIZE = 2048;
export const UDP = { CORK: 1, ENCAP: 100, NO_CHECK6_TX: 101, NO_CHECK6_RX: 102, SEGMENT: 103, GRO: 104 } as const;
export const UDPLITE = { SEND_CSCOV: 10, RECV_CSCOV: 11 } as const;
/** At SOL.RAW and SOL.ICMPV6, and their sizes. */
export const ICMP_FILTER = 1, ICMP_FILTER_SIZE = 4, ICMPV6_FILTER = 1, ICMPV6_FILTER_SIZE = 32;

/** struct sockaddr_in, sockaddr_in6. */
export const SOCKADDR_IN_SIZE = 16, SOCKADDR_IN6_SIZE = 28;
/** ioctl: bytes not sent or not acknowledged; name of a device by its number (struct ifreq). */
export const SIOCOUTQ = 0x5411, SIOCGIFNAME = 0x8910, SIOCGIFINDEX = 0x8933, IFREQ_SIZE = 40, IFNAMSIZ = 16;
/** <asm-generic/poll.h> */
export const POLLIN = 1, POLLPRI = 2, POLLERR = 8, POLLHUP = 0x10, POLLRDHUP = 0x2000;
/** ioctl: the next byte to be read comes after urgent data (tcp(7)). */
export const SIOCATMARK = 0x8905;
/** struct tcp_ao_info_opt. */
export const TCP_AO_INFO_SIZE = 48;
/**
 * Multicast (<linux/in.h>), the same numbers at SOL.IP and SOL.IPV6. struct group_req: number of the device, struct sockaddr_storage at 8. struct
 * group_filter: the same, then mode and number of sources, then their addresses.
 */
export const MCAST = { JOIN_GROUP: 42, MSFILTER: 48, EXCLUDE: 0, INCLUDE: 1 } as const;
export const SOCKADDR_STORAGE_SIZE = 128, GROUP_REQ_SIZE = 136, GROUP_FILTER = { GROUP: 8, MODE: 136, COUNT: 140, SOURCES: 144 } as const;
export const SIOCINQ = 0x541b, SIOCOUTQNSD = 0x894b;
/** Values of TCP_REPAIR and TCP_REPAIR_QUEUE; bits of tcpi_options; options of a SYN as TCP_REPAIR_OPTIONS takes them. */
export const REPAIR = { ON: 1, OFF: 0 } as const;
export const QUEUE = { NONE: 0, RECEIVE: 1, SEND: 2 } as const;
export const TCPI_OPT = { TIMESTAMPS: 1, SACK: 2, WSCALE: 4 } as const;
export const TCPOPT = { MAXSEG: 2, WINDOW: 3, SACK_PERM: 4, TIMESTAMP: 8 } as const;
