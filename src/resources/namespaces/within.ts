/** Asking about a namespace from inside: the helper enters it, does its steps and comes back. A dump that fails between loses only the helper. */
import type { Helper } from '../../helper/client.ts';
import { AT_FDCWD, O } from '../../kernel/files.ts';
import { Program, type RanBlock, type ResultRef } from '../../program/program.ts';

/** @param name under /proc/PID/ns @param flag CLONE_NEW* @param pid a task that is in it @param add adds the steps; what it returns is returned with their results */
export function within<T>(helper: Helper, name: string, flag: number, pid: number, add: (p: Program) => T): [T, RanBlock] {
  const p = new Program('helper');
  p.resource(`${name} namespace of task ${pid}`);
  const [ours, theirs] = ['self', pid].map((who) => p.call('openat', [AT_FDCWD, p.cstring(`/proc/${who}/ns/${name}`), O.RDONLY | O.CLOEXEC, 0])) as [ResultRef, ResultRef];
  p.call('setns', [theirs, flag], { keep: false, remedy: { EPERM: 'Entering it needs CAP_SYS_ADMIN: run the dump as root' } });
  const added = add(p);
  p.resource(`${name} namespace of task ${pid}`).call('setns', [ours, flag], { keep: false });
  for (const fd of [ours, theirs]) p.call('close', [fd], { keep: false });
  return [added, helper.local(p).check('dump')];
}
