/** Packet sockets as people name them, and what their groups are. */
import { FANOUT } from '../../kernel/packet.ts';

/** @param protocol in network order */
export function describePacket(protocol: number, device: string | undefined): string {
  const type = (protocol & 0xff) << 8 | protocol >>> 8;
  return `packet socket of ${type === 0 ? 'no protocol' : type === 3 ? 'every protocol' : `protocol 0x${type.toString(16)}`}${device === undefined ? '' : ` on ${device}`}`;
}

/** How packets are shared out in its group: FANOUT. */
export const fanoutType = (fanout: number): number => fanout >>> 16 & 0xff;
/** By a program of the group's, which cannot be read back. */
export const isProgrammed = (fanout: number | undefined): boolean => fanout !== undefined && (fanoutType(fanout) === FANOUT.CBPF || fanoutType(fanout) === FANOUT.EBPF);
