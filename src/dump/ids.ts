/** Ids of what tasks share: address space, descriptor table, fs, signal handlers (by kcmp), and namespaces (by inode). Ours is the first of each. */
import { readlinkSync } from 'node:fs';
import { create } from '../image/wire.ts';
import { task_kobj_ids_entry } from '../image/schema/index.ts';
import { readProcLink, tryReadProcLink } from '../proc/read.ts';
import type { DumpContext } from './context.ts';
import { describeTask, type FrozenTask } from './frozen.ts';
import { KCMP, sameObjects } from './kcmp.ts';

/** Namespaces in the order their ids are given. `proc`: the name under /proc/PID/ns. */
const NAMESPACES = [
  { proc: 'pid', field: 'pid_ns_id' }, { proc: 'net', field: 'net_ns_id' }, { proc: 'ipc', field: 'ipc_ns_id' }, { proc: 'uts', field: 'uts_ns_id' },
  { proc: 'time', field: 'time_ns_id' }, { proc: 'mnt', field: 'mnt_ns_id' }, { proc: 'user', field: 'user_ns_id' }, { proc: 'cgroup', field: 'cgroup_ns_id' },
] as const;
type NamespaceField = (typeof NAMESPACES)[number]['field'];
type NamespaceIds = Partial<Record<NamespaceField, number>>;

/** Our own namespaces, by name; read before anything is frozen. */
export interface OwnNamespaces { readonly links: ReadonlyMap<string, string>; readonly ids: NamespaceIds }

export function ownNamespaces(): OwnNamespaces {
  const links = new Map<string, string>();
  const ids: NamespaceIds = {};
  for (const { proc, field } of NAMESPACES) {
    try {
      links.set(proc, readlinkSync(`/proc/self/ns/${proc}`));
    } catch {
      continue; // a kernel built without it
    }
    ids[field] = links.size;
  }
  return { links, ids };
}

/** What the inventory says of the dumping process itself. */
export function ownIds(own: OwnNamespaces): task_kobj_ids_entry {
  return create(task_kobj_ids_entry, { vm_id: 1, files_id: 1, fs_id: 1, sighand_id: 1, ...own.ids });
}

/** Namespaces that may be others than ours; all tasks are in the same. */
const MAY_DIFFER = [{ proc: 'time', field: 'time_ns_id' }, { proc: 'cgroup', field: 'cgroup_ns_id' }, { proc: 'uts', field: 'uts_ns_id' }, { proc: 'ipc', field: 'ipc_ns_id' }] as const;

/** Refuses tasks that live in namespaces of their own. */
export function checkNamespaces(task: FrozenTask, own: OwnNamespaces, context: DumpContext): void {
  for (const name of ['pid', 'time']) {
    const [own, children] = [readProcLink(`/proc/${task.pid}/ns/${name}`), tryReadProcLink(`/proc/${task.pid}/ns/${name}_for_children`)];
    if (children !== undefined && children !== own) {
      context.refusals.add(describeTask(task), `its children will live in another ${name} namespace than itself (unshare), which is not supported yet`, 'Dump it before it unshares, or without it: the children alone');
    }
  }
  const other = [...own.links].filter(([name, link]) => !MAY_DIFFER.some((one) => one.proc === name) && readProcLink(`/proc/${task.pid}/ns/${name}`) !== link).map(([name]) => name);
  if (other.length > 0) context.refusals.add(describeTask(task), `it lives in other namespaces than the dump (${other.join(', ')}), which is not supported yet`);
}

/** The namespaces of the tree. */
function treeIds(tasks: readonly FrozenTask[], own: OwnNamespaces, { refusals }: DumpContext): task_kobj_ids_entry {
  const ids = ownIds(own);
  const [first] = tasks;
  let next = own.links.size + 1;
  for (const { proc, field } of MAY_DIFFER) {
    if (ids[field] === undefined || first === undefined) continue;
    const linkOf = ({ pid }: FrozenTask): string => readProcLink(`/proc/${pid}/ns/${proc}`);
    const link = linkOf(first);
    if (link !== own.links.get(proc)) ids[field] = next++;
    for (const task of tasks) {
      if (linkOf(task) !== link) refusals.add(describeTask(task), `it lives in another ${proc} namespace than ${describeTask(first)}, which is not supported`, 'Dump it alone, or its parent without it');
    }
  }
  return ids;
}

const SHARED = [['vm_id', KCMP.VM], ['files_id', KCMP.FILES], ['fs_id', KCMP.FS], ['sighand_id', KCMP.SIGHAND]] as const;

/** The ids of every living task, by pid. 1 is ours. */
export function objectIds(tasks: readonly FrozenTask[], own: OwnNamespaces, context: DumpContext): Map<number, task_kobj_ids_entry> {
  const namespaces = treeIds(tasks, own, context);
  const ids = new Map(tasks.map(({ pid }) => [pid, create(task_kobj_ids_entry, { ...namespaces })]));
  const objects = SHARED.flatMap(([field, type]) => tasks.map(({ pid }) => ({ type, pid, field })));
  const groups = tasks.length < 2 ? objects.map((object) => [object])
    : sameObjects(context.helper, objects, { type: ({ type }) => type, key: () => 0, pid: ({ pid }) => pid, index: () => 0 });
  const next = { vm_id: 2, files_id: 2, fs_id: 2, sighand_id: 2 };
  for (const group of groups) {
    const { field } = group[0]!;
    const id = next[field]++;
    for (const { pid } of group) ids.get(pid)![field] = id;
  }
  return ids;
}
