/**
 * Descriptor tables. Most descriptions are opened by the helper before any task exists and fetched from it; some only a task of the tree can
 * open (pidfds of the tree, files of its /proc), which the task that has them first does, and the others fetch them from that task.
 */
import type { fdinfo_entry, file_entry } from '../image/schema/index.ts';
import type { Task } from '../image/tree.ts';
import { LOCK_KIND } from '../kernel/locks.ts';
import { CLONE } from '../kernel/process.ts';
import type { RestoreContext } from './context.ts';
import { describeFile, kindOf, type FileKind, type Stage } from './kinds.ts';

export function tableOf(context: RestoreContext, task: Task): readonly fdinfo_entry[] {
  return (task.ids === undefined ? undefined : context.tree.fdinfo.get(task.ids.files_id)) ?? [];
}

/** The first task of the tree that has each descriptor table. */
function firstOfTables({ tree }: RestoreContext): Task[] {
  const tables = new Map<number, Task>();
  for (const task of tree.tasks.values()) if (task.ids !== undefined && !tables.has(task.ids.files_id)) tables.set(task.ids.files_id, task);
  return [...tables.values()];
}

/** The descriptor under which a description is first: in the first table of the tree that has it, with the lowest number there. */
export interface Place { readonly pid: number; readonly fd: number }

const places = new WeakMap<RestoreContext, ReadonlyMap<number, Place>>();

/** By description id; what no table refers to is not in it. */
export function firstPlaces(context: RestoreContext): ReadonlyMap<number, Place> {
  const known = places.get(context);
  if (known !== undefined) return known;
  const found = new Map<number, Place>();
  for (const task of firstOfTables(context)) {
    for (const { id, fd } of [...tableOf(context, task)].sort((a, b) => a.fd - b.fd)) if (!found.has(id)) found.set(id, { pid: task.pid, fd });
  }
  places.set(context, found);
  return found;
}

/** Description ids that some task's table refers to, or that are in flight in one of those. */
export function referenced(context: RestoreContext): Set<number> {
  const found = new Set(firstPlaces(context).keys());
  const { socket_queues: queues } = context.tree;
  if (queues.length > 0) for (const id of found) for (const { entry } of queues) if (entry.id_for === id) for (const { rights } of entry.scm) for (const carried of rights) found.add(carried);
  return found;
}

const stages = new WeakMap<RestoreContext, Map<number, Stage | undefined>>();

/** When a task of the tree has to open a description itself; undefined: the helper can. Asked many times for each. */
export function stageOf(context: RestoreContext, id: number): Stage | undefined {
  let known = stages.get(context);
  if (known === undefined) stages.set(context, known = new Map());
  if (known.has(id)) return known.get(id);
  const file = context.tree.files.get(id);
  const stage = file === undefined || inheritedKey(context, file) !== undefined ? undefined : kindOf(file.type)?.opensIn?.(file, context);
  known.set(id, stage);
  return stage;
}

const alone = new WeakMap<RestoreContext, ReadonlySet<number>>();

/** Descriptions that the one task that has them opens in its own table, as it would have itself: a step each, where by way of the helper it is three. */
export function openedAlone(context: RestoreContext): ReadonlySet<number> {
  let known = alone.get(context);
  if (known === undefined) alone.set(context, known = findAlone(context));
  return known;
}

function findAlone(context: RestoreContext): Set<number> {
  const { tree } = context;
  const found = new Set<number>();
  // what sees files being opened must not be there yet: watches, and leases, which that would break
  const seen = [...tree.files.values()].some(({ type }) => kindOf(type)?.opensLast === true) || tree.locks.some(({ flag }) => flag === LOCK_KIND.LEASE);
  if (seen) return found;
  const elsewhere = new Set(tree.socket_queues.flatMap(({ entry }) => entry.scm.flatMap(({ rights }) => rights)));
  const roots = new Map<number, number>();
  for (const { ids } of tree.tasks.values()) if (ids !== undefined) roots.set(ids.fs_id, (roots.get(ids.fs_id) ?? 0) + 1);
  for (const task of firstOfTables(context)) {
    // whoever shares root and directories with others may find itself in another root by then
    const inRoot = roots.get(task.ids!.fs_id) === 1;
    for (const id of new Set(tableOf(context, task).map((entry) => entry.id))) {
      const file = tree.files.get(id);
      if (elsewhere.has(id)) found.delete(id);
      else if (inRoot && file !== undefined && inheritedKey(context, file) === undefined && kindOf(file.type)?.opensAlone?.(file, context) === true) found.add(id);
      elsewhere.add(id);
    }
  }
  return found;
}

/** By what name something was handed in for a description (--inherit-fd); undefined: nothing was. */
export function inheritedKey(context: RestoreContext, file: file_entry): string | undefined {
  if (context.inherited.empty) return undefined;
  return kindOf(file.type)?.keys?.(file, context.tree).find((key) => context.inherited.has(key));
}

/** Which stages there are, and whether somebody waits in one for what another task opens. */
export function stagesOf(context: RestoreContext): Record<Stage, { any: boolean; shared: boolean }> {
  const stages = { processes: { any: false, shared: false }, threads: { any: false, shared: false } };
  const first = firstPlaces(context);
  for (const task of firstOfTables(context)) {
    for (const { id } of tableOf(context, task)) {
      const stage = stageOf(context, id);
      if (stage === undefined) continue;
      stages[stage].any = true;
      if (first.get(id)!.pid !== task.pid) stages[stage].shared = true;
    }
  }
  return stages;
}

/** Checks all descriptions that tables refer to, by kind. */
export function checkDescriptors(context: RestoreContext): void {
  const byType = new Map<number, file_entry[]>();
  for (const task of context.tree.tasks.values()) {
    for (const { id, fd } of tableOf(context, task)) {
      if (!context.tree.files.has(id)) context.refuse(`task ${task.pid}, fd ${fd}`, `its description ${id} is not in files.img`, 'The image is damaged: take another');
      else if (kindOf(context.tree.files.get(id)!.type) === undefined) context.refuse(`task ${task.pid}, fd ${fd}`, `${describeFile(id, context.tree)}: this kind of file cannot be restored yet`);
    }
  }
  for (const id of referenced(context)) {
    const file = context.tree.files.get(id);
    if (file === undefined || inheritedKey(context, file) !== undefined) continue;
    const list = byType.get(file.type);
    if (list === undefined) byType.set(file.type, [file]);
    else list.push(file);
  }
  for (const [type, files] of byType) kindOf(type)?.check(files, context);
}

/** Adds the steps that open all descriptions to the local program, kind by kind in the order of their list. */
export function openDescriptions(context: RestoreContext): void {
  const files = [...referenced(context)].sort((a, b) => a - b).map((id) => context.tree.files.get(id)).filter((file) => file !== undefined);
  const kinds = new Map<FileKind, file_entry[]>();
  const ours = openedAlone(context);
  for (const file of files) {
    const kind = kindOf(file.type);
    if (kind === undefined) continue;
    const key = inheritedKey(context, file);
    if (key !== undefined) {
      context.files.set(file.id, kind.openInherited!(file, key, context));
      continue;
    }
    if (kind.opensIn?.(file, context) !== undefined || ours.has(file.id)) continue;
    const list = kinds.get(kind);
    if (list === undefined) kinds.set(kind, [file]);
    else list.push(file);
  }
  const last = [...kinds].sort(([a], [b]) => Number(a.opensLast ?? false) - Number(b.opensLast ?? false));
  for (const [kind, list] of last) kind.open(list, context);
  for (const [kind] of last) kind.settle?.(context);
}

/** clone flags by which a child shares its parent's tables. */
export function sharing(child: Task, parent: Task): number {
  if (child.ids === undefined || parent.ids === undefined) return 0;
  return (child.ids.files_id === parent.ids.files_id ? CLONE.FILES : 0)
    | (child.ids.fs_id === parent.ids.fs_id ? CLONE.FS : 0)
    | (child.ids.vm_id === parent.ids.vm_id ? CLONE.VM : 0)
    | (child.ids.sighand_id === parent.ids.sighand_id ? CLONE.SIGHAND : 0);
}
