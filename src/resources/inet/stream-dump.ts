/**
 * The state of TCP connections, read by TCP repair (tcp(7) does not tell of it; <linux/tcp.h> has the names). From the moment that a connection
 * is in repair mode it sends nothing, and whoever closes it then is not noticed by its peer. docs/network.md has the picture.
 *
 *      peer <- snd_una .. snd_nxt .. write_seq       what was sent and not acknowledged, what was not sent yet (SIOCOUTQ, SIOCOUTQNSD)
 *      peer -> copied_seq .. rcv_nxt                 what was received and not read (SIOCINQ)
 */
import type { DumpContext } from '../../dump/context.ts';
import { describeDescriptor, type Descriptor, type OpenFile } from '../../dump/file-kinds.ts';
import { StillframeError } from '../../errors.ts';
import { payload } from '../../image/payload.ts';
import { tcp_stream_entry } from '../../image/schema/index.ts';
import { create } from '../../image/wire.ts';
import { IPPROTO, QUEUE, REPAIR, SIOCINQ, SIOCOUTQ, SIOCOUTQNSD, SOL, TCP, TCPI_OPT, TCP_STATE } from '../../kernel/inet.ts';
import { INET_DIAG, MSG, SO, SOL_SOCKET } from '../../kernel/sockets.ts';
import { addEach } from '../../dump/ask-each.ts';
import { Program, type Arg, type DataRef, type RanBlock, type ResultRef } from '../../program/program.ts';
import { repeat } from '../../program/repeat.ts';
import { answerOf, askOption, type Question } from '../socket/facts.ts';
import { inetDiag } from './facts.ts';
import { hasReceivedFin, hasSentFin } from './states.ts';
import { settable, type Windows } from './windows.ts';

/** A connection, by a copy of its descriptor in the helper. */
export interface Held {
  readonly file: OpenFile;
  readonly inode: number;
  /** AF_* */
  readonly family: number;
  readonly fd: number;
  readonly reuseaddr: boolean;
}

/** struct tcp_info: state, options, scales (send in the low half). */
const INFO_STATE = 0, INFO_OPTIONS = 5, INFO_SCALES = 6, INFO_SIZE = 8;
const WINDOW_SIZE = 20;
/** Bytes of queues that are read in one request. */
const BATCH_BYTES = 64 << 20;
/** What arrives while it is looked at makes it look again; the network lock keeps that from happening more than once. */
const TRIES = 10;
/** States of the kernel's list in which a connection may hold data. */
const { ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING } = TCP_STATE;
const WITH_DATA = [ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING].reduce((bits, state) => bits | 1 << state, 0);

/** Copies of descriptors, which the helper keeps until it ends. */
export function holdDescriptors(descriptors: readonly Descriptor[], context: DumpContext): number[] {
  const program = new Program('helper');
  const asked = addEach(program, descriptors, (one) => one, () => 'held', (held) => held, true);
  const ran = context.helper.local(program).check('dump');
  return asked.map(({ answers, view }) => Number(view(ran).result(answers)));
}

/** Adds the same steps about each connection, with its number in the helper and whether its address may be used again. */
function forEachHeld<T>(program: Program, held: readonly Held[], add: (fd: ResultRef, reuseaddr: ResultRef) => T): { readonly body: T; view(ran: RanBlock, i: number): RanBlock } {
  return repeat(program, held.map(({ file, fd, reuseaddr }) => ({ resource: describeDescriptor(file.descriptors[0]!), values: [fd, Number(reuseaddr)] })), ([fd, reuseaddr]) => add(fd!, reuseaddr!));
}

const word = (program: Program, value: number): DataRef => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value, 0);
  return program.data(bytes, 4);
};

function set(program: Program, fd: Arg, level: number, name: number, value: DataRef, expect?: 'any'): void {
  program.call('setsockopt', [fd, level, name, value, 4], { keep: false, ...(expect === undefined ? {} : { expect }), remedy: { EPERM: 'TCP repair needs CAP_NET_ADMIN: run the dump as root' } });
}

/** Ends repair mode; right also when it never was on. Repair mode takes the permission to use the address again away. */
export function addRepairOff(program: Program, held: readonly Held[]): void {
  if (held.length === 0) return;
  const off = word(program, REPAIR.OFF), reuse = program.reserve(4, 4);
  forEachHeld(program, held, (fd, reuseaddr) => {
    set(program, fd, SOL.TCP, TCP.REPAIR, off, 'any');
    program.store(reuse, reuseaddr, 4);
    set(program, fd, SOL_SOCKET, SO.REUSEADDR, reuse, 'any');
  });
}

interface Sizes {
  readonly state: number; readonly options: number; readonly scales: number; readonly received: number; readonly sending: number; readonly unsent: number;
  /** SIOCINQ and SIOCOUTQ as they were. */
  readonly counts: readonly [number, number];
  /** Urgent data is in the way of what waits to be read, or more arrives. */
  readonly urgent?: boolean;
}

/** Turns repair mode on and reads all into the tree. */
export function readStreams(held: readonly Held[], context: DumpContext): void {
  let left = held;
  for (let tries = 0; left.length > 0; tries++) {
    const sizes = withUrgent(left, askSizes(left, context, tries === 0), context);
    const moved: Held[] = [];
    for (let at = 0; at < left.length;) {
      let bytes = 0, end = at;
      for (; end < left.length && (end === at || bytes < BATCH_BYTES); end++) bytes += sizes[end]!.received + sizes[end]!.sending;
      moved.push(...readBatch(left.slice(at, end), sizes.slice(at, end), context));
      at = end;
    }
    if (tries === TRIES && moved.length > 0) {
      const i = left.findIndex((one, at) => moved.includes(one) && sizes[at]!.urgent);
      if (i >= 0) throw new StillframeError({ doing: 'dump', where: describeDescriptor(left[i]!.file.descriptors[0]!), ...URGENT });
      throw new StillframeError({
        doing: 'dump', where: describeDescriptor(moved[0]!.file.descriptors[0]!), why: 'data goes on arriving while its queues are read', remedy: 'Hold the network meanwhile: --network-lock nftables or iptables',
      });
    }
    left = moved;
  }
}

function askSizes(held: readonly Held[], { helper }: DumpContext, repair: boolean): Sizes[] {
  const program = new Program('helper');
  const on = word(program, REPAIR.ON);
  const { body: { info, sizes }, view } = forEachHeld(program, held, (fd) => {
    if (repair) set(program, fd, SOL.TCP, TCP.REPAIR, on);
    const info = askOption(program, fd, SOL.TCP, TCP.INFO, INFO_SIZE);
    const sizes = program.reserve(12, 4);
    for (const [i, request] of [SIOCINQ, SIOCOUTQ, SIOCOUTQNSD].entries()) program.call('ioctl', [fd, request, sizes.at(i * 4)], { keep: false });
    return { info, sizes };
  });
  const block = helper.local(program).check('dump');
  return held.map((_, at) => {
    const ran = view(block, at);
    const facts = answerOf(ran, info)!;
    const state = facts.readUInt8(INFO_STATE);
    const [received, out, unsent] = [0, 4, 8].map((at) => ran.data(sizes).readInt32LE(at)) as [number, number, number];
    const fin = hasSentFin(state);
    // the end of the stream (FIN) takes a number of its own; of a connection that is gone nothing will be sent any more
    const less = (count: number): number => (state === TCP_STATE.CLOSE ? 0 : fin && count > 0 ? count - 1 : count);
    return { state, options: facts.readUInt8(INFO_OPTIONS), scales: facts.readUInt8(INFO_SCALES), received, sending: less(out), unsent: less(unsent), counts: [received, out] };
  });
}

/** What the refusal of urgent data says. */
export const URGENT = { why: 'urgent data (MSG_OOB) is in its queue, which TCP repair cannot put back', remedy: 'Let the program read on first: try again a moment later' } as const;

/**
 * Of a byte that was sent as urgent, and that read as such already, nothing tells; but what is read and asked of the stream ends before its place, while
 * the kernel's list counts all that was received. More than expected may also have arrived in between.
 */
function withUrgent(held: readonly Held[], sizes: readonly Sizes[], { helper }: DumpContext): Sizes[] {
  const families = new Set(held.map(({ family }) => family));
  const received = new Map<number, number>();
  for (const family of families) {
    for (const body of inetDiag(helper, family, IPPROTO.TCP, WITH_DATA)) received.set(body.readUInt32LE(INET_DIAG.INODE_AT), body.readUInt32LE(INET_DIAG.RECEIVED_AT));
  }
  return sizes.map((size, i) => {
    const all = received.get(held[i]!.inode) ?? 0;
    // the end of the stream (FIN) is one of them, until it is read
    const end = hasReceivedFin(size.state) && all > 0 ? 1 : 0;
    return { ...size, urgent: all > size.counts[0] + end };
  });
}

/** Those whose queues changed meanwhile are returned and not put into the tree. */
function readBatch(held: readonly Held[], sizes: readonly Sizes[], context: DumpContext): Held[] {
  const program = new Program('helper');
  const queues = { receive: word(program, QUEUE.RECEIVE), send: word(program, QUEUE.SEND), none: word(program, QUEUE.NONE) };
  const add = (fd: Arg, size: Sizes): Reader => {
    const mss = askOption(program, fd, SOL.TCP, TCP.MAXSEG);
    const time = askOption(program, fd, SOL.TCP, TCP.TIMESTAMP);
    const inq = addQueue(program, fd, queues.receive, size.received);
    const outq = addQueue(program, fd, queues.send, size.sending);
    const window = askOption(program, fd, SOL.TCP, TCP.REPAIR_WINDOW, WINDOW_SIZE);
    const again = [SIOCINQ, SIOCOUTQ].map((request) => {
      const place = program.reserve(4, 4);
      program.call('ioctl', [fd, request, place], { keep: false });
      return place;
    });
    set(program, fd, SOL.TCP, TCP.REPAIR_QUEUE, queues.receive);
    const end = askOption(program, fd, SOL.TCP, TCP.QUEUE_SEQ);
    set(program, fd, SOL.TCP, TCP.REPAIR_QUEUE, queues.none);
    return { mss, time, inq, outq, window, again, end };
  };
  const readers: { one: Held; size: Sizes; reader: Reader; view: (ran: RanBlock) => RanBlock }[] = [];
  // those without data are all read the same way
  const isIdle = ({ received, sending }: Sizes): boolean => received === 0 && sending === 0;
  const idle = held.map((one, i) => ({ one, size: sizes[i]! })).filter(({ size }) => isIdle(size));
  if (idle.length > 0) {
    const { body, view } = forEachHeld(program, idle.map(({ one }) => one), (fd) => add(fd, idle[0]!.size));
    idle.forEach((each, i) => { readers.push({ ...each, reader: body, view: (ran) => view(ran, i) }); });
  }
  held.forEach((one, i) => {
    const size = sizes[i]!;
    if (isIdle(size)) return;
    program.resource(describeDescriptor(one.file.descriptors[0]!));
    readers.push({ one, size, reader: add(one.fd, size), view: (ran) => ran });
  });
  const block = context.helper.local(program).check('dump');
  const moved: Held[] = [];
  for (const { one, size, reader: { mss, time, inq, outq, window, again, end }, view } of readers) {
    const ran = view(block);
    const number = (question: Question): number => answerOf(ran, question)?.readUInt32LE(0) ?? 0;
    const [received, sending] = [inq.read(ran), outq.read(ran)];
    const settled = !size.urgent && received.length === size.received && sending.length === size.sending && number(end) === number(inq.seq)
      && again.every((place, i) => ran.data(place).readInt32LE(0) === size.counts[i]);
    if (!settled) {
      moved.push(one);
      continue;
    }
    const windows = answerOf(ran, window);
    const entry = create(tcp_stream_entry, {
      inq_len: received.length, inq_seq: number(inq.seq), outq_len: sending.length, outq_seq: number(outq.seq), unsq_len: size.unsent, opt_mask: size.options,
      snd_wscale: (size.options & TCPI_OPT.WSCALE) === 0 ? 0 : size.scales & 0xf, mss_clamp: number(mss),
      ...((size.options & TCPI_OPT.WSCALE) === 0 ? {} : { rcv_wscale: size.scales >> 4 }),
      ...((size.options & TCPI_OPT.TIMESTAMPS) === 0 ? {} : { timestamp: number(time) }),
      ...(windows === undefined || windows.length < WINDOW_SIZE ? {} : windowsAt(windows, number(inq.seq))),
    });
    context.tree.tcp_streams.set(one.inode, { entry, inq: payload(received), outq: payload(sending) });
    states(context).set(one.inode, size.state);
  }
  return moved;
}

interface Queue { readonly seq: Question; readonly read: (ran: RanBlock) => Buffer }
interface Reader { readonly mss: Question; readonly time: Question; readonly inq: Queue; readonly outq: Queue; readonly window: Question; readonly again: readonly DataRef[]; readonly end: Question }

/** Such that every restore can set them again. */
function windowsAt(bytes: Buffer, received: number): Windows {
  const [snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup] = [0, 4, 8, 12, 16].map((at) => bytes.readUInt32LE(at)) as [number, number, number, number, number];
  return settable({ snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup }, received);
}

/** One byte more is asked for than should be there. */
function addQueue(program: Program, fd: Arg, queue: DataRef, size: number): Queue {
  set(program, fd, SOL.TCP, TCP.REPAIR_QUEUE, queue);
  const seq = askOption(program, fd, SOL.TCP, TCP.QUEUE_SEQ);
  if (size === 0) return { seq, read: () => Buffer.alloc(0) };
  const place = program.reserve(size + 1);
  const got = program.call('recvfrom', [fd, place, size + 1, MSG.PEEK | MSG.DONTWAIT, 0, 0], { expect: 'any' });
  return { seq, read: (ran) => ran.data(place, Math.max(0, Number(ran.result(got)))) };
}

const known = new WeakMap<DumpContext, Map<number, number>>();
/** The states in which connections were read, by inode. */
export function states(context: DumpContext): Map<number, number> {
  let map = known.get(context);
  if (map === undefined) known.set(context, map = new Map());
  return map;
}
