/** Pipes, with the bytes in flight: a stream, or packets (O_DIRECT). They are duplicated (tee), never consumed: the program may run on. */
import { create } from '../../image/wire.ts';
import { fd_types, fown_entry, pipe_data_entry, pipe_entry } from '../../image/schema/index.ts';
import { ownFile } from '../../image/tree-own.ts';
import { payload } from '../../image/payload.ts';
import type { PipeData } from '../../image/tree.ts';
import { F, FIONREAD, O, S } from '../../kernel/files.ts';
import { ERRNO } from '../../kernel/errno.ts';
import { Program, type RanBlock, type ResultRef } from '../../program/program.ts';
import type { DumpContext } from '../../dump/context.ts';
import type { Descriptor, FileKind, OpenFile } from '../../dump/file-kinds.ts';

const SPLICE_F_NONBLOCK = 2;
/** The most bytes of a packet (PIPE_BUF of <linux/limits.h>). */
const PACKET = 4096;

/** Pipes whose bytes were asked for already, by the context of their dump. */
const asked = new WeakMap<DumpContext, Set<string>>();

export const pipes: FileKind = {
  type: fd_types.PIPE,
  claims: ({ stat, link }) => (Number(stat.mode) & S.IFMT) === S.IFIFO && link.startsWith('pipe:'),
  refuse: () => undefined,
  collect: findPackets,
  ask: (program, held, file, context) => askBytes(program, held, file, context, context.tree.pipe_data),
  entry: (file) => {
    const { info, stat } = file.descriptors[0]!;
    return { pipe: create(pipe_entry, { id: file.id, pipe_id: pipeId(stat.ino), flags: info.flags, fown: create(fown_entry, file.owner) }) };
  },
};

/** Pipes and fifos that packets are written to, by inode. */
const packetMode = new WeakMap<DumpContext, Set<string>>();
const keyOf = ({ stat }: Descriptor): string => `${stat.dev}:${stat.ino}`;

/** Notes which of these are in packet mode: a writer says so, the data is taken from a reader. */
export function findPackets(own: readonly OpenFile[], _all: readonly OpenFile[], context: DumpContext): void {
  const found = packetMode.get(context) ?? new Set();
  for (const { descriptors: [first] } of own) if ((first!.info.flags & O.DIRECT) !== 0) found.add(keyOf(first!));
  packetMode.set(context, found);
}

export const pipeId = (inode: bigint): number => Number(BigInt.asUintN(32, inode));

/**
 * Asks for the bytes in flight through a reading end. Their number is asked for in the same program as the bytes themselves, so room is made
 * for as much as the pipe can hold; a pipe of the usual size needs no second request.
 * @param into where they go: pipes and fifos have an image each
 */
export function askBytes(program: Program, held: ResultRef, file: OpenFile, context: DumpContext, into: PipeData[]): (ran: RanBlock) => void {
  const { info, stat } = file.descriptors[0]!;
  let done = asked.get(context);
  if (done === undefined) asked.set(context, done = new Set());
  const key = keyOf(file.descriptors[0]!);
  if ((info.flags & O.ACCMODE) === O.WRONLY || (info.flags & O.PATH) !== 0 || done.has(key)) return () => {};
  done.add(key);
  const count = program.reserve(8);
  const size = program.call('fcntl', [held, F.GETPIPE_SZ]);
  program.call('ioctl', [held, FIONREAD, count], { keep: false });
  return (ran) => {
    const capacity = Number(ran.result(size));
    const bytes = ran.data(count).readUInt32LE(0);
    const parts = bytes === 0 ? [] : copyBytes(context, file, capacity, bytes, packetMode.get(context)?.has(key) === true);
    if (parts.length > 0 && packetMode.get(context)?.has(key) === true) ownFile(context.tree, file.id).pipe_packets = parts.map(({ length }) => length);
    const data = Buffer.concat(parts);
    into.push({ entry: create(pipe_data_entry, { pipe_id: pipeId(stat.ino), bytes: data.length, size: capacity }), data: payload(data) });
  };
}

/** Duplicates what is in the pipe into one of the helper's own, and reads that, packet by packet if it has those. In the frozen window. */
function copyBytes({ helper }: DumpContext, { descriptors }: OpenFile, capacity: number, bytes: number, packets: boolean): Uint8Array[] {
  const { task, fd, link } = descriptors[0]!;
  const program = new Program('helper').resource(`task ${task.pid}, fd ${fd} (${link})`);
  const target = program.call('pidfd_open', [task.pid, 0]);
  const from = program.call('pidfd_getfd', [target, fd, 0]);
  const ends = program.reserve(8);
  program.call('pipe2', [ends, 0], { keep: false });
  const output = program.load(ends, 4);
  const input = program.load(ends.at(4), 4);
  program.call('fcntl', [input, F.SETPIPE_SZ, capacity]);
  const teed = program.call('tee', [from, input, capacity, SPLICE_F_NONBLOCK], { expect: { orErrno: ERRNO.EAGAIN } });
  // a packet has a page of the pipe to itself
  const reads = packets ? Math.max(1, Math.ceil(capacity / PACKET)) : 1;
  const each = packets ? PACKET : bytes;
  const data = program.reserve(reads * each);
  // the writing end is closed first: a reader of a shorter pipe sees its end instead of waiting
  program.call('close', [input], { keep: false });
  const got = Array.from({ length: reads }, (_, i) => program.call('read', [output, data.at(i * each), each]));
  for (const end of [output, from, target]) program.call('close', [end], { keep: false });
  const ran = helper.local(program).check('dump');
  const sizes = got.map((ref) => Math.max(0, Number(ran.result(ref))));
  const size = sizes.reduce((sum, n) => sum + n, 0);
  if (Number(ran.result(teed)) !== size && size !== bytes) throw new RangeError(`${link}: ${bytes} bytes announced, ${ran.result(teed)} duplicated, ${size} read`);
  return sizes.map((n, i) => Uint8Array.from(ran.data(data.at(i * each), n))).filter(({ length }) => length > 0);
}
