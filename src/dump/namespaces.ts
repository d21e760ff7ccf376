/** What is around a frozen tree and its own: its control groups, and what its namespaces hold. Asked before anything runs again. */
import { dumpIpc } from '../resources/namespaces/ipc/dump.ts';
import { dumpUts } from '../resources/namespaces/uts/dump.ts';
import type { Collected } from './collect.ts';
import type { DumpContext } from './context.ts';

export function dumpNamespaces({ living: [first] }: Collected, context: DumpContext): void {
  const { tree } = context;
  tree.cgroup = context.cgroups?.entry(context);
  const outer = tree.inventory.root_ids;
  if (first === undefined) return;
  const { ids, task } = first;
  if (context.ownIpc) {
    const open = (tree.own?.mqueues ?? []).filter(({ removed }) => removed !== true).map(({ name }) => name);
    dumpIpc(ids.ipc_ns_id!, task, new Set(open), context);
  }
  if (ids.uts_ns_id !== undefined && ids.uts_ns_id !== outer?.uts_ns_id) dumpUts(ids.uts_ns_id, task.pid, context);
}
