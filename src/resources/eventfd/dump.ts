/** eventfd: its counter. That it is a semaphore goes into our own image. */
import { create } from '../../image/wire.ts';
import { eventfd_file_entry, fd_types, fown_entry } from '../../image/schema/index.ts';
import { ownFile } from '../../image/tree-own.ts';
import { fdInfoField, findFdInfoField } from '../../proc/fdinfo.ts';
import type { FileKind } from '../../dump/file-kinds.ts';

export const eventfds: FileKind = {
  type: fd_types.EVENTFD,
  claims: ({ link }) => link === 'anon_inode:[eventfd]',
  refuse: () => undefined,
  entry: ({ id, owner, descriptors }, context) => {
    const { info } = descriptors[0]!;
    if (findFdInfoField(info, 'eventfd-semaphore') === '1') ownFile(context.tree, id).semaphore = true;
    return { efd: create(eventfd_file_entry, { id, flags: info.flags, fown: create(fown_entry, owner), counter: BigInt(`0x${fdInfoField(info, 'eventfd-count')}`) }) };
  },
};
