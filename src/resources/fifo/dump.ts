/** Named pipes: the path as a regular file's record, the bytes in flight as a pipe's. */
import { create } from '../../image/wire.ts';
import { fd_types, fifo_entry, file_entry } from '../../image/schema/index.ts';
import { S } from '../../kernel/files.ts';
import type { FileKind, OpenFile } from '../../dump/file-kinds.ts';
import { askBytes, findPackets, pipeId } from '../pipe/dump.ts';
import { keepOpen, openEntry, refuseOpen } from '../regular/dump.ts';

/** Ids of the records of the paths. */
const paths = new WeakMap<OpenFile, number>();

export const fifos: FileKind = {
  type: fd_types.FIFO,
  claims: ({ stat, link }) => (Number(stat.mode) & S.IFMT) === S.IFIFO && link.startsWith('/'),
  collect: findPackets,
  refuse: refuseOpen,
  keep: (file, context) => {
    const id = context.newFileId();
    paths.set(file, id);
    keepOpen(id, file.descriptors[0]!, context);
  },
  ask: (program, held, file, context) => askBytes(program, held, file, context, context.tree.fifo_data),
  entry: (file, context) => {
    const first = file.descriptors[0]!;
    const id = paths.get(file)!;
    context.tree.files.set(id, create(file_entry, { type: fd_types.REG, id, reg: openEntry(id, first, file.owner, context) }));
    return { fifo: create(fifo_entry, { id: file.id, pipe_id: pipeId(first.stat.ino), regf_id: id }) };
  },
};
