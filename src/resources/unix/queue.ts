/**
 * What waits in the receive queues of unix sockets. It is looked at (MSG_PEEK), never taken: the program may run on. SO_PEEK_OFF leads from
 * one message to the next; it is set back to what it was in the very program that sets it. Descriptors in flight come along, as descriptors
 * of the helper.
 */
import { SCM, SO, SOCK, SOL_SOCKET, MSG } from '../../kernel/sockets.ts';
import { Cond, Program, type DataRef, type RanBlock, type ResultRef } from '../../program/program.ts';
import type { DumpContext } from '../../dump/context.ts';
import { describeDescriptor, type Descriptor } from '../../dump/file-kinds.ts';
import type { UnixSocket } from './table.ts';

/** One message, or of a stream what was not parted by descriptors. */
export interface Packet {
  readonly data: Uint8Array;
  /** Numbers in the helper. */
  readonly rights: readonly number[];
  /** Whom the kernel names as the sender, when the socket asks for it (SO_PASSCRED). */
  readonly sender: { readonly pid: number; readonly uid: number; readonly gid: number } | undefined;
  /** The sender's address, when it had one. */
  readonly address: Uint8Array;
}

export interface Queue { readonly packets: Packet[]; /** An urgent byte (MSG_OOB) waits. */ urgent: boolean }

/** Room for the control part of one message: 253 descriptors (SCM_MAX_FD), credentials, labels. */
const CONTROL = 2048;
const ADDRESS = 112;
/** Offsets in struct msghdr of x86-64. */
const MSGHDR = { size: 56, name: 0, nameLength: 8, iov: 16, iovLength: 24, control: 32, controlLength: 40, flags: 48 } as const;
/** Bytes of buffers in one request. */
const MAX_REQUEST = 32 << 20;

interface Slot { readonly header: DataRef; readonly data: DataRef; readonly size: number; readonly control: DataRef; readonly name: DataRef; readonly got: ResultRef }
interface Open { readonly descriptor: Descriptor; readonly socket: UnixSocket; readonly queue: Queue; offset: number; slotSize: number; slots: number }

/** Looks at the queues of some sockets. @returns by inode */
export function peekQueues(sockets: readonly { descriptor: Descriptor; socket: UnixSocket }[], context: DumpContext): Map<number, Queue> {
  const queues = new Map<number, Queue>();
  let open: Open[] = sockets.map(({ descriptor, socket }) => {
    const queue = { packets: [], urgent: false };
    queues.set(socket.inode, queue);
    const { received, type } = socket;
    const few = received === 0;
    // of a stream all is known to be so many bytes; of datagrams only the first one's
    return { descriptor, socket, queue, offset: 0, slotSize: few ? 512 : type === SOCK.DGRAM ? Math.max(received, 1024) : received + 1, slots: few ? 2 : received > 65536 ? 2 : 12 };
  });
  while (open.length > 0) open = peekRound(open, context);
  return queues;
}

/** One look at each. @returns those with more to come */
function peekRound(open: readonly Open[], context: DumpContext): Open[] {
  const more: Open[] = [];
  let program = new Program('helper');
  let asked: { one: Open; slots: Slot[]; urgent: ResultRef | undefined }[] = [];
  const targets = new Map<number, ResultRef>();
  const spare: number[] = [];
  const flush = (): void => {
    for (const target of targets.values()) program.call('close', [target], { keep: false });
    const ran = context.helper.local(program).check('dump');
    for (const { one, slots, urgent } of asked) {
      if (urgent !== undefined && ran.result(urgent) === 1n) one.queue.urgent = true;
      if (!readSlots(one, slots, ran, spare)) more.push(one);
    }
    // what came with a message that has to be looked at again, or by itself
    if (spare.length > 0) context.helper.closeFds(spare.splice(0));
    program = new Program('helper');
    asked = [];
    targets.clear();
  };
  for (const one of open) {
    const { task, fd } = one.descriptor;
    program.resource(describeDescriptor(one.descriptor));
    let target = targets.get(task.pid);
    if (target === undefined) targets.set(task.pid, target = program.call('pidfd_open', [task.pid, 0]));
    const held = program.call('pidfd_getfd', [target, fd, 0]);
    asked.push({ one, ...addPeeks(program, held, one) });
    program.call('close', [held], { keep: false });
    if (program.dataSize > MAX_REQUEST) flush();
  }
  if (asked.length > 0) flush();
  return more;
}

function addPeeks(program: Program, held: ResultRef, { socket, offset, slotSize, slots: count }: Open): { slots: Slot[]; urgent: ResultRef | undefined } {
  const before = program.reserve(4);
  const start = Buffer.alloc(4);
  start.writeInt32LE(offset);
  const urgent = socket.type === SOCK.STREAM && socket.received > 0 && offset === 0
    ? program.call('recvfrom', [held, program.reserve(8), 1, MSG.OOB | MSG.PEEK | MSG.DONTWAIT, 0, 0], { expect: 'any' }) : undefined;
  program.call('getsockopt', [held, SOL_SOCKET, SO.PEEK_OFF, before, program.data(Uint8Array.of(4, 0, 0, 0))], { keep: false });
  program.call('setsockopt', [held, SOL_SOCKET, SO.PEEK_OFF, program.data(start), 4], { keep: false });
  let end = 0;
  const slots = Array.from({ length: count }, (): Slot => {
    const [header, data, control, name, iov] = [program.reserve(MSGHDR.size), program.reserve(slotSize), program.reserve(CONTROL), program.reserve(ADDRESS), program.data(words64(0n, BigInt(slotSize)))];
    program.store(header.at(MSGHDR.name), name);
    program.store(header.at(MSGHDR.nameLength), ADDRESS, 4);
    program.store(header.at(MSGHDR.iov), iov);
    program.store(header.at(MSGHDR.iovLength), 1);
    program.store(header.at(MSGHDR.control), control);
    program.store(header.at(MSGHDR.controlLength), CONTROL);
    program.store(iov, data);
    const got = program.call('recvmsg', [held, header, MSG.PEEK | MSG.DONTWAIT | MSG.CMSG_CLOEXEC], { expect: 'any' });
    program.jump(got, socket.type === SOCK.STREAM ? Cond.LE : Cond.LT, 0, () => end);
    return { header, data, size: slotSize, control, name, got };
  });
  end = program.here;
  program.call('setsockopt', [held, SOL_SOCKET, SO.PEEK_OFF, before, 4], { keep: false });
  return { slots, urgent };
}

/** @param spare takes descriptors that nobody wants @returns whether that was all */
function readSlots(one: Open, slots: readonly Slot[], ran: RanBlock, spare: number[]): boolean {
  const { socket, queue } = one;
  for (const slot of slots) {
    const size = Number(ran.result(slot.got));
    if (size < 0) return true;
    const header = ran.data(slot.header);
    const flags = header.readInt32LE(MSGHDR.flags);
    const untouched = header.readBigUInt64LE(MSGHDR.iov) === 0n;
    const ended = size === 0 && (socket.type === SOCK.STREAM || (socket.type === SOCK.SEQPACKET && (socket.shutdown & 1) !== 0));
    if (untouched || ended) return true;
    const control = readControl(ran.data(slot.control, Number(header.readBigUInt64LE(MSGHDR.controlLength))), spare);
    if ((flags & MSG.TRUNC) !== 0) {
      // once more from here, with more room
      one.slotSize *= 4;
      one.slots = 1;
      spare.push(...control.rights);
      return false;
    }
    const address = ran.data(slot.name, Math.min(ADDRESS, header.readUInt32LE(MSGHDR.nameLength))).subarray(2);
    queue.packets.push({ data: Uint8Array.from(ran.data(slot.data, size)), ...control, address: Uint8Array.from(address) });
    one.offset += size;
    if (socket.type === SOCK.STREAM && one.offset >= socket.received) return true;
  }
  one.slots = 64;
  one.slotSize = Math.max(4096, one.slotSize);
  return false;
}

function readControl(control: Buffer, spare: number[]): { rights: number[]; sender: Packet['sender'] } {
  const rights: number[] = [];
  let sender: Packet['sender'];
  for (let at = 0; at + 16 <= control.length;) {
    const length = Number(control.readBigUInt64LE(at));
    if (length < 16) break;
    const [level, type] = [control.readInt32LE(at + 8), control.readInt32LE(at + 12)];
    if (level === SOL_SOCKET && type === SCM.RIGHTS) for (let i = at + 16; i + 4 <= at + length; i += 4) rights.push(control.readInt32LE(i));
    if (level === SOL_SOCKET && type === SCM.CREDENTIALS) sender = { pid: control.readInt32LE(at + 16), uid: control.readUInt32LE(at + 20), gid: control.readUInt32LE(at + 24) };
    if (level === SOL_SOCKET && type === SCM.PIDFD) spare.push(control.readInt32LE(at + 16));
    at += (length + 7) & ~7;
  }
  return { rights, sender };
}

function words64(...values: bigint[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(values).buffer);
}
