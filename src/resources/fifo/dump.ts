/** Named pipes: the path as a regular file's record, the bytes in flight as a pipe's. */
import { create } from '../../image/wire.ts';
import { fd_types, fifo_entry, file_entry } from '../../image/schema/index.ts';
import { S } from '../../kernel/files.ts';
import type { FileKind, OpenFile } from '../../dump/file-kinds.ts';
import { askBytes, findPackets, pipeId } from '../pipe/dump.ts';
import { doorOf, keepContents, namedEntry, refuseNamed } from '../regular/dump.ts';

/** Ids of the records of the paths. */
const paths = new WeakMap<OpenFile, number>();

export const fifos: FileKind = {
  type: fd_types.FIFO,
  claims: ({ stat, link }) => (Number(stat.mode) & S.IFMT) === S.IFIFO && link.startsWith('/'),
  collect: findPackets,
  refuse: (descriptor, context) => refuseNamed(doorOf(descriptor), context),
  ask: (program, held, file, context) => {
    const id = context.newFileId();
    paths.set(file, id);
    keepContents(id, doorOf(file.descriptors[0]!), context);
    return askBytes(program, held, file, context, context.tree.fifo_data);
  },
  entry: (file, context) => {
    const first = file.descriptors[0]!;
    const id = paths.get(file)!;
    const reg = namedEntry(id, doorOf(first), { flags: first.info.flags, pos: first.info.pos, owner: file.owner });
    context.tree.files.set(id, create(file_entry, { type: fd_types.REG, id, reg }));
    return { fifo: create(fifo_entry, { id: file.id, pipe_id: pipeId(first.stat.ino), regf_id: id }) };
  },
};
