/**
 * POSIX message queues: opened by their names; made again when they are gone (the system was started anew meanwhile) and nothing had waited in
 * them. A queue that had lost its name is made under it and loses it again.
 */
import { fd_types, type file_entry, type sf_mqueue_entry } from '../../image/schema/index.ts';
import { ownFileOf } from '../../image/tree-own.ts';
import { bytesOf } from '../../image/text.ts';
import type { FrozenTree } from '../../image/tree.ts';
import { O } from '../../kernel/files.ts';
import { ERRNO } from '../../kernel/errno.ts';
import { Cond, Op, type DataRef, type Program, type ResultRef } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import type { FileKind } from '../../restore/kinds.ts';
import { MQ_ATTR, MQ_ATTR_SIZE } from './attributes.ts';

/** What mq_open and later calls take of a description's flags. */
const KEPT = O.ACCMODE | O.NONBLOCK;

const nameOf = ({ id }: file_entry, tree: FrozenTree): string | undefined => ownFileOf(tree, id)?.mqueue;
const queueOf = (file: file_entry, tree: FrozenTree): sf_mqueue_entry | undefined => tree.own?.mqueues.find(({ name }) => name === nameOf(file, tree));

export const messageQueues: FileKind = {
  types: [fd_types.EXT],
  describe: (file, tree) => (nameOf(file, tree) === undefined ? `file ${file.id} of a plugin` : `message queue ${nameOf(file, tree)}`),
  check(files, context) {
    for (const file of files) {
      const name = nameOf(file, context.tree);
      const where = messageQueues.describe(file, context.tree);
      if (name === undefined) context.refuse(where, 'it was dumped by a plugin of CRIU, and only that plugin can restore it', 'Restore it with CRIU and the plugin');
      else if (queueOf(file, context.tree) === undefined || !/^\/[^/]+$/u.test(name)) context.refuse(where, 'stillframe.img does not tell what the queue is like', 'The image is damaged: take another');
    }
  },
  open(files, context) {
    const byQueue = new Map<sf_mqueue_entry, file_entry[]>();
    for (const file of files) {
      const queue = queueOf(file, context.tree);
      if (queue !== undefined) byQueue.set(queue, [...byQueue.get(queue) ?? [], file]);
    }
    for (const [queue, own] of byQueue) openQueue(context, queue, own);
  },
};

function openQueue(context: RestoreContext, queue: sf_mqueue_entry, files: readonly file_entry[]): void {
  const p = context.local.program.resource(`message queue ${queue.name}`);
  const name = p.cstring(bytesOf(queue.name.slice(1)));
  const attributes = p.reserve(MQ_ATTR_SIZE);
  const end = { at: Infinity };
  context.local.undo(p.here, () => end.at, (undo, ran) => {
    // the result of a step that was not done is 0
    if (ran.result(made) > 0n) undo.resource(`message queue ${queue.name}`).call('mq_unlink', [undo.cstring(bytesOf(queue.name.slice(1)))], { expect: 'any' });
  });
  const made = queue.removed === true ? addNew(p, queue, name, attributes) : addExisting(p, queue, name, attributes);
  for (const file of files) {
    const flags = (ownFileOf(context.tree, file.id)?.open_flags ?? O.RDWR) & KEPT;
    const resource = `file ${file.id} (${messageQueues.describe(file, context.tree)})`;
    p.resource(resource);
    context.files.set(file.id, context.local.open(resource, p.call('mq_open', [name, flags, 0, 0])));
  }
  if (queue.removed !== true) return;
  p.resource(`message queue ${queue.name}`).call('mq_unlink', [name], { keep: false });
  end.at = p.here - 1;
}

/** Makes it, with its attributes, owner and mode. Result: a descriptor, closed again; it tells that the queue was made. */
function addNew(p: Program, queue: sf_mqueue_entry, name: DataRef, attributes: DataRef): ResultRef {
  p.store(attributes.at(MQ_ATTR.MAX), queue.max_messages);
  p.store(attributes.at(MQ_ATTR.SIZE), queue.message_size);
  const fd = p.call('mq_open', [name, O.RDWR | O.CREAT | O.EXCL, 0o600, attributes], {
    remedy: {
      EEXIST: `Another queue has its name: move away /dev/mqueue${queue.name}`, ENOSPC: 'There are too many queues (fs.mqueue.queues_max)',
      EINVAL: 'Its attributes are above the limits here: raise fs.mqueue.msg_max and fs.mqueue.msgsize_max', EMFILE: 'RLIMIT_MSGQUEUE is too low: ulimit -q',
    },
  });
  p.call('fchown', [fd, queue.uid, queue.gid], { keep: false });
  p.call('fchmod', [fd, queue.mode & 0o7777], { keep: false });
  p.call('close', [fd], { keep: false });
  return fd;
}

/** It is there, and the same; or it is gone, and is made when nothing is missed by that. */
function addExisting(p: Program, queue: sf_mqueue_entry, name: DataRef, attributes: DataRef): ResultRef {
  const [missing, end] = [{ at: 0 }, { at: 0 }];
  const fd = p.call('mq_open', [name, O.RDONLY | O.NONBLOCK, 0, 0], { expect: { orErrno: ERRNO.ENOENT } });
  p.jump(fd, Cond.LT, 0, () => missing.at);
  p.call('mq_getsetattr', [fd, 0, attributes], { keep: false });
  p.call('close', [fd], { keep: false });
  for (const [at, value] of [[MQ_ATTR.MAX, queue.max_messages], [MQ_ATTR.SIZE, queue.message_size]] as const) {
    p.control(Op.EXPECT, [p.load(attributes.at(at), 8), Cond.EQ, value, ERRNO.EEXIST], { keep: false, remedy: { EEXIST: `Another queue has its name: move away /dev/mqueue${queue.name}` } });
  }
  p.jump(0, Cond.EQ, 0, () => end.at);
  missing.at = p.here;
  p.control(Op.EXPECT, [queue.waiting ?? 0, Cond.EQ, 0, ERRNO.ENOENT], { keep: false, remedy: { ENOENT: 'The queue is gone, and with it the messages that waited in it at the dump' } });
  const made = addNew(p, queue, name, attributes);
  end.at = p.here;
  return made;
}
