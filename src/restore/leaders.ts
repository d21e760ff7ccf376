/**
 * Leaders that had ended before the dump: a session or group outlives its leader, but only a leader can found it. So somebody takes its
 * number for a moment, founds the session or group, and ends once all who belong to it are there.
 */
import type { FrozenTree, Task } from '../image/tree.ts';
import { groupByParent } from './context.ts';
import type { Job } from './jobs.ts';

export interface StandIn {
  /** The number of the session or group. */
  readonly pid: number;
  readonly founds: 'session' | 'group';
  /** Who makes it, and waits for its end. */
  readonly host: number;
  /** Children of the host that are born in the session (with CLONE_PARENT, so that the host is their parent). */
  readonly members: readonly Task[];
}

/** What of it cannot be had. */
export interface Unfounded { readonly pid: number; readonly why: string; readonly remedy: string }

/**
 * @param of session and group of every task
 * @param outer session and groups outside of the tree that it was restored into
 */
export function findStandIns(tree: FrozenTree, root: Task, of: ReadonlyMap<number, Job>, outer: { readonly sid: number | undefined; readonly groups: readonly number[] }): {
  readonly standIns: StandIn[]; readonly unfounded: Unfounded[];
} {
  const standIns: StandIn[] = [];
  const unfounded: Unfounded[] = [];
  const inSession = new Map<number, { readonly parent: Task; readonly task: Task }[]>();
  const children = groupByParent(tree);
  const visit = (parent: Task): void => {
    for (const task of children.get(parent.pid) ?? []) {
      const { sid } = of.get(task.pid)!;
      if (!tree.tasks.has(sid) && sid !== outer.sid && sid !== of.get(parent.pid)!.sid) inSession.set(sid, [...inSession.get(sid) ?? [], { parent, task }]);
      visit(task);
    }
  };
  visit(root);
  for (const [pid, tops] of inSession) {
    const host = tops[0]!.parent;
    const other = tops.find(({ parent }) => parent !== host);
    if (other === undefined) standIns.push({ pid, founds: 'session', host: host.pid, members: tops.map(({ task }) => task) });
    else unfounded.push({ pid: other.task.pid, why: `the leader of its session ${pid} is gone, and tasks ${host.pid} and ${other.parent.pid} both have children in that session`, remedy: 'This shape of a tree cannot be restored yet' });
  }
  for (const { pid, item } of tree.tasks.values()) {
    const { sid, pgid } = of.get(pid)!;
    if (tree.tasks.has(pgid) || inSession.has(pgid) || standIns.some((s) => s.pid === pgid) || unfounded.some((u) => u.pid === pid)) continue;
    if (sid === outer.sid && outer.groups.includes(pgid)) continue;
    const all = [...tree.tasks.values()].filter((task) => of.get(task.pid)!.pgid === pgid);
    const parent = tree.tasks.get(item.ppid);
    const host = all.find((task) => task.mm !== undefined) ?? (parent !== undefined && of.get(parent.pid)!.sid === sid ? parent : undefined);
    if (host === undefined) unfounded.push({ pid, why: `the leader of its process group ${pgid} is gone, and no living task of its session can found it again`, remedy: 'Wait for the zombie before the dump' });
    else standIns.push({ pid: pgid, founds: 'group', host: host.pid, members: [] });
  }
  return { standIns, unfounded };
}
