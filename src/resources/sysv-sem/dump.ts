/**
 * System V semaphores stay in their namespace when a tree ends, but not as they were: what a process did with SEM_UNDO is undone when it ends, and
 * a restore cannot put that back. The kernel does not tell what is to be undone, only whether a process has such a list (kcmp), and who operated on
 * a semaphore last.
 */
import type { Refusals } from '../../dump/refusals.ts';
import { KCMP } from '../../dump/kcmp.ts';
import { describeTask, type FrozenTask } from '../../dump/frozen.ts';
import type { Helper } from '../../helper/client.ts';
import type { Log } from '../../log.ts';
import { Program, SELF_PID } from '../../program/program.ts';

/** semctl's commands (<linux/sem.h>), and the most semaphores of a set that are looked at. */
const GETPID = 11, SEM_STAT = 18, SEM_INFO = 19, MOST_SEMAPHORES = 512;
/** sizeof(struct semid64_ds), where it has the number of semaphores; sizeof(struct seminfo). */
const SEMID_DS_SIZE = 104, NSEMS_AT = 80, SEMINFO_SIZE = 40;

const REMEDY = 'Let the program release its semaphores before the dump, or use them without SEM_UNDO';

/** Adds to the refusals each task that is known to have something to undo, and warns of those that may. */
export function refuseUndo(tasks: readonly FrozenTask[], { helper, refusals, log }: { readonly helper: Pick<Helper, 'local'>; readonly refusals: Refusals; readonly log: Log }): void {
  const program = new Program('helper').resource('System V semaphores');
  const asked = tasks.map((task) => ({ task, got: program.call('kcmp', [SELF_PID, task.pid, KCMP.SYSVSEM, 0, 0], { expect: 'any' }) }));
  const last = program.call('semctl', [0, 0, SEM_INFO, program.reserve(SEMINFO_SIZE)], { expect: 'any' });
  const ran = helper.local(program).check('dump');
  // the helper has no such list: whoever has the same has none
  const listed = asked.filter(({ got }) => ran.result(got) > 0n).map(({ task }) => task);
  if (listed.length === 0 || ran.result(last) < 0n) return;
  const operated = lastOperators(Number(ran.result(last)), helper);
  for (const task of listed) {
    const set = operated.get(task.pid);
    if (set === undefined) continue;
    const what = `it has operated on semaphore set ${set}, and what it did with SEM_UNDO is undone when it ends`;
    // threads share a list from the start, used or not
    if (task.tids.length === 1) refusals.add(describeTask(task), `${what}: a restore cannot put that back`, REMEDY);
    else log.warn(describeTask(task), `${what}; if it did anything that way, it will find those semaphores changed`);
  }
}

/** By pid a set that it was the last to operate on. */
function lastOperators(lastIndex: number, helper: Pick<Helper, 'local'>): ReadonlyMap<number, number> {
  const stats = new Program('helper').resource('System V semaphores');
  const sets = Array.from({ length: lastIndex + 1 }, (_, index) => {
    const at = stats.reserve(SEMID_DS_SIZE);
    return { at, id: stats.call('semctl', [index, 0, SEM_STAT, at], { expect: 'any' }) };
  });
  const known = helper.local(stats).check('dump');
  const pids = new Program('helper').resource('System V semaphores');
  const found = sets.filter(({ id }) => known.result(id) >= 0n).flatMap(({ at, id }) => {
    const set = Number(known.result(id));
    const count = Math.min(MOST_SEMAPHORES, Number(known.data(at).readBigUInt64LE(NSEMS_AT)));
    return Array.from({ length: count }, (_, i) => ({ set, pid: pids.call('semctl', [set, i, GETPID, 0], { expect: 'any' }) }));
  });
  const ran = helper.local(pids).check('dump');
  return new Map(found.map(({ set, pid }) => [Number(ran.result(pid)), set] as const).filter(([pid]) => pid > 0));
}
