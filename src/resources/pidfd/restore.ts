/**
 * pidfd. One of a process of the tree is opened by the task that has it, when that process is there; those of processes that had ended are opened
 * in the helper, on a process that ends at once: one for each inode, so that pidfds of the same process stay the same.
 */
import { fd_types, type file_entry, type pidfd_entry } from '../../image/schema/index.ts';
import { PIDFD_THREAD } from '../../kernel/anon.ts';
import { O } from '../../kernel/files.ts';
import type { RestoreContext } from '../../restore/context.ts';
import type { FileKind, Stage } from '../../restore/kinds.ts';
import { withProcess } from '../proc-file/restore.ts';

const GONE = -1;
const flagsOf = ({ flags }: pidfd_entry): number => flags & (O.NONBLOCK | PIDFD_THREAD);

/** When what it is of exists; undefined: that is not part of the tree. */
function stageOf({ flags, nspid }: pidfd_entry, { tree }: RestoreContext): Stage | undefined {
  if (tree.tasks.has(nspid)) return 'processes';
  if ((flags & PIDFD_THREAD) === 0) return undefined;
  return [...tree.tasks.values()].some(({ threads }) => threads.has(nspid)) ? 'threads' : undefined;
}

export const pidfds: FileKind = {
  types: [fd_types.PIDFD],
  describe: ({ pidfd }) => (pidfd === undefined || pidfd.nspid === GONE ? 'pidfd of a process that has ended' : `pidfd of ${(pidfd.flags & PIDFD_THREAD) === 0 ? 'process' : 'thread'} ${pidfd.nspid}`),
  check(files, context) {
    for (const { id, pidfd } of files) {
      if (pidfd === undefined) context.refuse(`file ${id}`, 'its record in files.img has no pidfd in it', 'The image is damaged: take another');
      else if (pidfd.nspid !== GONE && stageOf(pidfd, context) === undefined) context.refuse(`file ${id} (pidfd)`, `it is of process ${pidfd.nspid}, which is not part of the tree`, 'The image is damaged: take another');
    }
  },
  open(files, context) {
    const processes = new Map<number, file_entry[]>();
    for (const file of files) {
      const group = processes.get(file.pidfd!.ino);
      if (group === undefined) processes.set(file.pidfd!.ino, [file]);
      else group.push(file);
    }
    for (const group of processes.values()) {
      const p = context.local.program.resource('pidfd of a process that has ended');
      withProcess(context, 0, (process) => {
        for (const { id, pidfd } of group) {
          const resource = `file ${id} (pidfd of a process that has ended)`;
          context.files.set(id, context.local.open(resource, p.resource(resource).call('pidfd_open', [process, flagsOf(pidfd!)])));
        }
      });
    }
  },
  opensIn: ({ pidfd }, context) => (pidfd === undefined || pidfd.nspid === GONE ? undefined : stageOf(pidfd, context)),
  openIn: (p, { pidfd }) => p.call('pidfd_open', [pidfd!.nspid, flagsOf(pidfd!)]),
};
