/**
 * Brings a new receive ring to where the old one was. The kernel fills its frames one after the other from the first on, and the program waits at one in the middle: so
 * many packets of an EtherType that nobody else listens to are sent over the loopback device, and given back to the kernel; then what waited is
 * written where it was.
 */
import type { packet_ring, packet_sock_entry, sf_packet_sock_entry } from '../../image/schema/index.ts';
import { ERRNO } from '../../kernel/errno.ts';
import { POLLIN } from '../../kernel/inet.ts';
import { MAP, PROT } from '../../kernel/memory.ts';
import { BLOCK, ETH_P_EXPERIMENT, FRAME, PACKET, SOCKADDR_LL_SIZE, SOL_PACKET, TP_STATUS_USER, TPACKET } from '../../kernel/packet.ts';
import { AF, SO, SOCK, SOL_SOCKET } from '../../kernel/sockets.ts';
import { addLoop } from '../../program/loop.ts';
import { Cond, Op, type Arg, type DataRef, type Program, type ResultRef } from '../../program/program.ts';
import { memoryBytes, partAt } from './ring.ts';
import { addDeviceIndex } from '../socket/device.ts';

/** The most that the loopback device takes in one packet unless it was told otherwise. */
const LARGEST = 65536;
/** How long one packet may take to arrive (milliseconds), and how many a block may take. */
const PATIENCE = 10_000, MOST_SENT = 100_000;
const LOOPBACK = 'lo';
const REMEDY = { ENETDOWN: `Its ring is brought to its place over the loopback device: ip link set ${LOOPBACK} up`, ETIMEDOUT: `Packets over the loopback device do not arrive: something drops EtherType 0x${ETH_P_EXPERIMENT.toString(16)}` };

/** Nothing arrives until `addHearing`, or until a filter takes the place of this one. */
export function addDeaf(p: Program, fd: Arg): void {
  // struct sock_filter: return 0; struct sock_fprog: length, pointer
  const none = p.data(Uint8Array.of(0x06, 0, 0, 0, 0, 0, 0, 0));
  const program = p.data(Uint8Array.of(1, ...Array.from({ length: 15 }, () => 0)));
  p.store(program.at(8), none);
  p.call('setsockopt', [fd, SOL_SOCKET, SO.ATTACH_FILTER, program, 16], { keep: false });
}

export function addHearing(p: Program, fd: Arg): void {
  p.call('setsockopt', [fd, SOL_SOCKET, SO.DETACH_FILTER, p.data(new Uint8Array(4)), 4], { keep: false });
}

interface Old extends Pick<sf_packet_sock_entry, 'next' | 'waiting'> { readonly rx: packet_ring }

/** @param bind adds the steps that bind it to what it listens to; it must not hear yet */
export function addReceived(p: Program, fd: ResultRef, entry: packet_sock_entry, { next = 0, waiting, rx }: Old, bind: (p: Program) => void): void {
  if (next === 0 && waiting.length === 0) return;
  const { version } = entry;
  const size = memoryBytes(entry);
  const memory = p.call('mmap', [0, size, PROT.READ | PROT.WRITE, MAP.SHARED, fd, 0]);
  const full = version === TPACKET.V3 && waiting.some(({ index }) => index === next);
  if (next > 0 || full) {
    addHearing(p, fd);
    const { sender, address } = addSender(p, fd);
    if (version === TPACKET.V3) addBlocks(p, memory, rx, next, { sender, address });
    else addFrames(p, fd, memory, version, rx, next, { sender, address });
    p.call('close', [sender], { keep: false });
    addDeaf(p, fd);
    // waits for what is still on its way
    bind(p);
    if (version === TPACKET.V3 && !full) p.control(Op.STORE, [p.add(memory, next * rx.block_size + BLOCK.STATUS), 0, 4], { keep: false });
    p.call('getsockopt', [fd, SOL_PACKET, PACKET.STATISTICS, p.reserve(16), p.data(Uint8Array.of(16, 0, 0, 0), 4)], { expect: 'any', keep: false });
  }
  for (const { index, data } of waiting) {
    p.control(Op.COPY, [p.add(memory, partAt(version, rx, index)), p.data(data), data.length], { keep: false });
  }
  p.call('munmap', [memory, size], { keep: false });
}

interface Sender { readonly sender: ResultRef; readonly address: DataRef }

/** Another socket, and both on the loopback device. */
function addSender(p: Program, fd: ResultRef): Sender {
  const sender = p.call('socket', [AF.PACKET, SOCK.DGRAM | SOCK.CLOEXEC, 0]);
  const bytes = Buffer.alloc(SOCKADDR_LL_SIZE);
  bytes.writeUInt16LE(AF.PACKET, 0);
  bytes.writeUInt16BE(ETH_P_EXPERIMENT, 2);
  bytes.writeUInt8(6, 11);
  const address = p.data(bytes, 8);
  addDeviceIndex(p, sender, address.at(4), LOOPBACK);
  p.call('bind', [fd, address, SOCKADDR_LL_SIZE], { keep: false });
  return { sender, address };
}

/** One packet a frame. */
function addFrames(p: Program, fd: ResultRef, memory: ResultRef, version: number, ring: packet_ring, next: number, { sender, address }: Sender): void {
  const { statusSize } = FRAME[version === TPACKET.V1 ? 0 : 1];
  const packet = p.reserve(8);
  const poll = p.reserve(8);
  p.store(poll, fd, 4);
  p.store(poll.at(4), POLLIN, 2);
  const place = p.reserve(8);
  const one = (): void => {
    p.call('sendto', [sender, packet, 8, 0, address, SOCKADDR_LL_SIZE], { keep: false, remedy: REMEDY });
    p.control(Op.EXPECT, [p.call('poll', [poll, 1, PATIENCE]), Cond.EQ, 1, ERRNO.ETIMEDOUT], { keep: false, remedy: REMEDY });
    const at = p.load(place, 8);
    p.control(Op.STORE, [at, 0, statusSize], { keep: false });
    p.store(place, p.add(at, ring.frame_size));
  };
  const each = Math.floor(ring.block_size / ring.frame_size);
  const block = p.reserve(8);
  p.store(block, memory);
  p.store(place, memory);
  addLoop(p, Math.floor(next / each), () => {
    addLoop(p, each, one);
    const following = p.add(p.load(block, 8), ring.block_size);
    p.store(block, following);
    p.store(place, following);
  });
  addLoop(p, next % each, one);
}

/**
 * As many packets as fill each block. Where the next block is the program's the kernel stops (the queue is frozen), and opens that block, empty, when it is given
 * back: nothing of these packets stays, however long it takes.
 */
function addBlocks(p: Program, memory: ResultRef, ring: packet_ring, next: number, { sender, address }: Sender): void {
  const size = Math.min(LARGEST, ring.block_size) >>> 1;
  const packet = p.reserve(size);
  const sent = p.reserve(8);
  const block = p.reserve(8);
  const one = (giveBack: boolean): void => {
    p.store(sent, 0);
    const top = p.here;
    p.call('sendto', [sender, packet, size, 0, address, SOCKADDR_LL_SIZE], { keep: false, remedy: REMEDY });
    const count = p.add(p.load(sent, 8), 1);
    p.store(sent, count);
    p.control(Op.EXPECT, [count, Cond.LT, MOST_SENT, ERRNO.ETIMEDOUT], { keep: false, remedy: REMEDY });
    const status = p.add(p.load(block, 8), BLOCK.STATUS);
    p.jump(p.load(status, 4), Cond.NO_BIT, TP_STATUS_USER, () => top);
    if (giveBack) p.control(Op.STORE, [status, 0, 4], { keep: false });
    p.store(block, p.add(p.load(block, 8), ring.block_size));
  };
  p.store(block, memory);
  // the first one is open already: to stop at it is to go round
  if (next === 0) one(false);
  else p.control(Op.STORE, [p.add(memory, next * ring.block_size + BLOCK.STATUS), TP_STATUS_USER, 4], { keep: false });
  addLoop(p, next === 0 ? ring.block_nr - 1 : next, () => { one(true); });
}
