/** Addresses of internet sockets: struct sockaddr_in and sockaddr_in6 to and from what the image has, and as people write them. */
import { endpoint, protocolName } from '../../inspect/names.ts';
import { IPPROTO, SOCKADDR_IN6_SIZE, SOCKADDR_IN_SIZE } from '../../kernel/inet.ts';
import { AF, SOCK } from '../../kernel/sockets.ts';

export interface Address {
  /** 1 word (IPv4) or 4: four bytes in network order each, read as a little-endian number. */
  readonly words: readonly number[];
  readonly port: number;
  /** Number of the device that a link-local IPv6 address belongs to, or 0. */
  readonly scope: number;
}

export const wordsOf = (family: number): number => (family === AF.INET6 ? 4 : 1);
export const NO_ADDRESS = (family: number): Address => ({ words: Array.from({ length: wordsOf(family) }, () => 0), port: 0, scope: 0 });

/** Undefined for an address of another family, or none. */
export function parseAddress(bytes: Buffer, family: number): Address | undefined {
  if (bytes.length < (family === AF.INET6 ? SOCKADDR_IN6_SIZE : SOCKADDR_IN_SIZE) || bytes.readUInt16LE(0) !== family) return undefined;
  const at = family === AF.INET6 ? 8 : 4;
  return {
    words: Array.from({ length: wordsOf(family) }, (_, i) => bytes.readUInt32LE(at + 4 * i)),
    port: bytes.readUInt16BE(2), scope: family === AF.INET6 ? bytes.readUInt32LE(24) : 0,
  };
}

export function encodeAddress(family: number, { words, port }: Pick<Address, 'words' | 'port'>): Buffer {
  const bytes = Buffer.alloc(family === AF.INET6 ? SOCKADDR_IN6_SIZE : SOCKADDR_IN_SIZE);
  bytes.writeUInt16LE(family, 0);
  bytes.writeUInt16BE(port, 2);
  for (let i = 0; i < wordsOf(family); i++) bytes.writeUInt32LE((words[i] ?? 0) >>> 0, (family === AF.INET6 ? 8 : 4) + 4 * i);
  return bytes;
}

/** fe80::/10, and multicast addresses of a node or link: they mean nothing without their device. */
export function needsScope(words: readonly number[]): boolean {
  if (words.length !== 4) return false;
  const [first, second] = [words[0]! & 0xff, words[0]! >>> 8 & 0xff];
  return (first === 0xfe && (second & 0xc0) === 0x80) || (first === 0xff && ((second & 0xf) === 1 || (second & 0xf) === 2));
}

/** `tcp 127.0.0.1:80 -> 127.0.0.1:4000`, `raw icmp *`. */
export function describeAddresses(type: number, protocol: number, local: Pick<Address, 'words' | 'port'>, peer: Pick<Address, 'words' | 'port'> | undefined): string {
  const name = protocolName(protocol);
  const kind = type === SOCK.RAW && protocol !== IPPROTO.RAW ? `raw ${name}` : name;
  return `${kind} ${endpoint(local.words, type === SOCK.RAW ? 0 : local.port)}${peer === undefined ? '' : ` -> ${endpoint(peer.words, peer.port)}`}`;
}
