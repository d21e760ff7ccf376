/**
 * Sessions and process groups: a session can only be inherited or founded, a group only be joined while its leader is there.
 * This decides who is forked before its parent founds a session and who after, and what speaks against it.
 */
import type { Task } from '../image/tree.ts';
import { rootTask } from '../image/tree.ts';
import type { RestoreContext } from './context.ts';
import { findStandIns, type StandIn } from './leaders.ts';

export interface Job { readonly sid: number; readonly pgid: number }

export class Jobs {
  /** By pid, as they will be: with -j the outer session and group are the restoring process's. */
  readonly of = new Map<number, Job>();
  readonly #born = new Map<number, number | undefined>();
  /** Who takes the number of a leader that is gone. */
  readonly standIns: readonly StandIn[] = [];

  constructor(readonly context: RestoreContext) {
    const { tree, host, options } = context;
    const root = rootTask(tree);
    if (root === undefined) return;
    const outer = root.item.sid !== root.pid;
    const sidMap = outer && options.shellJob ? new Map([[root.item.sid, host.sid]]) : new Map<number, number>();
    const pgidMap = new Map(sidMap);
    if (outer && options.shellJob && root.item.pgid !== root.pid) pgidMap.set(root.item.pgid, host.pgid);
    for (const { pid, item } of tree.tasks.values()) {
      this.of.set(pid, { sid: sidMap.get(item.sid) ?? item.sid, pgid: pgidMap.get(item.pgid) ?? item.pgid });
    }
    if (outer && !options.shellJob) {
      context.refuse(`task ${root.pid}`, `it was not the leader of its session (${root.item.sid}), which is not part of the tree`,
        'Restore it with -j (--shell-job) to put it into the session of this terminal');
      return;
    }
    const outerSid = this.job(root.pid).sid === root.pid ? undefined : host.sid;
    const { standIns, unfounded } = findStandIns(tree, root, this.of, { sid: outerSid, groups: [host.pgid, host.sid] });
    this.standIns = standIns;
    for (const { pid, why, remedy } of unfounded) context.refuse(`task ${pid}`, why, remedy);
    this.#check(root);
  }

  /** Those who are made by a task. */
  standInsOf(pid: number): StandIn[] { return this.standIns.filter(({ host }) => host === pid); }

  /** The stand-in for the leader of the session that a task is born in, if it is born by one. */
  bornBy(pid: number): StandIn | undefined { return this.standIns.find(({ members }) => members.some((task) => task.pid === pid)); }

  job(pid: number): Job {
    const job = this.of.get(pid);
    if (job === undefined) throw new RangeError(`no task ${pid}`);
    return job;
  }

  /** Whether nobody of its session outside of its process group is the parent of one in it (setpgid(2)); of the root's parent nothing is known. */
  orphaned({ pid }: Task): boolean {
    const { sid, pgid } = this.job(pid);
    this.#held ??= new Set([...this.context.tree.tasks.values()].flatMap(({ pid: member, item }) => {
      const [own, parent] = [this.job(member), this.of.get(item.ppid)];
      return parent === undefined || parent.pgid === own.pgid ? [] : [`${parent.sid} ${own.pgid}`];
    }));
    return !this.#held.has(`${sid} ${pgid}`);
  }

  /** Session and group, where a task of the session outside of the group is the parent of one in it. */
  #held: ReadonlySet<string> | undefined;

  founds(pid: number): boolean { return this.job(pid).sid === pid; }

  /** The session a task has to be born in: undefined when any will do. */
  born(task: Task): number | undefined {
    if (this.#born.has(task.pid)) return this.#born.get(task.pid);
    const { sid } = this.job(task.pid);
    let wanted: number | undefined = sid;
    if (sid === task.pid || this.bornBy(task.pid) !== undefined) {
      wanted = undefined;
      for (const child of this.context.childrenOf(task.pid)) {
        const needs = this.born(child);
        if (needs !== undefined && needs !== sid) wanted ??= needs;
      }
    }
    this.#born.set(task.pid, wanted);
    return wanted;
  }

  /** Whether a child is to be forked before its parent founds its session. */
  early(child: Task, parent: Task): boolean {
    const wanted = this.born(child);
    return this.founds(parent.pid) && wanted !== undefined && wanted !== this.job(parent.pid).sid;
  }

  #check(root: Task): void {
    const visit = (task: Task): void => {
      const { sid } = this.job(task.pid);
      for (const child of this.context.childrenOf(task.pid)) {
        const wanted = this.born(child);
        if (wanted !== undefined && wanted !== sid && wanted !== this.born(task)) {
          this.context.refuse(`task ${child.pid}`, `its session ${wanted} is neither its parent's (task ${task.pid}) nor one its parent was ever in`,
            'This shape of a tree cannot be restored yet');
        }
        visit(child);
      }
    };
    visit(root);
  }
}
