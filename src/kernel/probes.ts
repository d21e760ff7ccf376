/** Constants of Linux (x86-64) that only the host checks need, each group under its header. */

/** <linux/ptrace.h>, <sys/user.h> */
export const PTRACE = {
  PEEKUSER: 3, POKEUSER: 6, CONT: 7, SETOPTIONS: 0x4200, GETREGSET: 0x4204, SEIZE: 0x4206, INTERRUPT: 0x4207, PEEKSIGINFO: 0x4209,
  GETSIGMASK: 0x420a, SECCOMP_GET_FILTER: 0x420c, GET_RSEQ_CONFIGURATION: 0x420f, O_SUSPEND_SECCOMP: 1 << 21,
  NT_X86_XSTATE: 0x202, USER_RIP: 128, USER_DEBUGREG: 848,
} as const;

/** <linux/prctl.h>, <asm/prctl.h> */
export const PR = {
  SET_MM: 35, SET_MM_MAP_SIZE: 15, GET_TID_ADDRESS: 40, SET_NO_NEW_PRIVS: 38, TIMER_CREATE_RESTORE_IDS: 77, TIMER_CREATE_RESTORE_IDS_GET: 2,
  ARCH_MAP_VDSO_32: 0x2002, ARCH_MAP_VDSO_64: 0x2003,
} as const;

/** <linux/mman.h>, <asm-generic/mman-common.h>, <linux/memfd.h> */
export const MM = {
  PROT_RW: 3, MAP_SHARED: 1, MAP_PRIVATE: 2, MAP_FIXED: 0x10, MAP_ANONYMOUS: 0x20, MREMAP_MAYMOVE: 1, MREMAP_FIXED: 2, MADV_GUARD_INSTALL: 102, MFD_HUGETLB: 4,
} as const;

/** <linux/sched.h>, <linux/mount.h>, <linux/wait.h>, <linux/kcmp.h> */
export const NS = { CLONE_NEWNS: 0x20000, CLONE_NEWNET: 0x40000000, MS_PRIVATE_REC: 0x44000, MS_BIND: 0x1000, MS_SHARED: 0x100000, MOVE_MOUNT_SET_GROUP: 0x100 } as const;
export const WAIT = { WUNTRACED: 2, WALL: 0x40000000 } as const;
export const KCMP = { VM: 1, EPOLL_TFD: 7 } as const;

/** ioctl request numbers: <linux/if_tun.h>, <linux/sockios.h>, <linux/timerfd.h>, <linux/fs.h>, <linux/userfaultfd.h>, <linux/inotify.h>, <asm-generic/ioctls.h> */
export const IOC = {
  TUNSETIFINDEX: 0x400454da, SIOCGSKNS: 0x894c, SIOCUNIXFILE: 0x89e0, TFD_IOC_SET_TICKS: 0x40085400, PAGEMAP_SCAN: 0xc0606610, UFFDIO_API: 0xc018aa3f,
  INOTIFY_IOC_SETNEXTWD: 0x40044900, TIOCSPTLCK: 0x40045431, TIOCGPTN: 0x80045430,
} as const;

/** <linux/userfaultfd.h>: bits of uffdio_api.features */
export const UFFD_FEATURE = { EVENT_FORK: 1 << 1, EVENT_REMAP: 1 << 2, EVENT_REMOVE: 1 << 3, EVENT_UNMAP: 1 << 6, WP_ASYNC: 1 << 15 } as const;

/** <linux/fs.h>: categories of PAGEMAP_SCAN */
export const PAGE_IS = { PRESENT: 1n << 3n, GUARD: 1n << 8n } as const;

/** <sys/socket.h>, <linux/tcp.h>, <linux/in6.h>, <linux/netlink.h>, <linux/sock_diag.h>, <linux/rtnetlink.h>, <linux/if_link.h> */
export const SK = {
  AF_UNIX: 1, AF_INET: 2, AF_INET6: 10, AF_NETLINK: 16, AF_PACKET: 17, STREAM: 1, DGRAM: 2, RAW: 3, SOL_SOCKET: 1, SOL_TCP: 6, SOL_IPV6: 41,
  SO_PEEK_OFF: 42, SO_BUF_LOCK: 72, TCP_REPAIR: 19, TCP_REPAIR_WINDOW: 29, IPV6_FREEBIND: 78, IPPROTO_TCP: 6, IPPROTO_UDP: 17, IPPROTO_RAW: 255,
  NETLINK_ROUTE: 0, NETLINK_SOCK_DIAG: 4, SOCK_DIAG_BY_FAMILY: 20, NLM_F_REQUEST: 1, NLM_F_ACK: 4, NLM_F_DUMP: 0x300, NLM_F_CREATE: 0x400, NLMSG_ERROR: 2, NLMSG_DONE: 3,
  RTM_NEWLINK: 16, RTM_GETLINK: 18, RTM_SETLINK: 19, RTM_GETNSID: 90, NETNSA_PID: 2, IFLA_IFNAME: 3, IFLA_LINKINFO: 18, IFLA_NET_NS_FD: 28, IFLA_LINK_NETNSID: 37,
  IFLA_NEW_IFINDEX: 49, IFLA_INFO_KIND: 1, IFLA_INFO_DATA: 2, VETH_INFO_PEER: 1,
} as const;

/** <signal.h> */
export const SIG = { KILL: 9, CHLD: 17, STOP: 19, URG: 23 } as const;
