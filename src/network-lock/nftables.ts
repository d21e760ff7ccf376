/**
 * The network lock by nf_tables, spoken over netlink: no tool is needed, one message holds a thousand connections, all or nothing. Tables are
 * named as CRIU 4.2 names its own (`inet CRIU-` and the first 21 characters of the dump's id), so that either opens what the other has locked; ours
 * say in their comment whose they are. <linux/netfilter/nf_tables.h>, <linux/netfilter/nfnetlink.h>; encodings: tables, chains, sets, rules
 * as attributes, numbers in network order.
 */
import { AF, MSG, NLM_F, NLMSG, SO, SOCK, SOL_SOCKET } from '../kernel/sockets.ts';
import { errnoName } from '../kernel/errno.ts';
import type { Program, RanBlock, ResultRef } from '../program/program.ts';
import { onTheWire, PASS_MARK } from '../resources/inet/packet.ts';
import type { End, Endpoints } from './endpoints.ts';

const NETLINK_NETFILTER = 12, NFPROTO_INET = 1;
const SUBSYSTEM = 10;
const MESSAGE = { NEWTABLE: 0, GETTABLE: 1, DELTABLE: 2, NEWCHAIN: 3, NEWRULE: 6, NEWSET: 9, NEWSETELEM: 12 } as const;
const BATCH = { BEGIN: 0x10, END: 0x11 } as const;
const CREATE = 0x400, EXCL = 0x200, APPEND = 0x800;
const HOOK = { INPUT: 1, OUTPUT: 3 } as const;
const META = { MARK: 3, NFPROTO: 15, L4PROTO: 16 } as const;
const NF = { DROP: 0, ACCEPT: 1 } as const;
/** NFT_REG_VERDICT, NFT_REG32_00. */
const VERDICT = 0, FIRST = 8;
const NFPROTO: Readonly<Record<number, number>> = { [AF.INET]: 2, [AF.INET6]: 10 };
const TCP = 6;
/** Types of a set's key as nft shows them: address, port, address, port (6 bits each). */
const KEY_TYPE: Readonly<Record<number, number>> = { [AF.INET]: 7 << 18 | 13 << 12 | 7 << 6 | 13, [AF.INET6]: 8 << 18 | 13 << 12 | 8 << 6 | 13 };
/** An attribute's length has 16 bits. */
const ELEMENTS = 400;
const ID_LENGTH = 21;
export const COMMENT = 'stillframe network lock';

export const tableName = (id: string): string => `CRIU-${id.slice(0, ID_LENGTH)}`;

function attribute(type: number, value: Uint8Array): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(4 + value.length, 0);
  head.writeUInt16LE(type, 2);
  return Buffer.concat([head, value, Buffer.alloc(-value.length & 3)]);
}
const NESTED = 0x8000;
const nested = (type: number, ...parts: Buffer[]): Buffer => attribute(type | NESTED, Buffer.concat(parts));
const text = (type: number, value: string): Buffer => attribute(type, Buffer.from(`${value}\0`));
function be32(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0, 0);
  return attribute(type, bytes);
}

function message(type: number, flags: number, family: number, body: Buffer, subsystem = 0): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt32LE(20 + body.length, 0);
  head.writeUInt16LE(type, 4);
  head.writeUInt16LE(NLM_F.REQUEST | flags, 6);
  head.writeUInt8(family, 16);
  head.writeUInt16BE(subsystem, 18);
  return Buffer.concat([head, body]);
}
const nft = (type: number, flags: number, ...body: Buffer[]): Buffer => message(SUBSYSTEM << 8 | type, flags, NFPROTO_INET, Buffer.concat(body));
const batch = (...messages: Buffer[]): Buffer =>
  Buffer.concat([message(BATCH.BEGIN, 0, AF.UNSPEC, Buffer.alloc(0), SUBSYSTEM), ...messages, message(BATCH.END, 0, AF.UNSPEC, Buffer.alloc(0), SUBSYSTEM)]);

const expression = (name: string, ...data: Buffer[]): Buffer => nested(1, text(1, name), nested(2, ...data));
const meta = (key: number): Buffer => expression('meta', be32(1, FIRST), be32(2, key));
const equal = (value: Uint8Array): Buffer => expression('cmp', be32(1, FIRST), be32(2, 0), nested(3, attribute(1, value)));
const verdict = (code: number): Buffer => expression('immediate', be32(1, VERDICT), nested(2, nested(2, be32(1, code))));
const payloadOf = (register: number, base: 1 | 2, offset: number, length: number): Buffer => expression('payload', be32(1, register), be32(2, base), be32(3, offset), be32(4, length));

/** Type, length and text: what nft shows as the comment. */
const userdata = (type: number, comment: string): Buffer => attribute(type, Buffer.concat([Buffer.from([0, comment.length + 1]), Buffer.from(`${comment}\0`)]));

/** Where the two addresses are in the IP header, and how long one is. */
const PLACES: Readonly<Record<number, { readonly source: number; readonly length: number }>> = { [AF.INET]: { source: 12, length: 4 }, [AF.INET6]: { source: 8, length: 16 } };

function dropRule(family: number, set: string, setId: number): Buffer[] {
  const { source, length } = PLACES[family]!;
  const words = length / 4;
  return [
    meta(META.NFPROTO), equal(Uint8Array.of(NFPROTO[family]!)), meta(META.L4PROTO), equal(Uint8Array.of(TCP)),
    payloadOf(FIRST, 1, source, length), payloadOf(FIRST + words, 2, 0, 2), payloadOf(FIRST + words + 1, 1, source + length, length), payloadOf(FIRST + 2 * words + 1, 2, 2, 2),
    expression('lookup', text(1, set), be32(2, FIRST), be32(4, setId)), verdict(NF.DROP),
  ];
}

function key(from: End, to: End): Buffer {
  const bytes = Buffer.alloc((from.words.length + 1) * 8);
  let at = 0;
  for (const { words, port } of [from, to]) {
    for (const word of words) at = bytes.writeUInt32LE(word >>> 0, at);
    bytes.writeUInt16BE(port, at);
    at += 4;
  }
  return bytes;
}

/** The batch that holds every packet of these connections, in both directions. */
export function lockMessage(table: string, comment: string, connections: readonly Endpoints[]): Buffer {
  const sets = [{ name: 'conns4', family: AF.INET as number, id: 1 }, { name: 'conns6', family: AF.INET6 as number, id: 2 }];
  const chains = [{ name: 'input', hook: HOOK.INPUT }, { name: 'output', hook: HOOK.OUTPUT }];
  const mark = Buffer.alloc(4);
  mark.writeUInt32LE(PASS_MARK, 0);
  const rule = (chain: string, ...expressions: Buffer[]): Buffer => nft(MESSAGE.NEWRULE, CREATE | APPEND, text(1, table), text(2, chain), nested(4, ...expressions));
  return batch(
    nft(MESSAGE.NEWTABLE, CREATE | EXCL, text(1, table), be32(2, 0), userdata(6, comment)),
    ...chains.map(({ name, hook }) => nft(MESSAGE.NEWCHAIN, CREATE, text(1, table), text(3, name), nested(4, be32(1, hook), be32(2, 0)), be32(5, NF.ACCEPT), text(7, 'filter'))),
    ...sets.map(({ name, family, id }) => nft(MESSAGE.NEWSET, CREATE, text(1, table), text(2, name), be32(3, 0), be32(4, KEY_TYPE[family]!), be32(5, (PLACES[family]!.length + 4) * 2), be32(10, id))),
    ...chains.flatMap(({ name }) => [rule(name, meta(META.MARK), equal(mark), verdict(NF.ACCEPT)), ...sets.map((set) => rule(name, ...dropRule(set.family, set.name, set.id)))]),
    ...sets.flatMap((set) => elements(table, set, connections)),
  );
}

function elements(table: string, { name, family, id }: { readonly name: string; readonly family: number; readonly id: number }, connections: readonly Endpoints[]): Buffer[] {
  const keys = connections.flatMap((one) => {
    const [local, peer] = [onTheWire(one.family, one.local), onTheWire(one.family, one.peer)];
    return local.family === family ? [key(local.end, peer.end), key(peer.end, local.end)] : [];
  });
  // both ends of a connection may be in the tree
  const different = [...new Map(keys.map((bytes) => [bytes.toString('latin1'), bytes])).values()];
  return Array.from({ length: Math.ceil(different.length / ELEMENTS) }, (_, i) => nft(MESSAGE.NEWSETELEM, CREATE, text(1, table), text(2, name),
    nested(3, ...different.slice(i * ELEMENTS, (i + 1) * ELEMENTS).map((bytes) => nested(1, nested(1, attribute(1, bytes))))), be32(4, id)));
}

export const unlockMessage = (table: string): Buffer => batch(nft(MESSAGE.DELTABLE, 0, text(1, table)));

const ANSWER = 8192;

/** Adds the steps that have a batch done. @returns the errno with which the kernel refused it, or 0 */
export function addBatch(p: Program, bytes: Buffer): (ran: RanBlock) => number {
  const socket = p.call('socket', [AF.NETLINK, SOCK.RAW | SOCK.CLOEXEC, NETLINK_NETFILTER], { expect: 'any' });
  const room = Buffer.alloc(4);
  room.writeUInt32LE(bytes.length * 2 + 65536, 0);
  p.call('setsockopt', [socket, SOL_SOCKET, SO.SNDBUFFORCE, p.data(room), 4], { expect: 'any', keep: false });
  const sent = p.call('sendto', [socket, p.data(bytes), bytes.length, 0, 0, 0], { expect: 'any' });
  const answer = p.reserve(ANSWER);
  const got = p.call('recvfrom', [socket, answer, ANSWER, MSG.DONTWAIT, 0, 0], { expect: 'any' });
  p.call('close', [socket], { expect: 'any', keep: false });
  return (ran) => {
    for (const ref of [socket, sent] satisfies ResultRef[]) if (ran.result(ref) < 0n) return Number(-ran.result(ref));
    const size = Number(ran.result(got));
    // nothing is answered when all went well
    return size < 20 || ran.data(answer).readUInt16LE(4) !== NLMSG.ERROR ? 0 : -ran.data(answer).readInt32LE(16);
  };
}

export interface Table { readonly name: string; readonly comment: string | undefined }

/** Adds the question for all tables that may be locks. */
export function addTables(p: Program): (ran: RanBlock) => readonly Table[] {
  const socket = p.call('socket', [AF.NETLINK, SOCK.RAW | SOCK.CLOEXEC, NETLINK_NETFILTER], { expect: 'any' });
  const bytes = nft(MESSAGE.GETTABLE, NLM_F.DUMP);
  p.call('sendto', [socket, p.data(bytes), bytes.length, 0, 0, 0], { expect: 'any', keep: false });
  const answers = Array.from({ length: 8 }, () => {
    const place = p.reserve(65536);
    return { place, got: p.call('recvfrom', [socket, place, 65536, MSG.DONTWAIT, 0, 0], { expect: 'any' }) };
  });
  p.call('close', [socket], { expect: 'any', keep: false });
  return (ran) => answers.flatMap(({ place, got }) => (ran.result(got) <= 0n ? [] : parseTables(ran.data(place, Number(ran.result(got))))));
}

function parseTables(bytes: Buffer): Table[] {
  const tables: Table[] = [];
  for (let at = 0; at + 20 <= bytes.length;) {
    const size = bytes.readUInt32LE(at);
    if (size < 20) break;
    if (bytes.readUInt16LE(at + 4) === (SUBSYSTEM << 8 | MESSAGE.NEWTABLE) && bytes[at + 16] === NFPROTO_INET) {
      const attributes = new Map<number, Buffer>();
      for (let i = at + 20; i + 4 <= Math.min(at + size, bytes.length);) {
        const length = bytes.readUInt16LE(i);
        if (length < 4) break;
        attributes.set(bytes.readUInt16LE(i + 2) & 0x3fff, bytes.subarray(i + 4, i + length));
        i += (length + 3) & ~3;
      }
      const name = attributes.get(1)?.toString('latin1').replace(/\0.*$/su, '') ?? '';
      if (name.startsWith('CRIU-')) tables.push({ name, comment: attributes.get(6)?.subarray(2).toString('latin1').replace(/\0.*$/su, '') });
    }
    at += (size + 3) & ~3;
  }
  return tables;
}

export const tellErrno = (errno: number): string => errnoName(errno) ?? `errno ${errno}`;
