/** Packet sockets: <linux/if_packet.h>, <linux/packet_diag.h>, <linux/if_ether.h>. */
export const SOL_PACKET = 263;
/** The old kind (SOCK_PACKET of <linux/net.h>), which is bound to a device by its name. */
export const SOCK_PACKET = 10;

/** Options at SOL_PACKET. */
export const PACKET = {
  ADD_MEMBERSHIP: 1, RX_RING: 5, STATISTICS: 6, COPY_THRESH: 7, AUXDATA: 8, ORIGDEV: 9, VERSION: 10, RESERVE: 12, TX_RING: 13, LOSS: 14, VNET_HDR: 15, TIMESTAMP: 17,
  FANOUT: 18, TX_HAS_OFF: 19, QDISC_BYPASS: 20, IGNORE_OUTGOING: 23, VNET_HDR_SZ: 24,
} as const;
/** What PACKET_FANOUT has from bit 16 on: how packets are shared out. */
export const FANOUT = { CBPF: 6, EBPF: 7 } as const;
export const MAX_ADDR_LEN = 32;

/** packet_diag: what to show, sizes, attributes, where the info has what. */
export const PDIAG = {
  SHOW: 0x0f, MESSAGE_SIZE: 16, INFO: 0, MCLIST: 1, RX_RING: 2, TX_RING: 3, FANOUT: 4, INFO_SIZE: 24, MCLIST_SIZE: 44, RING_SIZE: 28,
} as const;
export const PDI = { AUXDATA: 2, ORIGDEV: 4, VNETHDR: 8, LOSS: 16 } as const;

/** struct sockaddr_ll: family, protocol (network order), device, its type, packet's type, length of the address, address. struct sockaddr_pkt. */
export const SOCKADDR_LL_SIZE = 20, SOCKADDR_PKT_SIZE = 18, SOCKADDR_PKT_NAME = 14;
/** struct tpacket_req3. */
export const RING_REQUEST_SIZE = 28;

export const TPACKET = { V1: 0, V2: 1, V3: 2 } as const;
/** tp_status and block_status: the program's; and of a frame to be sent. */
export const TP_STATUS_USER = 1;
/** Frames by version: struct tpacket_hdr (status is 8 bytes wide), tpacket2_hdr. `fraction` is of a second; `unit` how many of it make one. */
export const FRAME = [
  { statusSize: 8, length: 8, snaplen: 12, mac: 16, seconds: 20, fraction: 24, size: 28 },
  { statusSize: 4, length: 4, snaplen: 8, mac: 12, seconds: 16, fraction: 20, size: 32 },
] as const;
/** struct tpacket3_hdr of a frame to be sent. */
export const FRAME3 = { length: 16, status: 20 } as const;
/** struct tpacket_block_desc. */
export const BLOCK = { STATUS: 8, PACKETS: 12, FIRST: 16, LENGTH: 20, SEQUENCE: 24, SIZE: 48 } as const;
/** An EtherType for experiments (IEEE 802): nobody else listens for it. */
export const ETH_P_EXPERIMENT = 0x88b5;
