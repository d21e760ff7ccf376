/**
 * Sockets: <linux/socket.h>, <asm-generic/socket.h>, <linux/un.h>, <linux/sock_diag.h>, <linux/unix_diag.h>, <linux/netlink.h>,
 * <net/tcp_states.h>; all for x86-64.
 */
export const AF = { UNSPEC: 0, UNIX: 1, INET: 2, INET6: 10, NETLINK: 16, PACKET: 17, ALG: 38, VSOCK: 40, SMC: 43, XDP: 44 } as const;
export const SOCK = { STREAM: 1, DGRAM: 2, RAW: 3, SEQPACKET: 5, CLOEXEC: 0o2000000, NONBLOCK: 0o4000 } as const;
export const SOL_SOCKET = 1;

export const SO = {
  DEBUG: 1, REUSEADDR: 2, DONTROUTE: 5, BROADCAST: 6, SNDBUF: 7, RCVBUF: 8, KEEPALIVE: 9, OOBINLINE: 10, NO_CHECK: 11, PRIORITY: 12, LINGER: 13,
  REUSEPORT: 15, PASSCRED: 16, PEERCRED: 17, RCVLOWAT: 18, RCVTIMEO: 20, SNDTIMEO: 21, TYPE: 3, BINDTODEVICE: 25, ATTACH_FILTER: 26, GET_FILTER: 26, DETACH_FILTER: 27,
  PEERNAME: 28, TIMESTAMP: 29, SNDBUFFORCE: 32, RCVBUFFORCE: 33, PASSSEC: 34, TIMESTAMPNS: 35, MARK: 36, TIMESTAMPING: 37, PROTOCOL: 38, DOMAIN: 39, RXQ_OVFL: 40, WIFI_STATUS: 41, PEEK_OFF: 42, NOFCS: 43, LOCK_FILTER: 44,
  SELECT_ERR_QUEUE: 45, BUSY_POLL: 46, MAX_PACING_RATE: 47, INCOMING_CPU: 49, ZEROCOPY: 60, TXTIME: 61, TIMESTAMP_NEW: 63, TIMESTAMPNS_NEW: 64, TIMESTAMPING_NEW: 65, PREFER_BUSY_POLL: 69, BUSY_POLL_BUDGET: 70, NETNS_COOKIE: 71, BUF_LOCK: 72,
  RESERVE_MEM: 73, TXREHASH: 74, RCVMARK: 75, PASSPIDFD: 76, RCVPRIORITY: 82, PASSRIGHTS: 83,
} as const;

/** States of every kind of socket: those of TCP. */
export const SK_STATE = { ESTABLISHED: 1, CLOSE: 7, LISTEN: 10 } as const;

export const MSG = { OOB: 1, PEEK: 2, CTRUNC: 8, TRUNC: 0x20, DONTWAIT: 0x40, CMSG_CLOEXEC: 0x4000_0000 } as const;
/** cmsg_type at SOL_SOCKET. */
export const SCM = { RIGHTS: 1, CREDENTIALS: 2, SECURITY: 3, PIDFD: 4 } as const;
export const SHUT = { RD: 0, WR: 1, RDWR: 2 } as const;
/** sizeof(sun_path). */
export const UNIX_PATH_MAX = 108;
/** ioctl of a unix socket: its file, as O_PATH. */
export const SIOCUNIXFILE = 0x89e0;

export const NETLINK_SOCK_DIAG = 4;
export const SOCK_DIAG_BY_FAMILY = 20;
export const NLM_F = { REQUEST: 1, DUMP: 0x300 } as const;
export const NLMSG = { ERROR: 2, DONE: 3 } as const;
export const UDIAG_SHOW = { NAME: 1, VFS: 2, PEER: 4, ICONS: 8, RQLEN: 16 } as const;
export const UNIX_DIAG = { NAME: 0, VFS: 1, PEER: 2, ICONS: 3, RQLEN: 4, SHUTDOWN: 6 } as const;
/** struct inet_diag_msg and its attributes (<linux/inet_diag.h>). */
export const INET_DIAG = { MESSAGE_SIZE: 72, RECEIVED_AT: 56, INODE_AT: 68, INFO: 2, SHUTDOWN: 8, MD5SIG: 18 } as const;
/** SO_MEMINFO: words, the first of them bytes of memory that wait to be read. */
export const SO_MEMINFO = 55, SK_MEMINFO_SIZE = 36;
