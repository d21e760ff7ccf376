/** What can be said against a restore from the images alone, before anything is made: all of it, in one list. */
import { rootTask, type FrozenTree, type Task } from '../image/tree.ts';
import { checkCgroups } from '../resources/cgroup/restore.ts';
import { checkCredentials } from '../resources/credentials/restore.ts';
import { checkFilesystem } from '../resources/filesystem/restore.ts';
import { checkLocks } from '../resources/locks/restore.ts';
import { checkMemory } from '../resources/memory/check.ts';
import { checkClocks } from '../resources/namespaces/time/restore.ts';
import { checkIpc } from '../resources/namespaces/ipc/restore.ts';
import { checkOneOf } from '../resources/namespaces/own.ts';
import { checkUts } from '../resources/namespaces/uts/restore.ts';
import { checkRegisters } from '../resources/registers/restore.ts';
import { checkLabel, checkLabelOption } from '../resources/security-label/restore.ts';
import { checkThread } from '../resources/threads/restore.ts';
import type { RestoreContext } from './context.ts';
import { checkDescriptors } from './descriptors.ts';
import { isAlive } from './task.ts';

export function checkTree(context: RestoreContext): void {
  const { tree } = context;
  const root = rootTask(tree);
  if (root === undefined) {
    context.refuse('pstree.img', 'it holds no task', 'The image is damaged or of a dump that failed: take another');
    return;
  }
  for (const task of tree.tasks.values()) {
    if (task !== root && !tree.tasks.has(task.item.ppid)) context.refuse(`task ${task.pid}`, `its parent ${task.item.ppid} is not part of the tree`, 'The image is damaged: take another');
    if (!isAlive(task)) continue;
    checkTask(context, task);
  }
  checkDescriptors(context);
  checkOther(context, tree);
}

function checkTask(context: RestoreContext, task: Task): void {
  const where = `task ${task.pid}`;
  if (task.mm === undefined) context.refuse(where, `mm-${task.pid}.img is missing`, 'The set is incomplete: copy all of its files');
  if (task.ids === undefined) context.refuse(where, `ids-${task.pid}.img is missing`, 'The set is incomplete: copy all of its files');
  checkNamespaces(context, task);
  checkMemory(context, task);
  checkFilesystem(context, task);
  for (const [tid, core] of task.threads) {
    const thread = tid === task.pid ? where : `thread ${tid} of ${where}`;
    context.reasons.push(...checkRegisters(core, thread, context.host.xstate));
    checkThread(context, core, thread);
    if (core.thread_core?.creds === undefined) continue;
    checkCredentials(context, core.thread_core.creds, thread);
    checkLabel(context, core.thread_core.creds, thread);
  }
}

const NAMESPACES = ['pid', 'net', 'ipc', 'uts', 'mnt', 'user', 'cgroup', 'time'] as const;

/** Their folders say what they can be. */
const OWN_KINDS = ['time', 'cgroup', 'uts', 'ipc'] as const;
const CHECKED_BY_KIND: ReadonlySet<string> = new Set(OWN_KINDS);

/** Namespaces other than the ones the dumping process was in. */
function checkNamespaces(context: RestoreContext, { pid, ids }: Task): void {
  const root = context.tree.inventory.root_ids;
  if (root === undefined || ids === undefined) return;
  for (const name of NAMESPACES) {
    const [own, outer] = [ids[`${name}_ns_id`], root[`${name}_ns_id`]];
    if (CHECKED_BY_KIND.has(name) || (context.options.joined as ReadonlyMap<string, string> | undefined)?.has(name) === true) continue;
    if (own !== undefined && outer !== undefined && own !== outer) {
      context.refuse(`task ${pid}`, `it was in a ${name} namespace of its own`, 'Namespaces cannot be restored yet');
    }
  }
}

function checkOther(context: RestoreContext, tree: FrozenTree): void {
  checkLocks(context);
  for (const kind of OWN_KINDS) checkOneOf(context, kind);
  checkClocks(context);
  checkUts(context);
  checkIpc(context);
  checkCgroups(context);
  checkLabelOption(context);
  for (const name of tree.own?.needs ?? []) context.refuse('stillframe.img', `the set needs '${name}', which this version does not know`, 'Restore it with the version of Stillframe that wrote it');
}

