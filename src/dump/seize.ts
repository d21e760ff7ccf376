/**
 * Stopping a tree: every thread of every task below the root, until a look at all of them finds nothing new. Parents are stopped in the
 * same pass as their children were found, so each pass can only find what was made before the last one.
 */
import { StillframeError } from '../errors.ts';
import { ERRNO, errnoName } from '../kernel/errno.ts';
import { isGone, readProcChildren, readProcNumbers, readProcRecord, readProcText } from '../proc/read.ts';
import { parseStat, PF_EXITING, type ProcStat } from '../proc/stat.ts';
import { parseStatus } from '../proc/status.ts';
import type { FrozenTask } from './frozen.ts';
import type { SeizeOptions } from '../helper/client.ts';
import type { Seized } from '../helper/protocol.ts';

const ESRCH = -3;
/** A tree that grows faster than it can be stopped, this many passes long, is given up. */
const MAX_PASSES = 1000;

export interface Seizer {
  seize(tids: readonly number[], options?: SeizeOptions): Seized[];
}

interface Found { readonly pid: number; tids: number[] }

/** The tasks, each parent before its children. @param timeoutMs for the whole tree, 0: none @param atOnce the first pass is to find all there are */
export function seizeTree(helper: Seizer, root: number, timeoutMs: number, atOnce = false): FrozenTask[] {
  const deadline = timeoutMs === 0 ? Infinity : performance.now() + timeoutMs;
  const seized = new Map<number, Seized>();
  for (let pass = 0; ; pass++) {
    // few threads but main ones have children, and those are found by the second pass, which has to look everywhere
    const everywhere = atOnce || pass > 0;
    const found = discover(root, everywhere);
    const fresh = found.flatMap(({ tids }) => tids).filter((tid) => !seized.has(tid));
    if (fresh.length === 0 && everywhere) return found.length === 0 ? gone(root) : order(found, seized);
    const left = deadline - performance.now();
    if (pass === MAX_PASSES || left <= 0) throw tooSlow(root, timeoutMs, pass);
    for (const one of helper.seize(fresh, { timeoutMs: left === Infinity ? 0 : Math.max(1, Math.ceil(left)) })) {
      if (one.status === 0 || one.zombie) seized.set(one.tid, one);
      else if (one.status !== ESRCH) throw notSeized(one);
    }
  }
}

/** Every task below the root with its threads, as /proc shows them now. @param everywhere also children of other threads than the main one */
function discover(root: number, everywhere: boolean): Found[] {
  const found: Found[] = [];
  const queue = [root];
  for (let pid = queue.shift(); pid !== undefined; pid = queue.shift()) {
    try {
      const tids = readProcNumbers(`/proc/${pid}/task`);
      tids.sort((a, b) => Number(b === pid) - Number(a === pid) || a - b);
      found.push({ pid, tids });
      for (const tid of everywhere ? tids : tids.slice(0, 1)) {
        try {
          queue.push(...readProcChildren(pid, tid));
        } catch (error) {
          if (!isGone(error)) throw error;
        }
      }
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
  return found;
}

function order(found: readonly Found[], seized: ReadonlyMap<number, Seized>): FrozenTask[] {
  const tasks = new Map<number, FrozenTask>();
  for (const { pid, tids } of found) {
    const stat = parseStat(readProcRecord(`/proc/${pid}/stat`));
    if (isZombie(stat) && tids.length > 1) throw leaderless(pid, stat);
    const parent = tasks.get(stat.ppid);
    tasks.set(pid, {
      pid, ppid: parent?.pid ?? 0, parent, stat, zombie: isZombie(stat) && tids.length === 1, stopSignal: seized.get(pid)?.stopSignal ?? 0, tids,
      seccompSuspended: tids.every((tid) => seized.get(tid)?.seccompSuspended ?? false),
      threads: [], mappings: [],
    });
  }
  return depthFirst([...tasks.values()]);
}

/** Each task right before its own children: the order of the process tree image. */
function depthFirst(tasks: readonly FrozenTask[]): FrozenTask[] {
  const children = new Map<FrozenTask | undefined, FrozenTask[]>();
  for (const task of tasks) {
    const siblings = children.get(task.parent);
    if (siblings === undefined) children.set(task.parent, [task]);
    else siblings.push(task);
  }
  const ordered: FrozenTask[] = [];
  const stack = [...children.get(undefined) ?? []].reverse();
  for (let task = stack.pop(); task !== undefined; task = stack.pop()) {
    ordered.push(task);
    stack.push(...[...children.get(task) ?? []].reverse());
  }
  return ordered;
}

/** Whether the process that started then is no more, or is ending. */
export function hasEnded(pid: number, start: bigint): boolean {
  try {
    const now = parseStat(readProcRecord(`/proc/${pid}/stat`));
    return now.startTime !== start || isZombie(now) || (now.flags & PF_EXITING) !== 0;
  } catch (error) {
    if (isGone(error)) return true;
    throw error;
  }
}

export const isZombie = (stat: ProcStat): boolean => stat.state === 'Z' || stat.state === 'X';

function leaderless(pid: number, { comm }: ProcStat): StillframeError {
  return new StillframeError({ doing: 'dump', where: `task ${pid} (${comm})`, why: 'its main thread has exited while others run on, which the image format cannot tell' });
}

function gone(root: number): never {
  throw new StillframeError({ doing: 'dump', where: `task ${root}`, why: 'it exited before it could be stopped' });
}

function tooSlow(root: number, timeoutMs: number, passes: number): StillframeError {
  return new StillframeError({
    doing: 'dump', where: `task ${root}`, why: passes >= MAX_PASSES ? 'its tree makes new tasks faster than they can be stopped' : `its tree could not be stopped within ${timeoutMs / 1000} s`,
    remedy: 'Give it more time with --timeout SECONDS',
  });
}

function notSeized({ tid, status }: Seized): StillframeError {
  // one that did not stop in time is traced as well: by our helper
  if (-status === ERRNO.ETIMEDOUT) {
    const child = vforkChild(tid);
    if (child !== undefined) {
      return new StillframeError({ doing: 'dump', where: `task ${tid}`, why: `it does not stop: it waits in vfork for its child, process ${child}${commOf(child)}, which has neither executed a program nor ended`, remedy: 'Give it more time with --timeout SECONDS, or end that child' });
    }
    return new StillframeError({ doing: 'dump', where: `task ${tid}`, why: `it does not stop: it waits inside the kernel (${waitingAt(tid)})`, remedy: 'Give it more time with --timeout SECONDS, or end what it waits for (a disk, a network file system)' });
  }
  const tracer = tracerOf(tid);
  if (tracer !== 0) {
    return new StillframeError({
      doing: 'dump', where: `task ${tid}`, why: `it is traced by process ${tracer}${commOf(tracer)}`, remedy: 'Detach that debugger or tracer first: a task has one tracer at a time',
    });
  }
  const why = `it could not be stopped: ${errnoName(-status) ?? `error ${status}`}`;
  return new StillframeError({ doing: 'dump', where: `task ${tid}`, why, remedy: status === -1 ? 'Run as root, or with CAP_SYS_PTRACE and CAP_CHECKPOINT_RESTORE' : undefined });
}

/** The child that a thread waits for in vfork(2), or in clone with CLONE_VFORK: the kernel tells by the place. */
function vforkChild(tid: number): number | undefined {
  try {
    if (!/vfork|^kernel_clone$/u.test(readProcText(`/proc/${tid}/wchan`))) return undefined;
    return readProcChildren(tid, tid).at(-1);
  } catch {
    return undefined;
  }
}

function waitingAt(tid: number): string {
  try {
    return `state ${parseStat(readProcRecord(`/proc/${tid}/stat`)).state}, ${readProcText(`/proc/${tid}/wchan`) || 'unknown place'}`;
  } catch {
    return 'gone by now';
  }
}

function tracerOf(tid: number): number {
  try {
    return parseStatus(readProcRecord(`/proc/${tid}/status`)).tracer;
  } catch {
    return 0;
  }
}

function commOf(pid: number): string {
  try {
    return ` (${parseStat(readProcRecord(`/proc/${pid}/stat`)).comm})`;
  } catch {
    return '';
  }
}
