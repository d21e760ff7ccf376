/** Netlink sockets: <linux/netlink.h>, <linux/netlink_diag.h>, <linux/sock_diag.h>. */
export const SOL_NETLINK = 270;

/** Options at SOL_NETLINK. */
export const NETLINK = { ADD_MEMBERSHIP: 1, PKTINFO: 3, BROADCAST_ERROR: 4, NO_ENOBUFS: 5, LISTEN_ALL_NSID: 8, LIST_MEMBERSHIPS: 9, CAP_ACK: 10, EXT_ACK: 11, GET_STRICT_CHK: 12 } as const;

export const NETLINK_PROTOCOL = { ROUTE: 0, NETFILTER: 12 } as const;
/** sk_state of those that were told a peer by connect. */
export const NETLINK_CONNECTED = 1;

/** netlink_diag_req: every protocol, and what to show. */
export const NDIAG = { ALL: 255, SHOW_FLAGS: 8, MESSAGE_SIZE: 28, FLAGS: 4 } as const;
export const NDIAG_FLAG = { CB_RUNNING: 1, LISTEN_ALL_NSID: 16 } as const;

/** struct sockaddr_nl: family, padding, port id, groups. */
export const SOCKADDR_NL_SIZE = 12;
