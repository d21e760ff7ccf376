/** A descriptor table: every description is fetched from the helper and put under its number. */
import type { fdinfo_entry, file_entry, fown_entry } from '../image/schema/index.ts';
import type { Task } from '../image/tree.ts';
import { F, FD_CLOEXEC, O } from '../kernel/files.ts';
import { CLONE } from '../kernel/process.ts';
import type { Program } from '../program/program.ts';
import type { RestoreContext } from './context.ts';
import { describeFile, kindOf } from './kinds.ts';

export function tableOf(context: RestoreContext, task: Task): readonly fdinfo_entry[] {
  return (task.ids === undefined ? undefined : context.tree.fdinfo.get(task.ids.files_id)) ?? [];
}

/** Description ids that some task's table refers to. */
export function referenced(context: RestoreContext): Set<number> {
  const ids = new Set<number>();
  for (const task of context.tree.tasks.values()) for (const { id } of tableOf(context, task)) ids.add(id);
  return ids;
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
    if (file === undefined) continue;
    const list = byType.get(file.type);
    if (list === undefined) byType.set(file.type, [file]);
    else list.push(file);
  }
  for (const [type, files] of byType) kindOf(type)?.check(files, context);
}

/** Adds the steps that open all descriptions to the local program. */
export function openDescriptions(context: RestoreContext): void {
  const files = [...referenced(context)].sort((a, b) => a - b).map((id) => context.tree.files.get(id)).filter((file) => file !== undefined);
  const kinds = new Map<ReturnType<typeof kindOf>, file_entry[]>();
  for (const file of files) {
    const kind = kindOf(file.type);
    const list = kinds.get(kind);
    if (list === undefined) kinds.set(kind, [file]);
    else list.push(file);
  }
  for (const [kind, list] of kinds) kind?.open(list, context);
}

/** Fills the table of a task. Nothing but the helper's pidfd is open in it before. */
export function addDescriptors(p: Program, context: RestoreContext, task: Task): void {
  const table = [...tableOf(context, task)].sort((a, b) => a.fd - b.fd);
  const placed = new Set<number>([context.pidfd]);
  const first = new Map<number, number>();
  let lowest = 0;
  for (const { id, fd, flags } of table) {
    while (placed.has(lowest)) lowest++;
    const cloexec = (flags & FD_CLOEXEC) !== 0;
    p.resource(`fd ${fd} (${describeFile(id, context.tree)})`);
    const remedy = { EBADF: 'The descriptor number is above the limit of open files (nofile): raise it', EMFILE: 'The limit of open files (nofile) is too low here: raise it' };
    const same = first.get(id);
    if (same !== undefined) {
      p.call('dup3', [same, fd, cloexec ? O.CLOEXEC : 0], { keep: false, remedy });
    } else {
      p.call('pidfd_getfd', [context.pidfd, context.files.get(id)!.arg, 0], { keep: false, expect: { equals: lowest }, remedy });
      if (lowest === fd) {
        if (!cloexec) p.call('fcntl', [fd, F.SETFD, 0], { keep: false });
      } else {
        p.call('dup3', [lowest, fd, cloexec ? O.CLOEXEC : 0], { keep: false, remedy });
        p.call('close', [lowest], { keep: false });
      }
      first.set(id, fd);
    }
    placed.add(fd);
  }
  for (const [id, fd] of first) addOwner(p, context, id, fd);
}

/** Who gets the signals of a description (F_SETOWN), done once, by whoever has it first. */
function addOwner(p: Program, context: RestoreContext, id: number, fd: number): void {
  const file = context.tree.files.get(id)!;
  const fown = ownerOf(file);
  if (fown === undefined || fown.pid === 0 || context.owned.has(id)) return;
  context.owned.add(id);
  p.resource(`fd ${fd} (${describeFile(id, context.tree)}), signal owner`);
  const owner = p.data(Buffer.from(Int32Array.of(fown.pid_type, fown.pid).buffer));
  const foreign = fown.uid !== 0 || fown.euid !== 0;
  if (foreign) p.call('setresuid', [fown.uid, fown.euid, -1], { keep: false });
  p.call('fcntl', [fd, F.SETOWN_EX, owner], { keep: false, remedy: { ESRCH: `Process ${fown.pid}, which got its signals, is not part of the tree` } });
  if (foreign) p.call('setresuid', [0, 0, -1], { keep: false });
  if (fown.signum !== 0) p.call('fcntl', [fd, F.SETSIG, fown.signum], { keep: false });
}

function ownerOf(file: file_entry): fown_entry | undefined {
  return file.reg?.fown ?? file.pipe?.fown ?? file.tty?.fown;
}

/** clone flags by which a child shares its parent's tables. */
export function sharing(child: Task, parent: Task): number {
  if (child.ids === undefined || parent.ids === undefined) return 0;
  return (child.ids.files_id === parent.ids.files_id ? CLONE.FILES : 0)
    | (child.ids.fs_id === parent.ids.fs_id ? CLONE.FS : 0)
    | (child.ids.vm_id === parent.ids.vm_id ? CLONE.VM : 0)
    | (child.ids.sighand_id === parent.ids.sighand_id ? CLONE.SIGHAND : 0);
}
