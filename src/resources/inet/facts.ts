/** What the kernel tells of the internet sockets of a tree: addresses, state, queues. Asked for all of them at once; looks only. */
import type { DumpContext } from '../../dump/context.ts';
import { addEach } from '../../dump/ask-each.ts';
import type { Descriptor } from '../../dump/file-kinds.ts';
import { ERRNO } from '../../kernel/errno.ts';
import { IFNAMSIZ, IFREQ_SIZE, IPPROTO, POLLERR, POLLHUP, POLLIN, POLLPRI, POLLRDHUP, SIOCATMARK, SIOCGIFNAME, SIOCINQ, SIOCOUTQ, SOCKADDR_IN6_SIZE, SOCKADDR_IN_SIZE, SOL, TCP, TCP_AO_INFO_SIZE, TCP_STATE, UDP } from '../../kernel/inet.ts';
import { AF, INET_DIAG, SK_MEMINFO_SIZE, SO, SO_MEMINFO, SOCK, SOL_SOCKET } from '../../kernel/sockets.ts';
import { protocolName } from '../../inspect/names.ts';
import { Program, type DataRef, type RanBlock, type ResultRef } from '../../program/program.ts';
import { attributesOf, sockDiag } from '../socket/diag.ts';
import { answerOf, askOption, socketFacts, type SocketFacts } from '../socket/facts.ts';
import { KnownSockets } from '../socket/known.ts';
import { NO_ADDRESS, parseAddress, type Address } from './address.ts';

export interface InetFacts extends SocketFacts {
  readonly inode: number;
  readonly local: Address;
  /** Undefined when it is not connected. */
  readonly peer: Address | undefined;
  /** TCP_STATE; of other sockets ESTABLISHED when connected, else CLOSE. */
  readonly state: number;
  /** Of a listening one: how many wait to be accepted, and how many may. */
  readonly waiting: number;
  readonly backlog: number;
  /** Bits: 1 receiving, 2 sending. */
  readonly shutdown: number;
  /** UDP: it is corked, and bytes wait for that to end. */
  readonly corked: boolean;
  /** Bytes that were not sent, or not acknowledged. */
  readonly sending: number;
  /** TCP_ULP: who changes what goes over it, as `tls`. */
  readonly ulp: string;
  /** Its segments are signed: TCP_MD5SIG or TCP_AO, or nothing. The first is told by the kernel's list only, which has no sockets without an address. */
  readonly signed: string;
  /** Urgent data waits to be read, or was read out of the stream and its place in it is next. */
  readonly urgent: boolean;
  /** An error waits to be told (SO_ERROR). Which one cannot be asked without taking it. */
  readonly failed: boolean;
  /** Datagrams wait to be read: bytes of the first, and of memory that all take. */
  readonly datagrams: { readonly first: number; readonly memory: number } | undefined;
  /** Its filter is an eBPF program. */
  readonly ebpf: boolean;
  /** Name of the device that a link-local address belongs to. */
  readonly device: string | undefined;
}

const known = new KnownSockets<InetFacts>();

export const isInet = ({ family }: Pick<SocketFacts, 'family'>): boolean => family === AF.INET || family === AF.INET6;
export const isTcp = ({ type, protocol }: Pick<SocketFacts, 'type' | 'protocol'>): boolean => type === SOCK.STREAM && protocol === IPPROTO.TCP;
/** Multipath TCP. What it accepts from peers that speak TCP only are TCP sockets. */
export const isMptcp = ({ type, protocol }: Pick<SocketFacts, 'type' | 'protocol'>): boolean => type === SOCK.STREAM && protocol === IPPROTO.MPTCP;
export const isUdp = ({ type, protocol }: Pick<SocketFacts, 'type' | 'protocol'>): boolean => type === SOCK.DGRAM && (protocol === IPPROTO.UDP || protocol === IPPROTO.UDPLITE);

export const inetFacts = (descriptor: Descriptor, context: DumpContext): InetFacts | undefined => known.of(descriptor, context);

/** struct tcp_info: state, and of a listening socket its queue and the queue's size. */
const TCPI_STATE = 0, TCPI_UNACKED = 24, TCPI_SACKED = 28, TCPI_SIZE = 32;

/** Looks at internet sockets not looked at before. */
export function learnInet(descriptors: readonly Descriptor[], context: DumpContext): void {
  const fresh = known.unseen(descriptors, context, (one) => isInet(socketFacts(one, context)!));
  if (fresh.length === 0) return;
  const program = new Program('helper');
  const asked = addEach(program, fresh, ([, one]) => one, ([, one]) => shapeOf(socketFacts(one, context)!), (held, [, one]) => ask(program, held, socketFacts(one, context)!));
  const ran = context.helper.local(program).check('dump');
  const all = asked.map(({ item: [inode], answers, view }): InetFacts => ({ ...answers(view(ran)), inode }));
  const listed = readLists(all, context);
  for (const one of all) {
    const more = listed.get(one.inode);
    known.learn(one.inode, { ...one, ...(more !== undefined && isUdp(one) ? { shutdown: more.shutdown } : {}), signed: more?.md5 === true ? 'TCP_MD5SIG' : one.signed }, context);
  }
}

const shapeOf = ({ family, type, protocol, foreign }: SocketFacts): string => [family, type, protocol, foreign].join('/');

function ask(program: Program, held: ResultRef, what: SocketFacts): (ran: RanBlock) => Omit<InetFacts, 'inode'> {
  const name = program.reserve(SOCKADDR_IN6_SIZE);
  const named = program.call('getsockname', [held, name, program.data(Uint8Array.of(SOCKADDR_IN6_SIZE, 0, 0, 0), 4)], { expect: 'any' });
  // unlike getpeername it tells of connections that are not there yet, or no more
  const peer = askOption(program, held, SOL_SOCKET, SO.PEERNAME, what.family === AF.INET6 ? SOCKADDR_IN6_SIZE : SOCKADDR_IN_SIZE);
  const tcp = isTcp(what);
  const stream = tcp || isMptcp(what);
  const info = stream ? askOption(program, held, SOL.TCP, TCP.INFO, TCPI_SIZE) : undefined;
  const ulp = tcp ? askOption(program, held, SOL.TCP, TCP.ULP, 16) : undefined;
  const ao = tcp ? askOption(program, held, SOL.TCP, TCP.AO_INFO, TCP_AO_INFO_SIZE) : undefined;
  const memory = stream ? undefined : askOption(program, held, SOL_SOCKET, SO_MEMINFO, SK_MEMINFO_SIZE);
  const word = program.reserve(4);
  program.call('ioctl', [held, tcp ? SIOCATMARK : SIOCINQ, word], { expect: 'any', keep: false });
  const cork = isUdp(what) ? askOption(program, held, SOL.UDP, UDP.CORK) : undefined;
  const filter = askOption(program, held, SOL_SOCKET, SO.GET_FILTER, 0);
  const queue = program.reserve(4);
  program.call('ioctl', [held, SIOCOUTQ, queue], { expect: 'any', keep: false });
  const events = addPoll(program, held);
  const device = what.family === AF.INET6 ? addDeviceName(program, held, name) : undefined;
  return (ran) => {
    const tcpInfo = info === undefined ? undefined : answerOf(ran, info);
    const state = tcpInfo?.readUInt8(TCPI_STATE);
    const polled = ran.data(events).readUInt16LE(6);
    const from = ran.result(named) < 0n ? undefined : parseAddress(ran.data(name), what.family);
    const other = answerOf(ran, peer);
    const to = other === undefined ? undefined : parseAddress(other, what.family);
    const listening = state === TCP_STATE.LISTEN;
    return {
      ...what, local: from ?? NO_ADDRESS(what.family), peer: to,
      state: state ?? (to === undefined ? TCP_STATE.CLOSE : TCP_STATE.ESTABLISHED),
      waiting: listening ? tcpInfo!.readUInt32LE(TCPI_UNACKED) : 0, backlog: listening ? tcpInfo!.readUInt32LE(TCPI_SACKED) : 0,
      shutdown: shutdownOf(state, polled),
      signed: ao === undefined || answerOf(ran, ao) === undefined ? '' : 'TCP_AO',
      urgent: tcp && ((polled & POLLPRI) !== 0 || ran.data(word).readInt32LE(0) === 1), failed: (polled & POLLERR) !== 0,
      datagrams: memory === undefined || (polled & POLLIN) === 0 ? undefined : waiting(ran.data(word).readInt32LE(0), answerOf(ran, memory)?.readUInt32LE(0) ?? 0),
      corked: cork !== undefined && (answerOf(ran, cork)?.readInt32LE(0) ?? 0) !== 0, sending: ran.data(queue).readUInt32LE(0),
      ulp: ulp === undefined ? '' : answerOf(ran, ulp)?.toString('latin1').replace(/\0.*$/su, '') ?? '',
      ebpf: ran.result(filter.got) === BigInt(-ERRNO.EACCES), device: device?.(ran),
    };
  };
}

/** A connection's says its state, except that nothing is read any more; of a socket that never was connected the events tell as much as there is. */
function shutdownOf(state: number | undefined, events: number): number {
  const reading = (events & POLLRDHUP) !== 0 ? 1 : 0;
  if (state === TCP_STATE.CLOSE) return (events & POLLHUP) === 0 ? 0 : reading;
  return state === undefined || state === TCP_STATE.LISTEN ? 0 : reading;
}

/** struct pollfd. */
function addPoll(program: Program, held: ResultRef): DataRef {
  const poll = program.reserve(8);
  program.store(poll, held, 4);
  program.store(poll.at(4), POLLIN | POLLPRI | POLLRDHUP | POLLHUP, 2);
  program.call('poll', [poll, 1, 0], { expect: 'any', keep: false });
  return poll;
}

/** The name behind sin6_scope_id. */
function addDeviceName(program: Program, held: ResultRef, address: DataRef): (ran: RanBlock) => string | undefined {
  const request = program.reserve(IFREQ_SIZE);
  program.store(request.at(IFNAMSIZ), program.load(address.at(24), 4), 4);
  const got = program.call('ioctl', [held, SIOCGIFNAME, request], { expect: 'any' });
  return (ran) => (ran.result(got) < 0n ? undefined : ran.data(request, IFNAMSIZ).toString('latin1').replace(/\0.*$/su, ''));
}

/** One that was shut down has events, but nothing to be read. */
const waiting = (first: number, memory: number): InetFacts['datagrams'] => (memory === 0 ? undefined : { first, memory });

/** A TCP socket that is bound and neither listens nor is connected is in a state of its own there (TCPF_BOUND_INACTIVE). */
const BOUND = 13;
const ALL_STATES = 0xffff_ffff;

/** What only the kernel's lists say (inet_diag): what of a datagram socket was shut down, and keys of TCP. They have none but bound ones. */
function readLists(all: readonly InetFacts[], { helper }: DumpContext): Map<number, { readonly shutdown: number; readonly md5: boolean }> {
  const found = new Map<number, { readonly shutdown: number; readonly md5: boolean }>();
  const wanted = new Map<string, number>();
  for (const one of all) {
    const { family, protocol, state } = one;
    if (one.local.port === 0 || !(isUdp(one) || isTcp(one))) continue;
    const key = `${family}/${protocol}`;
    const states = isUdp(one) ? ALL_STATES : 1 << (state === TCP_STATE.CLOSE ? BOUND : state);
    wanted.set(key, ((wanted.get(key) ?? 0) | states) >>> 0);
  }
  for (const [key, states] of wanted) {
    const [family, protocol] = key.split('/').map(Number) as [number, number];
    for (const body of inetDiag(helper, family, protocol, states)) {
      const attributes = attributesOf(body.subarray(INET_DIAG.MESSAGE_SIZE));
      found.set(body.readUInt32LE(INET_DIAG.INODE_AT), { shutdown: attributes.get(INET_DIAG.SHUTDOWN)?.[0] ?? 0, md5: attributes.has(INET_DIAG.MD5SIG) });
    }
  }
  return found;
}

/** The kernel's list of a kind of socket: struct inet_diag_msg and attributes of each (keys only beside INFO). @param states bits */
export function inetDiag(helper: DumpContext['helper'], family: number, protocol: number, states: number): Buffer[] {
  // struct inet_diag_req_v2: family, protocol, extensions, padding, states, id
  const request = Buffer.alloc(56);
  request.writeUInt8(family, 0);
  request.writeUInt8(protocol, 1);
  request.writeUInt8(1 << INET_DIAG.INFO - 1, 2);
  request.writeUInt32LE(states, 4);
  return sockDiag(helper, protocolName(protocol).toUpperCase(), request).filter((body) => body.length >= INET_DIAG.MESSAGE_SIZE);
}
