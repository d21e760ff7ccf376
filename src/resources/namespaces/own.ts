/** Which namespaces a tree had of its own, by what the image says of its tasks and of the dumping process. */
import { rootTask } from '../../image/tree.ts';
import type { RestoreContext } from '../../restore/context.ts';

/** Kinds that a restore can make. */
export type OwnKind = 'uts' | 'ipc' | 'cgroup' | 'time';

/** Its id when the root had one of its own and is not to join another (--join-ns). */
export function ownNamespace({ tree, options }: RestoreContext, kind: OwnKind): number | undefined {
  const id = rootTask(tree)?.ids?.[`${kind}_ns_id`];
  const outer = tree.inventory.root_ids?.[`${kind}_ns_id`];
  if (id === undefined || outer === undefined || id === outer || (options.joined as ReadonlyMap<string, string> | undefined)?.has(kind) === true) return undefined;
  return id;
}

/** All tasks have to be in the namespace of the root: there is one of a kind. */
export function checkOneOf(context: RestoreContext, kind: OwnKind): void {
  const root = rootTask(context.tree);
  for (const { pid, ids } of context.tree.tasks.values()) {
    if (ids === undefined || ids[`${kind}_ns_id`] === root?.ids?.[`${kind}_ns_id`]) continue;
    context.refuse(`task ${pid}`, `it was in another ${kind} namespace than task ${root?.pid}`, `A tree of several ${kind} namespaces cannot be restored`);
  }
}
