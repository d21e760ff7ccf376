/** Pipes: both ends of one pipe_id are made together, then every further description is opened through /proc/self/fd. */
import type { file_entry, pipe_entry } from '../../image/schema/index.ts';
import type { PipeData } from '../../image/tree.ts';
import { F, O } from '../../kernel/files.ts';
import { Op, type ResultRef } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import { ownFileOf } from '../../image/tree-own.ts';
import { HelperFd } from '../../restore/helper-fd.ts';
import { openAgain } from '../../restore/inherited.ts';
import type { FileKind } from '../../restore/kinds.ts';
import { reopen } from '../ghost/restore.ts';

const PIPE = 2;
const DEFAULT_SIZE = 65536;
/** The most bytes of a packet (PIPE_BUF of <linux/limits.h>). */
const PACKET = 4096;

export const pipes: FileKind = {
  types: [PIPE],
  keys: ({ pipe }) => (pipe === undefined ? [] : [`pipe:[${pipe.pipe_id}]`]),
  openInherited(file, key, context) {
    warnOfData(context, context.tree.pipe_data, file.pipe!.pipe_id, key);
    return openAgain(context, key, file.pipe!.flags, `file ${file.id} (${key}${endName(file.pipe!.flags)}, handed in)`);
  },
  describe: (file) => `pipe:[${file.pipe?.pipe_id ?? '?'}]${file.pipe === undefined ? '' : endName(file.pipe.flags)}`,
  check(files, context) {
    for (const { id, pipe } of files) if (pipe !== undefined) checkPackets(context, context.tree.pipe_data, pipe.pipe_id, id);
    for (const file of files) if (file.pipe === undefined) context.refuse(`file ${file.id}`, 'its record in files.img has no pipe in it', 'The image is damaged: take another');
  },
  open(files, context) {
    const groups = new Map<number, pipe_entry[]>();
    for (const { pipe } of files) {
      if (pipe === undefined) continue;
      const group = groups.get(pipe.pipe_id);
      if (group === undefined) groups.set(pipe.pipe_id, [pipe]);
      else group.push(pipe);
    }
    for (const [id, group] of groups) openPipe(context, id, group);
  },
};

const endName = (flags: number): string => ({ [O.RDONLY]: ' read end', [O.WRONLY]: ' write end' })[flags & O.ACCMODE] ?? '';

function openPipe(context: RestoreContext, pipeId: number, group: readonly pipe_entry[]): void {
  const p = context.local.program.resource(`pipe:[${pipeId}]`);
  const pair = p.reserve(8);
  p.call('pipe2', [pair, O.CLOEXEC], { keep: false });
  const [reader, writer] = [p.load(pair, 4), p.load(pair.at(4), 4)];
  putData(context, context.tree.pipe_data, pipeId, group, writer);
  const ends = [reader, writer].map((ref, i) => ({ ref, access: i === 0 ? O.RDONLY : O.WRONLY, taken: false }));
  for (const entry of group) {
    const resource = `file ${entry.id} (pipe:[${pipeId}]${endName(entry.flags)})`;
    p.resource(resource);
    const end = ends.find(({ access, taken }) => !taken && access === (entry.flags & O.ACCMODE));
    if (end !== undefined) {
      end.taken = true;
      if ((entry.flags & ~O.ACCMODE & ~O.LARGEFILE & ~O.CLOEXEC) !== 0) p.call('fcntl', [end.ref, F.SETFL, entry.flags], { keep: false });
      context.files.set(entry.id, context.local.open(resource, end.ref));
    } else {
      const base = new HelperFd(resource, (entry.flags & O.ACCMODE) === O.RDONLY ? reader : writer);
      context.files.set(entry.id, context.local.open(resource, reopen(context, base, entry.flags)));
    }
  }
  for (const { ref, taken } of ends) if (!taken) p.call('close', [ref], { keep: false });
}

/** Packets must be the bytes that wait. */
export function checkPackets(context: RestoreContext, queues: readonly PipeData[], pipeId: number, id: number): void {
  const packets = ownFileOf(context.tree, id)?.pipe_packets ?? [];
  const bytes = queues.find(({ entry }) => entry.pipe_id === pipeId)?.data.size ?? 0;
  if (packets.length > 0 && (packets.reduce((sum, n) => sum + n, 0) !== bytes || packets.some((n) => n === 0 || n > PACKET))) {
    context.refuse(`file ${id} (pipe:[${pipeId}])`, `stillframe.img has ${packets.length} packets of it which are not its ${bytes} bytes`, 'The image is damaged: take another');
  }
}

/** Fills a pipe or fifo. @param queues data of pipes, or of fifos @param ends its descriptions */
export function putData(context: RestoreContext, queues: readonly PipeData[], pipeId: number, ends: readonly { readonly id: number }[], writer: ResultRef): void {
  const p = context.local.program;
  const queued = queues.find(({ entry }) => entry.pipe_id === pipeId);
  if (queued === undefined) return;
  const { size } = queued.entry;
  if (size !== undefined && size !== 0 && size !== DEFAULT_SIZE) {
    p.call('fcntl', [writer, F.SETPIPE_SZ, size], {
      keep: false, remedy: { EPERM: `A pipe of ${size} bytes is larger than /proc/sys/fs/pipe-max-size allows: raise it` },
    });
  }
  const packets = ends.map(({ id }) => ownFileOf(context.tree, id)?.pipe_packets ?? []).find((sizes) => sizes.length > 0);
  if (packets !== undefined) {
    p.call('fcntl', [writer, F.SETFL, O.DIRECT | O.NONBLOCK], { keep: false });
    let at = 0;
    for (const size of packets) {
      p.call('write', [writer, p.data(queued.data.bytes().subarray(at, at + size)), size], { keep: false, expect: { equals: size } });
      at += size;
    }
    p.call('fcntl', [writer, F.SETFL, 0], { keep: false });
  } else if (queued.data.size > 0) p.control(Op.WRITE_OUT, [writer, p.data(queued.data.bytes()), queued.data.size, -1n], { keep: false });
}

/** What waited in a pipe that another one takes the place of: nobody knows who has read it meanwhile. */
export function warnOfData(context: RestoreContext, queues: readonly PipeData[], pipeId: number, key: string): void {
  const bytes = queues.find(({ entry }) => entry.pipe_id === pipeId)?.data.size ?? 0;
  const warning = `${key}: ${bytes} bytes that waited in it are left out, because it is handed in`;
  if (bytes > 0 && !context.warnings.includes(warning)) context.warnings.push(warning);
}

/** Whether two ends are the same pipe's. */
export function pipeOf(file: file_entry): number | undefined {
  return file.pipe?.pipe_id;
}
