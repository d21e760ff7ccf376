/**
 * POSIX message queues. A queue belongs to the IPC namespace and stays, with what waits in it, when the tree ends: it is opened again by its name. One
 * whose name was removed is made again, and must be empty for that: messages can only be looked at by taking them.
 * CRIU has no place for queues: its images get a file that only a plugin can open, ours (stillframe.img) the rest.
 */
import { readFileSync } from 'node:fs';
import { create } from '../../image/wire.ts';
import { ext_file_entry, fd_types, fown_entry, sf_mqueue_entry, stillframe_entry } from '../../image/schema/index.ts';
import { OWN_VERSION, ownFile } from '../../image/tree-own.ts';
import { FS_MAGIC, S } from '../../kernel/files.ts';
import type { DumpContext } from '../../dump/context.ts';
import type { Descriptor, FileKind, OpenFile } from '../../dump/file-kinds.ts';
import { doorOf, plainName } from '../regular/dump.ts';
import { MQ_ATTR, MQ_ATTR_SIZE } from './attributes.ts';

const nameOf = (descriptor: Descriptor): string => plainName(descriptor);

/** What the queue's file says: `QSIZE:0 NOTIFY:0 SIGNO:0 NOTIFY_PID:0`. */
function readFacts(descriptor: Descriptor): { readonly bytes: number; readonly notifies: number } {
  const text = readFileSync(doorOf(descriptor).door, 'latin1');
  const field = (name: string): number => Number(new RegExp(`${name}:(\\d+)`, 'u').exec(text)?.[1] ?? NaN);
  return { bytes: field('QSIZE'), notifies: field('NOTIFY_PID') };
}

/** Queues of each dump that are in the set, by inode. */
const known = new WeakMap<DumpContext, Set<bigint>>();

export const messageQueues: FileKind = {
  type: fd_types.EXT,
  claims: (descriptor, context) => (Number(descriptor.stat.mode) & S.IFMT) === S.IFREG && context.fileSystem(descriptor.stat.dev, doorOf(descriptor)) === FS_MAGIC.MQUEUE,
  refuse: (descriptor, { tasks, ownIpc }) => {
    const { bytes, notifies } = readFacts(descriptor);
    const removed = descriptor.stat.nlink === 0n;
    if (notifies !== 0 && tasks.some(({ pid }) => pid === notifies)) return { why: `task ${notifies} waits to be notified of a message (mq_notify), which cannot be set up for it again`, remedy: 'Let the program withdraw it (mq_notify with no sigevent) before the dump' };
    if (removed && bytes > 0) return { why: `the queue's name was removed and ${bytes} bytes of messages wait in it, which can only be looked at by taking them`, remedy: 'Dump when they were received' };
    if (ownIpc && bytes > 0) return { why: `${bytes} bytes of messages wait in it, which can only be looked at by taking them, and the queue goes with the tree's IPC namespace`, remedy: 'Dump when they were received' };
    return undefined;
  },
  ask: (program, held, file, context) => {
    const attributes = program.reserve(MQ_ATTR_SIZE);
    program.call('mq_getsetattr', [held, 0, attributes], { keep: false });
    return (ran) => note(file, ran.data(attributes), context);
  },
  entry: ({ id, owner }) => ({ ext: create(ext_file_entry, { id, fown: create(fown_entry, owner) }) }),
};

function note(file: OpenFile, attributes: Buffer, context: DumpContext): void {
  const first = file.descriptors[0]!;
  const { stat } = first;
  const entry = ownFile(context.tree, file.id);
  entry.mqueue = nameOf(first);
  entry.open_flags = first.info.flags;
  let done = known.get(context);
  if (done === undefined) known.set(context, done = new Set());
  if (done.has(stat.ino)) return;
  done.add(stat.ino);
  context.tree.own ??= create(stillframe_entry, { version: OWN_VERSION });
  context.tree.own.mqueues.push(create(sf_mqueue_entry, {
    name: nameOf(first), mode: Number(stat.mode), uid: Number(stat.uid), gid: Number(stat.gid),
    max_messages: Number(attributes.readBigInt64LE(MQ_ATTR.MAX)), message_size: Number(attributes.readBigInt64LE(MQ_ATTR.SIZE)),
    waiting: Number(attributes.readBigInt64LE(MQ_ATTR.WAITING)), removed: stat.nlink === 0n ? true : undefined,
  }));
}
