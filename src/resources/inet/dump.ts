/**
 * Internet sockets (AF_INET, AF_INET6): TCP, UDP, UDP-Lite, raw and ping. Everything is asked through copies of their descriptors in the
 * helper; nothing is taken from them.
 */
import type { DumpContext } from '../../dump/context.ts';
import { describeDescriptor, type Descriptor, type FileKind, type OpenFile } from '../../dump/file-kinds.ts';
import { create } from '../../image/wire.ts';
import {
  fd_types, fown_entry, inet_sk_entry, ip_opts_entry, ip_opts_raw_entry, sf_inet_entry, sf_sockopt_entry, tcp_opts_entry,
} from '../../image/schema/index.ts';
import { ownFile } from '../../image/tree-own.ts';
import { tcpStateName } from '../../inspect/names.ts';
import { ICMP_FILTER, ICMP_FILTER_SIZE, ICMPV6_FILTER, ICMPV6_FILTER_SIZE, IP, IPPROTO, IPV6, SOL, TCP, TCP_STATE } from '../../kernel/inet.ts';
import { AF, SOCK } from '../../kernel/sockets.ts';
import { Program, type RanBlock, type ResultRef } from '../../program/program.ts';
import { once } from '../../program/repeat.ts';
import { answerOf, askOption, socketFacts } from '../socket/facts.ts';
import { socketInode } from '../socket/known.ts';
import { EBPF_REFUSAL, readFilter } from '../socket/filter.ts';
import { askOptions, type SocketOptions } from '../socket/options-dump.ts';
import { ownOptions } from '../socket/own-options.ts';
import type { Endpoints } from '../../network-lock/endpoints.ts';
import { chooseMethod, lock } from '../../network-lock/lock.ts';
import { METHOD, unlockOf } from '../../network-lock/unlock.ts';
import { describeAddresses, needsScope, wordsOf } from './address.ts';
import { inetFacts, isInet, isMptcp, isTcp, isUdp, learnInet, type InetFacts } from './facts.ts';
import { addRepairOff, holdDescriptors, readStreams, states, URGENT } from './stream-dump.ts';
import { learnMemberships, membershipsOf } from './multicast-dump.ts';
import { INET_OPTIONS } from './options.ts';

interface Answers {
  readonly options: SocketOptions;
  readonly filter: readonly bigint[];
  readonly own: readonly sf_sockopt_entry[];
  readonly v6only: boolean;
  readonly ip: ip_opts_entry;
  readonly tcp: tcp_opts_entry;
}
const answers = new WeakMap<DumpContext, Map<number, Answers>>();

const describe = ({ type, protocol, local, peer }: InetFacts): string => describeAddresses(type, protocol, local, peer);

const PROTOCOLS: readonly number[] = [IPPROTO.IP, IPPROTO.TCP, IPPROTO.UDP, IPPROTO.UDPLITE, IPPROTO.MPTCP, IPPROTO.ICMP, IPPROTO.ICMPV6];

export const inetSockets: FileKind = {
  type: fd_types.INETSK,
  meet: learnInet,
  claims(descriptor, context) {
    const facts = socketFacts(descriptor, context);
    return facts !== undefined && isInet(facts);
  },
  refuse(descriptor, context) {
    const facts = inetFacts(descriptor, context)!;
    const refusal = refuse(facts, context);
    return refusal === undefined ? undefined : { ...refusal, why: `${describe(facts)}: ${refusal.why}` };
  },
  ask(program, held, file, context) {
    const facts = inetFacts(file.descriptors[0]!, context)!;
    const read = once(askAll(program, held, facts));
    return (ran, { descriptors: [first] }) => {
      let known = answers.get(context);
      if (known === undefined) answers.set(context, known = new Map());
      const one = read(ran);
      known.set(socketInode(first!)!, { ...one, filter: readFilter(first!, one.options.filterLength, context) });
    };
  },
  shape(file, context, program) {
    const facts = inetFacts(file.descriptors[0]!, context)!;
    ownOptions(program, INET_OPTIONS).prepare(facts);
    return [facts.family, facts.type, facts.protocol, isConnection(facts)].join('/');
  },
  collect: (own, _all, context) => { learnMemberships(own, context); },
  hold: (own, context) => { holdConnections(own, context); },
  entry: (file, context) => ({ isk: inetEntry(file, context) }),
};

function refuse(facts: InetFacts, context: DumpContext): { readonly why: string; readonly remedy?: string } | undefined {
  const { type, protocol, state } = facts;
  if (facts.foreign) return { why: 'it is of another network namespace than the tree', remedy: 'Let the program close it first' };
  if (![SOCK.STREAM, SOCK.DGRAM, SOCK.RAW].some((known) => known === type)) return { why: `sockets of type ${type} are not supported`, remedy: 'Let the program close it first' };
  if (type !== SOCK.RAW && !PROTOCOLS.includes(protocol)) return { why: `protocol ${protocol} is not supported`, remedy: 'Let the program close it first' };
  if (facts.ebpf) return EBPF_REFUSAL;
  if (facts.ulp !== '') return { why: `it has the protocol layer '${facts.ulp}' (TCP_ULP), whose keys cannot be read back`, remedy: `Let the program do without (kernel TLS is usually an option of it)` };
  if (facts.signed !== '' && (!isConnection(facts) || !context.options.given.has('tcp-close'))) {
    return { why: `its segments are signed (${facts.signed}), and keys are not kept`, remedy: isConnection(facts) ? 'Let the program find it closed after the restore, with --tcp-close' : 'Let the program close it first, and make it again with its keys after the restore' };
  }
  if (facts.corked && facts.sending > 0) return { why: `${facts.sending} bytes wait in it to be sent as one datagram (UDP_CORK)`, remedy: 'Let the program send them first: try again a moment later' };
  if (isMptcp(facts) && isConnection(facts)) return refuseMptcp(facts, context);
  if (isTcp(facts) && state !== TCP_STATE.CLOSE && state !== TCP_STATE.LISTEN) return refuseConnection(facts, context);
  if (state === TCP_STATE.LISTEN && facts.waiting > 0 && !context.options.given.has('skip-in-flight')) {
    return { why: `${facts.waiting} connections wait to be accepted, which nobody has open yet`, remedy: 'Let the program accept them first (try again a moment later), or drop them with --skip-in-flight' };
  }
  return undefined;
}

function refuseConnection({ state, urgent }: InetFacts, context: DumpContext): { readonly why: string; readonly remedy?: string } | undefined {
  const { given } = context.options;
  if (given.has('tcp-close')) return undefined;
  if (state === TCP_STATE.SYN_RECV) return { why: 'its peer did not finish opening it (SYN_RECV)', remedy: 'Try again a moment later' };
  if (given.has('tcp-established')) return urgent ? URGENT : undefined;
  return {
    why: `it is a connection (${tcpStateName(state)})`,
    remedy: 'Keep it with --tcp-established, or let the program find it closed after the restore with --tcp-close',
  };
}

/** Repair mode is refused to them (mptcp_supported_sockopt of the kernel), also where the peer speaks TCP only: nothing else tells sequence numbers. */
function refuseMptcp({ state }: InetFacts, context: DumpContext): { readonly why: string; readonly remedy?: string } | undefined {
  if (context.options.given.has('tcp-close')) return undefined;
  return {
    why: `it is an MPTCP connection (${tcpStateName(state)}), whose state the kernel tells nobody`,
    remedy: 'Let the program find it closed after the restore, with --tcp-close; or let it use plain TCP (Go programs: GODEBUG=multipathtcp=0)',
  };
}

/** Connections, and those that were some: all that has a peer. */
function holdConnections(own: readonly OpenFile[], context: DumpContext): void {
  if (context.options.given.has('tcp-close')) return;
  const files = own.filter((file) => isConnection(inetFacts(file.descriptors[0]!, context)!));
  if (files.length === 0) return;
  const fds = holdDescriptors(files.map(({ descriptors }) => descriptors[0]!), context);
  const held = files.map((file, i) => {
    const { inode, family } = inetFacts(file.descriptors[0]!, context)!;
    return { file, inode, family, fd: fds[i]!, reuseaddr: answers.get(context)!.get(inode)!.options.opts.reuseaddr === true };
  });
  const ends = files.map((file) => endpointsOf(inetFacts(file.descriptors[0]!, context)!)).filter((one) => one !== undefined);
  const { inventory } = context.tree;
  const id = inventory.dump_criu_run_id ?? '';
  const method = ends.length === 0 ? 'skip' : chooseMethod(context.options.given.get('network-lock')?.at(-1), context.helper);
  if (ends.length > 0) inventory.network_lock_method = METHOD[method];
  const unlock = unlockOf(METHOD[method], id, ends);
  context.guard.arm({
    steps: (p) => {
      // first: to open the lock takes milliseconds, and when the helper was killed the tree runs already
      addRepairOff(p, held);
      unlock.steps?.(p);
    },
    command: unlock.command,
  });
  if (ends.length > 0) lock(method, id, ends, `dump of task ${context.options.pid}`, context.helper);
  readStreams(held, context);
}

/** Undefined for what is over. */
function endpointsOf({ family, state, local, peer }: InetFacts): Endpoints | undefined {
  return state === TCP_STATE.CLOSE || peer === undefined ? undefined : { family, local, peer };
}

const isConnection = (facts: InetFacts): boolean => (isTcp(facts) || isMptcp(facts)) && facts.state !== TCP_STATE.LISTEN && facts.peer !== undefined && facts.peer.port !== 0;

function askAll(program: Program, held: ResultRef, facts: InetFacts): (ran: RanBlock) => Answers {
  const options = askOptions(program, held, facts.family);
  const others = ownOptions(program, INET_OPTIONS).ask(held, facts, isConnection(facts));
  const v6only = facts.family === AF.INET6 ? askOption(program, held, SOL.IPV6, IPV6.V6ONLY) : undefined;
  const ip = askIp(program, held, facts);
  const tcp = askTcp(program, held, facts);
  return (ran) => ({
    options: options(ran), filter: [], own: others(ran), v6only: v6only !== undefined && (answerOf(ran, v6only)?.readInt32LE(0) ?? 0) !== 0, ip: ip(ran), tcp: tcp(ran),
  });
}

/** Adds a question whose answer is a number. */
function asker(program: Program, held: ResultRef): (level: number, name: number) => (ran: RanBlock) => number {
  return (level, name) => {
    const question = askOption(program, held, level, name);
    return (ran) => answerOf(ran, question)?.readInt32LE(0) ?? 0;
  };
}

/** What ip_opts_entry has: as CRIU does, nothing that is zero. */
function askIp(program: Program, held: ResultRef, facts: InetFacts): (ran: RanBlock) => ip_opts_entry {
  const { family, type, protocol } = facts;
  const ask = asker(program, held);
  const v6 = family === AF.INET6;
  const freebind = v6 ? ask(SOL.IPV6, IPV6.FREEBIND) : ask(SOL.IP, IP.FREEBIND);
  const pktinfo = v6 ? ask(SOL.IPV6, IPV6.RECVPKTINFO) : ask(SOL.IP, IP.PKTINFO);
  const [tos, ttl] = v6 ? [undefined, undefined] : [ask(SOL.IP, IP.TOS), isMptcp(facts) ? undefined : ask(SOL.IP, IP.TTL)];
  const raw = type === SOCK.RAW ? askRaw(program, held, v6, protocol) : undefined;
  return (ran) => {
    const [service, hops] = [tos?.(ran) ?? 0, ttl?.(ran) ?? 0];
    return create(ip_opts_entry, {
      ...(freebind(ran) !== 0 ? { freebind: true } : {}), ...(pktinfo(ran) !== 0 ? { pktinfo: true } : {}),
      ...(service !== 0 ? { tos: service } : {}), ...(hops !== 0 ? { ttl: hops } : {}), ...(raw === undefined ? {} : { raw: raw(ran) }),
    });
  };
}

function askRaw(program: Program, held: ResultRef, v6: boolean, protocol: number): (ran: RanBlock) => ip_opts_raw_entry {
  const ask = asker(program, held);
  const hdrincl = v6 ? ask(SOL.IPV6, IPV6.HDRINCL) : ask(SOL.IP, IP.HDRINCL);
  const nodefrag = v6 ? undefined : ask(SOL.IP, IP.NODEFRAG);
  const filter = v6 && protocol === IPPROTO.ICMPV6 ? askOption(program, held, SOL.ICMPV6, ICMPV6_FILTER, ICMPV6_FILTER_SIZE)
    : !v6 && protocol === IPPROTO.ICMP ? askOption(program, held, SOL.RAW, ICMP_FILTER, ICMP_FILTER_SIZE) : undefined;
  return (ran) => {
    const bytes = filter === undefined ? undefined : answerOf(ran, filter);
    return create(ip_opts_raw_entry, {
      ...(hdrincl(ran) !== 0 ? { hdrincl: true } : {}), ...((nodefrag?.(ran) ?? 0) !== 0 ? { nodefrag: true } : {}),
      icmpv_filter: bytes === undefined ? [] : Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32LE(i * 4)),
    });
  };
}

function askTcp(program: Program, held: ResultRef, facts: InetFacts): (ran: RanBlock) => tcp_opts_entry {
  if (!isTcp(facts) && !isMptcp(facts)) return () => create(tcp_opts_entry, {});
  const ask = asker(program, held);
  const [nodelay, cork, keepcnt, keepidle, keepintvl] = [TCP.NODELAY, TCP.CORK, TCP.KEEPCNT, TCP.KEEPIDLE, TCP.KEEPINTVL].map((name) => ask(SOL.TCP, name));
  return (ran) => create(tcp_opts_entry, {
    ...(nodelay!(ran) !== 0 ? { nodelay: true } : {}), ...(cork!(ran) !== 0 ? { cork: true } : {}), keepcnt: keepcnt!(ran), keepidle: keepidle!(ran), keepintvl: keepintvl!(ran),
  });
}

function inetEntry(file: OpenFile, context: DumpContext): inet_sk_entry {
  const first = file.descriptors[0]!;
  const facts = inetFacts(first, context)!;
  const { options, filter, own, v6only, ip, tcp } = answers.get(context)!.get(facts.inode)!;
  const v6 = facts.family === AF.INET6;
  const { local, peer } = facts;
  warnOfLosses(first, facts, context);
  const memberships = membershipsOf(facts.inode, context);
  const extra = [...options.own, ...own];
  if (extra.length > 0) ownFile(context.tree, file.id).sockopts.push(...extra);
  const { uid, gid } = first.stat;
  const scoped = peer !== undefined && needsScope(peer.words) && facts.device !== undefined;
  const mptcp = isMptcp(facts);
  if (uid !== 0n || gid !== 0n || scoped || mptcp || memberships.length > 0) {
    ownFile(context.tree, file.id).inet = create(sf_inet_entry, { memberships: [...memberships], ...(uid === 0n ? {} : { uid: Number(uid) }), ...(gid === 0n ? {} : { gid: Number(gid) }), ...(scoped ? { device: facts.device } : {}), ...(mptcp ? { mptcp } : {}) });
  }
  return create(inet_sk_entry, {
    id: file.id, ino: facts.inode, family: facts.family, type: facts.type, proto: mptcp ? IPPROTO.TCP : facts.protocol, state: states(context).get(facts.inode) ?? facts.state,
    src_port: local.port, dst_port: peer?.port ?? 0, flags: first.info.flags, backlog: facts.state === TCP_STATE.LISTEN ? facts.backlog : facts.sending,
    src_addr: [...local.words], dst_addr: [...peer?.words ?? Array.from({ length: wordsOf(facts.family) }, () => 0)],
    fown: create(fown_entry, file.owner), opts: { ...options.opts, so_filter: [...filter] }, ip_opts: ip, tcp_opts: tcp,
    ns_id: context.tree.inventory.root_ids?.net_ns_id ?? 0,
    ...(v6 ? { v6only } : {}),
    ...(v6 && local.port !== 0 && needsScope(local.words) && facts.device !== undefined ? { ifname: facts.device } : {}),
    ...((isUdp(facts) || isTcp(facts)) && facts.shutdown !== 0 ? { shutdown: facts.shutdown } : {}),
  });
}

/** What nothing can put back, and is no reason not to dump. */
function warnOfLosses(descriptor: Descriptor, { datagrams, failed, ...facts }: InetFacts, { log }: DumpContext): void {
  const where = describeDescriptor(descriptor);
  if (datagrams !== undefined) log.warn(where, `${describeAddresses(facts.type, facts.protocol, facts.local, facts.peer)}: datagrams that wait to be read are not in the images and will be dropped (the first has ${datagrams.first} bytes; all take ${datagrams.memory} bytes of memory)`);
  if (failed) log.warn(where, `${describeAddresses(facts.type, facts.protocol, facts.local, facts.peer)}: an error that waits to be told (SO_ERROR) is not in the images and will be dropped`);
}
