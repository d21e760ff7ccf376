/**
 * One packet of a TCP connection as its peer would have sent it, without data: how the end of what the peer sends (FIN) and the acknowledgement
 * of our own end get into a connection that is being restored. It goes from a raw socket to ourselves and carries the mark that CRIU gives its
 * own (and that the network locks of both let through).
 */
import { AF, SO, SOCK, SOL_SOCKET } from '../../kernel/sockets.ts';
import { IPPROTO } from '../../kernel/inet.ts';
import type { Program, ResultRef } from '../../program/program.ts';
import { encodeAddress, type Address } from './address.ts';

/** The mark of packets that pass every lock. */
export const PASS_MARK = 0xc114;
export const FLAG = { FIN: 0x01, ACK: 0x10 } as const;
const TCP_HEADER = 20, IP_HEADER = 20, IPV6_HEADER = 40;
const TTL = 64;

type End = Pick<Address, 'words' | 'port'>;

export interface Packet {
  readonly family: number;
  /** Who would have sent it. */
  readonly from: End;
  readonly to: End;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
}

/** IPv4 that goes over IPv6 sockets (::ffff:a.b.c.d) is IPv4 on the wire. */
export function onTheWire(family: number, { words, port }: End): { readonly family: number; readonly end: End } {
  const mapped = family === AF.INET6 && words[0] === 0 && words[1] === 0 && words[2] === 0xffff0000;
  return mapped ? { family: AF.INET, end: { words: [words[3]!], port } } : { family, end: { words: family === AF.INET6 ? words : words.slice(0, 1), port } };
}

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at + 1 < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function addressBytes({ words }: End): Buffer {
  const bytes = Buffer.alloc(words.length * 4);
  words.forEach((word, i) => bytes.writeUInt32LE(word >>> 0, i * 4));
  return bytes;
}

/** The whole packet with its IP header, and the family it has on the wire. */
export function encodePacket(packet: Packet): { readonly family: number; readonly bytes: Buffer } {
  const { family, end: to } = onTheWire(packet.family, packet.to);
  const { end: from } = onTheWire(packet.family, packet.from);
  const tcp = Buffer.alloc(TCP_HEADER);
  tcp.writeUInt16BE(from.port, 0);
  tcp.writeUInt16BE(to.port, 2);
  tcp.writeUInt32BE(packet.seq >>> 0, 4);
  tcp.writeUInt32BE(packet.ack >>> 0, 8);
  tcp.writeUInt8(TCP_HEADER / 4 << 4, 12);
  tcp.writeUInt8(packet.flags, 13);
  tcp.writeUInt16BE(Math.min(packet.window, 0xffff), 14);
  const addresses = Buffer.concat([addressBytes(from), addressBytes(to)]);
  const tail = Buffer.alloc(4);
  tail.writeUInt8(IPPROTO.TCP, 1);
  tail.writeUInt16BE(TCP_HEADER, 2);
  // the pseudo header of IPv6 has its two last fields the other way round and wider: the sum is the same
  tcp.writeUInt16BE(checksum(Buffer.concat([addresses, tail, tcp])), 16);
  if (family === AF.INET6) {
    const ip = Buffer.alloc(8);
    ip.writeUInt8(0x60, 0);
    ip.writeUInt16BE(TCP_HEADER, 4);
    ip.writeUInt8(IPPROTO.TCP, 6);
    ip.writeUInt8(TTL, 7);
    return { family, bytes: Buffer.concat([ip, addresses, tcp]) };
  }
  const ip = Buffer.alloc(IP_HEADER);
  ip.writeUInt8(0x45, 0);
  ip.writeUInt16BE(IP_HEADER + TCP_HEADER, 2);
  ip.writeUInt8(TTL, 8);
  ip.writeUInt8(IPPROTO.TCP, 9);
  addresses.copy(ip, 12);
  ip.writeUInt16BE(checksum(ip), 10);
  return { family, bytes: Buffer.concat([ip, tcp]) };
}

export const packetSize = (family: number): number => TCP_HEADER + (family === AF.INET6 ? IPV6_HEADER : IP_HEADER);

/** Adds the steps that let the kernel receive it. */
export function addPacket(p: Program, packet: Packet): void {
  const { family, bytes } = encodePacket(packet);
  const raw: ResultRef = p.call('socket', [family, SOCK.RAW | SOCK.CLOEXEC, IPPROTO.RAW], { remedy: { EPERM: 'It needs CAP_NET_RAW: run the restore as root' } });
  p.call('setsockopt', [raw, SOL_SOCKET, SO.MARK, p.data(Uint8Array.of(PASS_MARK & 0xff, PASS_MARK >> 8, 0, 0), 4), 4], { keep: false });
  const to = onTheWire(packet.family, packet.to).end;
  const address = encodeAddress(family, { words: to.words, port: 0 });
  p.call('sendto', [raw, p.data(bytes), bytes.length, 0, p.data(address), address.length], { keep: false });
  p.call('close', [raw], { keep: false });
}
