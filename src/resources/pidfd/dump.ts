/** pidfd: whose it is. A process that has ended has no number any more; its pidfds are told apart from others' by their inode. */
import { create } from '../../image/wire.ts';
import { fd_types, fown_entry, pidfd_entry } from '../../image/schema/index.ts';
import { PIDFD_THREAD } from '../../kernel/anon.ts';
import { O } from '../../kernel/files.ts';
import { fdInfoField } from '../../proc/fdinfo.ts';
import { describeDescriptor, type Descriptor, type FileKind } from '../../dump/file-kinds.ts';

/** `Pid: -1` */
const GONE = -1;

const pidOf = ({ info }: Descriptor): number => Number(fdInfoField(info, 'Pid'));
/** In the innermost namespace of the process. */
const innerPid = ({ info }: Descriptor): number => Number(fdInfoField(info, 'NSpid').split(/\s+/u).at(-1));

export const pidfds: FileKind = {
  type: fd_types.PIDFD,
  claims: ({ link }) => link === 'anon_inode:[pidfd]',
  refuse: () => undefined,
  collect(own, _all, context) {
    for (const { descriptors } of own) {
      const first = descriptors[0]!;
      const pid = pidOf(first);
      const thread = (first.info.flags & PIDFD_THREAD) !== 0;
      if (pid === GONE || context.tasks.some((task) => task.pid === pid || (thread && task.tids.includes(pid)))) continue;
      context.refusals.add(describeDescriptor(first), `it is of process ${pid}, which is not part of the tree`, 'Dump a task above both of them');
    }
  },
  entry: ({ id, owner, descriptors }) => {
    const first = descriptors[0]!;
    const nspid = pidOf(first) === GONE ? GONE : innerPid(first);
    return { pidfd: create(pidfd_entry, { id, ino: Number(BigInt.asUintN(32, first.stat.ino)), flags: first.info.flags & ~O.RDWR, nspid, fown: create(fown_entry, owner) }) };
  },
};
