/** Opening what a descriptor of the helper is open on once more, with other flags, whatever its name leads to. */
import { AT_FDCWD, O, flagsToReopen } from '../kernel/files.ts';
import type { Arg, ResultRef } from '../program/program.ts';
import type { RestoreContext } from './context.ts';
import { SPOTS } from './helper-fd.ts';

export function addReopen(context: RestoreContext, fd: Arg, flags: number, remedy?: Readonly<Record<string, string>>): ResultRef {
  const p = context.local.program;
  p.call('dup3', [fd, SPOTS.reopen, O.CLOEXEC], { keep: false });
  const ref = p.call('openat', [AT_FDCWD, p.cstring(`/proc/self/fd/${SPOTS.reopen}`), flagsToReopen(flags) | O.CLOEXEC, 0], { remedy });
  p.call('dup3', [context.local.plug, SPOTS.reopen, O.CLOEXEC], { keep: false });
  return ref;
}
