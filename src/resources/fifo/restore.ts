/** Named pipes. Opening an end waits for the other one, so the helper holds a fifo open for both while it opens the ends of the image. */
import { fd_types, type file_entry, type reg_file_entry } from '../../image/schema/index.ts';
import type { FrozenTree } from '../../image/tree.ts';
import { F, O } from '../../kernel/files.ts';
import type { RestoreContext } from '../../restore/context.ts';
import type { FileKind } from '../../restore/kinds.ts';
import { isDeleted } from '../ghost/restore.ts';
import { checkPackets, putData, warnOfData } from '../pipe/restore.ts';
import { checkExternal, describePath, keysOfPath, openInherited, openReg } from '../regular/restore.ts';

/** The record of its path; images before CRIU 3.9 gave it the fifo's own id. */
function pathOf(tree: FrozenTree, { id, fifo }: file_entry): reg_file_entry | undefined {
  return tree.files.get(fifo?.regf_id ?? id)?.reg;
}

export const fifos: FileKind = {
  types: [fd_types.FIFO],
  describe(file, tree) {
    const reg = pathOf(tree, file);
    return reg === undefined ? `fifo ${file.id}` : describePath(reg, isDeleted(tree, reg.id));
  },
  keys(file, tree) {
    const reg = pathOf(tree, file);
    return reg === undefined ? [] : keysOfPath(reg);
  },
  openInherited(file, key, context) {
    warnOfData(context, context.tree.fifo_data, file.fifo!.pipe_id, key);
    return openInherited(context, pathOf(context.tree, file)!, key, `file ${file.id} (fifo ${key}, handed in)`);
  },
  check(files, context) {
    for (const file of files) {
      const reg = pathOf(context.tree, file);
      if (file.fifo === undefined || reg === undefined) context.refuse(`file ${file.id}`, 'files.img has no record of this fifo\'s path', 'The image is damaged: take another');
      else checkExternal(context, reg);
      if (file.fifo !== undefined) checkPackets(context, context.tree.fifo_data, file.fifo.pipe_id, file.id);
    }
  },
  open(files, context) {
    const groups = new Map<number, file_entry[]>();
    for (const file of files) {
      const id = file.fifo?.pipe_id;
      if (id === undefined) continue;
      const group = groups.get(id);
      if (group === undefined) groups.set(id, [file]);
      else group.push(file);
    }
    for (const [id, group] of groups) openFifo(context, id, group);
  },
};

function openFifo(context: RestoreContext, pipeId: number, group: readonly file_entry[]): void {
  const p = context.local.program;
  const both = openReg(context, pathOf(context.tree, group[0]!)!, O.RDWR, `fifo ${pipeId}, both ends`);
  putData(context, context.tree.fifo_data, pipeId, group, both.ref);
  for (const file of group) {
    const reg = pathOf(context.tree, file)!;
    const fd = openReg(context, reg, reg.flags & ~O.DIRECT, `file ${file.id} (${fifos.describe(file, context.tree)})`);
    // a fifo cannot be opened in packet mode, only set to it
    if ((reg.flags & O.DIRECT) !== 0) p.call('fcntl', [fd.ref, F.SETFL, reg.flags], { keep: false });
    context.files.set(file.id, fd);
  }
  p.call('close', [both.ref], { keep: false });
}
