/** Descriptors of namespaces: opened through a task that is in the namespace, once there is one. */
import { fd_types, type ns_file_entry } from '../../image/schema/index.ts';
import type { FrozenTree } from '../../image/tree.ts';
import { AT_FDCWD, O } from '../../kernel/files.ts';
import type { FileKind } from '../../restore/kinds.ts';
import { NAMESPACE_KINDS } from './kinds.ts';

const nameOf = ({ ns_cflag }: ns_file_entry): string | undefined => NAMESPACE_KINDS.find(({ flag }) => flag === ns_cflag)?.name;

/** A task that is in it. */
function insider(tree: FrozenTree, { ns_id, ns_cflag }: ns_file_entry): number | undefined {
  const kind = NAMESPACE_KINDS.find(({ flag }) => flag === ns_cflag);
  if (kind === undefined) return undefined;
  for (const { pid, ids } of tree.tasks.values()) if (ids !== undefined && ids[kind.field] === ns_id) return pid;
  return undefined;
}

export const namespaceFiles: FileKind = {
  types: [fd_types.NS],
  describe: ({ nsf }) => `${nsf === undefined ? '' : `${nameOf(nsf) ?? 'unknown'} `}namespace`,
  check(files, context) {
    for (const { id, nsf } of files) {
      if (nsf === undefined) context.refuse(`file ${id}`, 'its record in files.img has no namespace in it', 'The image is damaged: take another');
      else if (insider(context.tree, nsf) === undefined) context.refuse(`file ${id} (${nameOf(nsf) ?? 'unknown'} namespace)`, `no task of the tree is in its namespace ${nsf.ns_id}`, 'Such namespaces cannot be restored yet');
    }
  },
  open() { /* by tasks */ },
  opensIn: () => 'processes',
  openIn: (p, { nsf }, { tree }) => p.call('openat', [AT_FDCWD, p.cstring(`/proc/${insider(tree, nsf!)}/ns/${nameOf(nsf!)}`), O.RDONLY | O.CLOEXEC, 0]),
};
