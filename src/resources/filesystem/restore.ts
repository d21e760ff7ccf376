/** A task's view of the file system: root, working directory, umask. */
import { bytesOf } from '../../image/text.ts';
import type { FrozenTree, Task } from '../../image/tree.ts';
import { O } from '../../kernel/files.ts';
import type { Program } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import { procOwner } from '../proc-file/restore.ts';
import { openReg, regOf } from '../regular/restore.ts';
import type { HelperFd } from '../../restore/helper-fd.ts';

export function checkFilesystem(context: RestoreContext, task: Task): void {
  for (const [what, id] of [['working directory', task.fs?.cwd_id], ['root directory', task.fs?.root_id]] as const) {
    if (id !== undefined && regOf(context.tree, id) === undefined) {
      context.refuse(`task ${task.pid}, ${what}`, `file ${id} is not in files.img`, 'The image is damaged: take another');
    }
  }
}

export function addFilesystem(p: Program, context: RestoreContext, task: Task): void {
  const fs = task.fs;
  if (fs === undefined) return;
  const root = regOf(context.tree, fs.root_id)!;
  const cwd = regOf(context.tree, fs.cwd_id)!;
  if (root.name !== '/') {
    p.resource(`root directory ${root.name}`);
    go(p, context, directory(context, root.id, `root directory ${root.name}`));
    p.call('chroot', [p.cstring('.')], { keep: false });
  }
  p.resource(`working directory ${cwd.name}`);
  if (deadDirectory(context.tree, task) === undefined) go(p, context, directory(context, cwd.id, `working directory ${cwd.name}`));
  else p.call('chdir', [p.cstring(bytesOf(cwd.name))], { keep: false });
  if (fs.umask !== undefined) p.resource('umask').call('umask', [fs.umask], { keep: false });
}

/** The process whose directory below /proc a task is in, when that process has ended. */
export function deadDirectory(tree: FrozenTree, { fs }: Task): number | undefined {
  const cwd = fs === undefined ? undefined : regOf(tree, fs.cwd_id);
  const owner = cwd === undefined ? undefined : procOwner(tree, cwd.name);
  return owner !== undefined && 'dead' in owner ? owner.dead : undefined;
}

/** Each directory is opened once, also when all tasks have it under an id of their own. */
function directory(context: RestoreContext, id: number, resource: string): HelperFd {
  const reg = regOf(context.tree, id)!;
  const key = `directory:${context.tree.remaps.some(({ orig_id }) => orig_id === id) ? id : reg.name}`;
  let fd = context.mapped.get(key);
  if (fd === undefined) {
    fd = openReg(context, reg, O.RDONLY | O.DIRECTORY, resource);
    context.mapped.set(key, fd);
  }
  return fd;
}

function go(p: Program, context: RestoreContext, fd: HelperFd): void {
  const ref = p.call('pidfd_getfd', [context.pidfd, fd.arg, 0]);
  p.call('fchdir', [ref], { keep: false, remedy: { EACCES: 'The helper may not enter it: run the restore as root' } });
  p.call('close', [ref], { keep: false });
}
