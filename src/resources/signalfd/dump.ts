/** signalfd: its set of signals. What is pending belongs to the tasks. */
import { create } from '../../image/wire.ts';
import { fd_types, fown_entry, signalfd_entry } from '../../image/schema/index.ts';
import { fdInfoField } from '../../proc/fdinfo.ts';
import type { FileKind } from '../../dump/file-kinds.ts';

export const signalfds: FileKind = {
  type: fd_types.SIGNALFD,
  claims: ({ link }) => link === 'anon_inode:[signalfd]',
  refuse: () => undefined,
  entry: ({ id, owner, descriptors }) => {
    const { info } = descriptors[0]!;
    return { sgfd: create(signalfd_entry, { id, flags: info.flags, fown: create(fown_entry, owner), sigmask: BigInt(`0x${fdInfoField(info, 'sigmask')}`) }) };
  },
};
