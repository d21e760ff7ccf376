/** tun and tap devices: <linux/if_tun.h>, <linux/if_link.h>, <linux/rtnetlink.h>, Documentation/admin-guide/devices.txt. */
export const TUN_DEVICE = { MAJOR: 10, MINOR: 200 } as const;

/** ioctls of /dev/net/tun; SIOCGSKNS (<linux/sockios.h>) gives its network namespace. */
export const TUN = {
  SETIFF: 0x400454ca, GETIFF: 0x800454d2, GETSNDBUF: 0x800454d3, SETSNDBUF: 0x400454d4, GETVNETHDRSZ: 0x800454d7, SETVNETHDRSZ: 0x400454d8, SETQUEUE: 0x400454d9,
  GETFILTER: 0x801054db, SETVNETLE: 0x400454dc, GETVNETLE: 0x800454dd, SETVNETBE: 0x400454de, GETVNETBE: 0x800454df,
} as const;
export const SIOCGSKNS = 0x894c;

/** Flags of struct ifreq. What TUNGETIFF says of NO_PI also means that there is no filter: the list of links tells. */
export const IFF = { TUN: 1, TAP: 2, NAPI: 0x10, NAPI_FRAGS: 0x20, MULTI_QUEUE: 0x100, DETACH_QUEUE: 0x400, PERSIST: 0x800, NO_PI: 0x1000, VNET_HDR: 0x4000 } as const;

/** RTM_GETLINK: messages, sizes, attributes. */
export const RTM_GETLINK = 18, RTM_NEWLINK = 16, IFINFOMSG_SIZE = 16;
export const IFLA = { IFNAME: 3, LINKINFO: 18, INFO_DATA: 2, TUN_PI: 4 } as const;
