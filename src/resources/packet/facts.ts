/** What the kernel tells of packet sockets: what they listen to, memberships, rings, what waits. Looks only. */
import type { DumpContext } from '../../dump/context.ts';
import type { Descriptor } from '../../dump/file-kinds.ts';
import { create } from '../../image/wire.ts';
import { packet_ring } from '../../image/schema/index.ts';
import { IFNAMSIZ, SIOCGIFNAME } from '../../kernel/inet.ts';
import { MAX_ADDR_LEN, PACKET, PDIAG, SOL_PACKET } from '../../kernel/packet.ts';
import { AF, SK_MEMINFO_SIZE, SO_MEMINFO, SOCK, SOL_SOCKET } from '../../kernel/sockets.ts';
import { Program, type RanBlock, type ResultRef } from '../../program/program.ts';
import { attributesOf, sockDiag } from '../socket/diag.ts';
import { addWithSockets, answerOf, askOption, socketFacts, type SocketFacts } from '../socket/facts.ts';
import { KnownSockets } from '../socket/known.ts';
import { askEbpf } from '../socket/filter.ts';
import { ifreq } from '../socket/device.ts';

/** A device's address that the socket wants packets of as well. */
export interface Member { readonly index: number; readonly count: number; readonly type: number; readonly address: Buffer; readonly device: string | undefined }

export interface PacketFacts extends SocketFacts {
  readonly inode: number;
  /** Undefined when the kernel's list does not have it. */
  readonly listed: Listed | undefined;
  readonly device: string | undefined;
  readonly members: readonly Member[];
  /** PACKET_FANOUT: id, type and flags; undefined when it is in no group. */
  readonly fanout: number | undefined;
  /** Bytes of memory that packets which wait to be read take. */
  readonly waiting: number;
  readonly ebpf: boolean;
}

/** struct packet_diag_msg with its attributes. */
interface Listed {
  /** In network order, as socket(2) is told it. */
  readonly protocol: number;
  /** 0: all devices; -1: its device is gone. */
  readonly index: number;
  readonly version: number; readonly reserve: number; readonly copyThreshold: number; readonly timestamp: number; readonly flags: number;
  readonly members: readonly Omit<Member, 'device'>[];
  readonly rx: packet_ring | undefined;
  readonly tx: packet_ring | undefined;
  readonly shared: boolean;
}

const facts = new KnownSockets<PacketFacts>();

export const packetFacts = (descriptor: Descriptor, context: DumpContext): PacketFacts | undefined => facts.of(descriptor, context);

/** Looks at packet sockets not looked at before. */
export function learnPackets(descriptors: readonly Descriptor[], context: DumpContext): void {
  const fresh = facts.unseen(descriptors, context, (one) => socketFacts(one, context)?.family === AF.PACKET);
  if (fresh.length === 0) return;
  const listed = readList(context);
  const program = new Program('helper');
  const answers = addWithSockets(program, fresh.map(([, one]) => one), (held) => ask(program, held));
  const devices = new Set(fresh.flatMap(([inode]) => [listed.get(inode)?.index ?? 0, ...listed.get(inode)?.members.map(({ index }) => index) ?? []]).filter((index) => index > 0));
  const names = askNames(program, devices);
  const ran = context.helper.local(program).check('dump');
  const nameOf = new Map([...names].map(([index, read]) => [index, read(ran)]));
  fresh.forEach(([inode, descriptor], i) => {
    const one = listed.get(inode);
    const answer = answers[i]!(ran);
    facts.learn(inode, {
      ...socketFacts(descriptor, context)!, ...answer, inode, listed: one, device: nameOf.get(one?.index ?? 0), fanout: one?.shared === true ? answer.fanout : undefined,
      members: one?.members.map((member) => ({ ...member, device: nameOf.get(member.index) })) ?? [],
    }, context);
  });
}

function ask(program: Program, held: ResultRef): (ran: RanBlock) => Pick<PacketFacts, 'fanout' | 'waiting' | 'ebpf'> {
  const fanout = askOption(program, held, SOL_PACKET, PACKET.FANOUT);
  const memory = askOption(program, held, SOL_SOCKET, SO_MEMINFO, SK_MEMINFO_SIZE);
  const ebpf = askEbpf(program, held);
  return (ran) => ({ fanout: answerOf(ran, fanout)?.readUInt32LE(0), waiting: answerOf(ran, memory)?.readUInt32LE(0) ?? 0, ebpf: ebpf(ran) });
}

/** Names of devices by number; undefined for one that is gone. */
function askNames(program: Program, indices: Iterable<number>): Map<number, (ran: RanBlock) => string | undefined> {
  const asked = new Map<number, (ran: RanBlock) => string | undefined>();
  program.resource('names of network devices');
  const socket = program.call('socket', [AF.UNIX, SOCK.DGRAM | SOCK.CLOEXEC, 0]);
  for (const index of indices) {
    const request = ifreq('');
    request.writeUInt32LE(index, IFNAMSIZ);
    const place = program.data(request);
    const got = program.call('ioctl', [socket, SIOCGIFNAME, place], { expect: 'any' });
    asked.set(index, (ran) => (ran.result(got) < 0n ? undefined : ran.data(place, IFNAMSIZ).toString('latin1').replace(/\0.*$/su, '')));
  }
  program.call('close', [socket], { keep: false });
  return asked;
}

function readList({ helper }: DumpContext): Map<number, Listed> {
  // struct packet_diag_req: family, protocol, padding, inode, what to show, cookie
  const request = Buffer.alloc(20);
  request.writeUInt8(AF.PACKET, 0);
  request.writeUInt32LE(PDIAG.SHOW, 8);
  return new Map(sockDiag(helper, 'packet', request).filter((body) => body.length >= PDIAG.MESSAGE_SIZE).map((body) => [body.readUInt32LE(4), readListed(body)]));
}

function readListed(body: Buffer): Listed {
  const attributes = attributesOf(body.subarray(PDIAG.MESSAGE_SIZE));
  const info = attributes.get(PDIAG.INFO) ?? Buffer.alloc(PDIAG.INFO_SIZE);
  const list = attributes.get(PDIAG.MCLIST) ?? Buffer.alloc(0);
  const word = (i: number): number => info.readUInt32LE(i * 4);
  return {
    protocol: body.readUInt16BE(2), index: info.readInt32LE(0), version: word(1), reserve: word(2), copyThreshold: word(3), timestamp: word(4), flags: word(5),
    members: Array.from({ length: Math.floor(list.length / PDIAG.MCLIST_SIZE) }, (_, i) => readMember(list.subarray(i * PDIAG.MCLIST_SIZE, (i + 1) * PDIAG.MCLIST_SIZE))),
    rx: readRing(attributes.get(PDIAG.RX_RING)), tx: readRing(attributes.get(PDIAG.TX_RING)), shared: attributes.has(PDIAG.FANOUT),
  };
}

/** struct packet_diag_mclist: device, count, type, length of the address, address. */
function readMember(bytes: Buffer): Omit<Member, 'device'> {
  return { index: bytes.readUInt32LE(0), count: bytes.readUInt32LE(4), type: bytes.readUInt16LE(8), address: bytes.subarray(12, 12 + Math.min(MAX_ADDR_LEN, bytes.readUInt16LE(10))) };
}

/** struct packet_diag_ring. */
function readRing(bytes: Buffer | undefined): packet_ring | undefined {
  if (bytes === undefined || bytes.length < PDIAG.RING_SIZE) return undefined;
  const word = (i: number): number => bytes.readUInt32LE(i * 4);
  return word(1) === 0 ? undefined : create(packet_ring, { block_size: word(0), block_nr: word(1), frame_size: word(2), frame_nr: word(3), retire_tmo: word(4), sizeof_priv: word(5), features: word(6) });
}
