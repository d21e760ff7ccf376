/**
 * TCP connections by TCP repair: the socket gets its addresses, numbers and queues without a packet being sent. It stays in repair mode, mute,
 * until the whole tree is there (`addStart`): a restore that fails before lets it vanish without its peer noticing.
 */
import type { inet_sk_entry } from '../../image/schema/index.ts';
import type { TcpStream } from '../../image/tree.ts';
import { ERRNO } from '../../kernel/errno.ts';
import { F, O } from '../../kernel/files.ts';
import { QUEUE, REPAIR, SOL, TCP, TCP_STATE, TCPI_OPT, TCPOPT } from '../../kernel/inet.ts';
import { MSG, SHUT, SO, SOL_SOCKET } from '../../kernel/sockets.ts';
import { Cond, Op, type Arg, type DataRef, type Program } from '../../program/program.ts';
import { addBuffers, addRoomForQueue } from '../socket/options-restore.ts';
import { addPacket, FLAG } from './packet.ts';
import { finAcknowledged, hasReceivedFin, hasSentFin, sentFinFirst } from './states.ts';
import { settable } from './windows.ts';

/** What the kernel takes in one piece of any size of memory. */
const PIECE = 32768;
/** How often the state is looked at, a millisecond apart, until a packet to ourselves has arrived. */
const LOOKS = 2000;
const MSG_NOSIGNAL = 0x4000;

export interface Connection { readonly entry: inet_sk_entry; readonly stream: TcpStream }

/** Adds steps that know where an end of the connection is: struct sockaddr and its size. */
export type AddressOf = (p: Program, end: 'local' | 'peer') => { readonly at: DataRef; readonly size: number };

const word = (p: Program, ...values: number[]): DataRef => {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => bytes.writeUInt32LE(value >>> 0, i * 4));
  return p.data(bytes, 4);
};

function set(p: Program, fd: Arg, name: number, ...values: number[]): void {
  p.call('setsockopt', [fd, SOL.TCP, name, word(p, ...values), values.length * 4], { keep: false, remedy: { EPERM: 'TCP repair needs CAP_NET_ADMIN: run the restore as root' } });
}

/** Numbers of the first byte in each queue: the image has those behind the last. */
function numbers({ entry: { state }, stream: { entry } }: Connection): { readonly receive: number; readonly send: number; readonly afterReceive: number; readonly afterSend: number } {
  const afterReceive = (entry.inq_seq - Number(hasReceivedFin(state))) >>> 0;
  const afterSend = (entry.outq_seq - Number(hasSentFin(state))) >>> 0;
  return { receive: (afterReceive - entry.inq_len) >>> 0, send: (afterSend - entry.outq_len - Number(state === TCP_STATE.SYN_SENT)) >>> 0, afterReceive, afterSend };
}

/** Our end of the stream (FIN) is sent when it starts: what comes before it was not sent. */
const endsLate = ({ entry: { state }, stream: { entry } }: Connection): boolean => hasSentFin(state) && (entry.unsq_len ?? 0) > 0;

/** From a socket just made to a mute connection. */
export function addConnection(p: Program, fd: Arg, one: Connection, addressOf: AddressOf): void {
  const { entry, stream: { entry: stream, inq, outq } } = one;
  const { receive, send } = numbers(one);
  set(p, fd, TCP.REPAIR, REPAIR.ON);
  addRoomForQueue(p, fd);
  const local = addressOf(p, 'local');
  p.call('bind', [fd, local.at, local.size], { keep: false, remedy: { EADDRNOTAVAIL: 'This machine does not have that address: give it to a device first (ip address add)', EACCES: 'Ports of the system need CAP_NET_BIND_SERVICE: run the restore as root' } });
  set(p, fd, TCP.REPAIR_QUEUE, QUEUE.RECEIVE);
  set(p, fd, TCP.QUEUE_SEQ, receive);
  set(p, fd, TCP.REPAIR_QUEUE, QUEUE.SEND);
  set(p, fd, TCP.QUEUE_SEQ, send);
  if (entry.state === TCP_STATE.SYN_SENT) return;
  const peer = addressOf(p, 'peer');
  p.call('connect', [fd, peer.at, peer.size], { keep: false, remedy: { EADDRNOTAVAIL: 'That connection exists here: does the dumped tree still run?', ENETUNREACH: 'There is no route to its peer here: add one' } });
  set(p, fd, TCP.REPAIR_OPTIONS, ...synOptions(stream));
  if ((stream.opt_mask & TCPI_OPT.TIMESTAMPS) !== 0 && stream.timestamp !== undefined) set(p, fd, TCP.TIMESTAMP, stream.timestamp);
  set(p, fd, TCP.REPAIR_QUEUE, QUEUE.RECEIVE);
  addBytes(p, fd, inq.bytes());
  set(p, fd, TCP.REPAIR_QUEUE, QUEUE.SEND);
  addBytes(p, fd, outq.bytes().subarray(0, stream.outq_len - (stream.unsq_len ?? 0)));
  addWindow(p, fd, one);
  addEnds(p, fd, one);
  set(p, fd, TCP.REPAIR_QUEUE, QUEUE.NONE);
}

function synOptions({ opt_mask, snd_wscale, rcv_wscale = 0, mss_clamp }: TcpStream['entry']): number[] {
  return [
    ...((opt_mask & TCPI_OPT.SACK) === 0 ? [] : [TCPOPT.SACK_PERM, 0]),
    ...((opt_mask & TCPI_OPT.WSCALE) === 0 ? [] : [TCPOPT.WINDOW, snd_wscale | rcv_wscale << 16]),
    ...((opt_mask & TCPI_OPT.TIMESTAMPS) === 0 ? [] : [TCPOPT.TIMESTAMP, 0]),
    TCPOPT.MAXSEG, mss_clamp,
  ];
}

function addBytes(p: Program, fd: Arg, bytes: Uint8Array): void {
  if (bytes.length === 0) return;
  const place = p.data(bytes);
  for (let at = 0; at < bytes.length; at += PIECE) {
    const size = Math.min(PIECE, bytes.length - at);
    p.call('sendto', [fd, place.at(at), size, MSG.DONTWAIT | MSG_NOSIGNAL, 0, 0], { keep: false, expect: { equals: size }, remedy: { ENOMEM: 'There is not enough memory for its queue: free some, or raise net.ipv4.tcp_mem', EAGAIN: 'Its queue does not fit: run the restore with CAP_NET_ADMIN' } });
  }
}

function addWindow(p: Program, fd: Arg, one: Connection): void {
  const windows = windowsOf(one);
  if (windows !== undefined) set(p, fd, TCP.REPAIR_WINDOW, ...windows);
}

/** The words of struct tcp_repair_window; undefined where the dump could not tell. */
export function windowsOf(one: Connection): [number, number, number, number, number] | undefined {
  const { entry: { state }, stream: { entry: { snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup } } } = one;
  if (snd_wl1 === undefined || snd_wnd === undefined || max_window === undefined || rcv_wnd === undefined || rcv_wup === undefined) return undefined;
  const { afterReceive } = numbers(one);
  // the end of the stream is not received yet
  const less = Number(hasReceivedFin(state));
  const taken = settable({ snd_wl1, snd_wnd, max_window, rcv_wnd: rcv_wnd + less, rcv_wup: (rcv_wup - less) >>> 0 }, afterReceive);
  return [taken.snd_wl1, taken.snd_wnd, taken.max_window, taken.rcv_wnd, taken.rcv_wup];
}

/** Both ends of the stream, in the order that leads to the state. */
function addEnds(p: Program, fd: Arg, one: Connection): void {
  const { state } = one.entry;
  const sends = hasSentFin(state) && !endsLate(one);
  if (sends && sentFinFirst(state)) addOwnEnd(p, fd);
  if (hasReceivedFin(state)) receive(p, fd, one, FLAG.FIN | FLAG.ACK, sentFinFirst(state) && sends ? TCP_STATE.CLOSING : TCP_STATE.CLOSE_WAIT);
  if (sends && !sentFinFirst(state)) addOwnEnd(p, fd);
  if (sends && finAcknowledged(state)) receive(p, fd, one, FLAG.ACK, state);
}

/** In the send queue of repair mode: as sent. */
function addOwnEnd(p: Program, fd: Arg): void {
  set(p, fd, TCP.REPAIR_QUEUE, QUEUE.SEND);
  p.call('shutdown', [fd, SHUT.WR], { keep: false });
}

/** Lets it receive a packet of its peer, and waits for what that does. */
function receive(p: Program, fd: Arg, one: Connection, flags: number, until: number): void {
  const { entry, stream: { entry: stream } } = one;
  const { send, afterReceive, afterSend } = numbers(one);
  const ends = (flags & FLAG.FIN) !== 0;
  addPacket(p, {
    family: entry.family, from: { words: entry.dst_addr, port: entry.dst_port }, to: { words: entry.src_addr, port: entry.src_port },
    seq: ends ? afterReceive : afterReceive + Number(hasReceivedFin(entry.state)), ack: ends ? send : afterSend + 1, flags, window: (stream.snd_wnd ?? 0) >>> stream.snd_wscale,
  });
  const info = p.reserve(8);
  const size = word(p, 8);
  const count = p.reserve(8);
  const top = p.here;
  const end = { at: 0 };
  p.call('getsockopt', [fd, SOL.TCP, TCP.INFO, info, size], { keep: false });
  p.jump(p.load(info, 1), Cond.EQ, until, () => end.at);
  p.call('poll', [0, 0, 1], { keep: false });
  p.store(count, p.add(p.load(count, 8), 1));
  p.jump(p.load(count, 8), Cond.LT, LOOKS, () => top);
  p.control(Op.EXPECT, [0, Cond.NE, 0, ERRNO.ETIMEDOUT], { keep: false, remedy: { '*': 'A packet from ourselves to ourselves did not arrive: does a firewall rule drop it (mark 0xc114), or rp_filter?' } });
  end.at = p.here;
}

/** Lets a connection speak: the last thing, when the tree is there and the network is open. */
export function addStart(p: Program, fd: Arg, one: Connection, addressOf: AddressOf): void {
  const { entry, stream: { entry: stream, outq } } = one;
  set(p, fd, TCP.REPAIR, REPAIR.OFF);
  p.call('setsockopt', [fd, SOL_SOCKET, SO.REUSEADDR, word(p, entry.opts.reuseaddr === true ? 1 : 0), 4], { keep: false });
  if (entry.state === TCP_STATE.SYN_SENT) {
    const peer = addressOf(p, 'peer');
    const flags = p.call('fcntl', [fd, F.GETFL, 0]);
    p.call('fcntl', [fd, F.SETFL, O.NONBLOCK], { keep: false });
    p.call('connect', [fd, peer.at, peer.size], { expect: { orErrno: ERRNO.EINPROGRESS }, keep: false });
    p.call('fcntl', [fd, F.SETFL, flags], { keep: false });
    return;
  }
  const unsent = stream.unsq_len ?? 0;
  if (unsent > 0) {
    addRoomForQueue(p, fd);
    addBytes(p, fd, outq.bytes().subarray(stream.outq_len - unsent));
    addBuffers(p, fd, entry.opts);
  }
  if (endsLate(one)) p.call('shutdown', [fd, SHUT.WR], { keep: false });
}
