/** What dump knows of a frozen tree before it is images: tasks and threads as seized, with what /proc said about them. */
import type { Mapping } from '../proc/smaps.ts';
import type { ProcStat } from '../proc/stat.ts';
import type { ProcStatus } from '../proc/status.ts';
import type { ThreadState } from '../helper/protocol.ts';

export interface FrozenThread {
  readonly tid: number;
  stat: ProcStat;
  status: ProcStatus;
  state: ThreadState;
}

export interface FrozenTask {
  readonly pid: number;
  readonly ppid: number;
  readonly parent: FrozenTask | undefined;
  readonly stat: ProcStat;
  /** It has exited and waits for its parent. Then nothing below is known of it. */
  readonly zombie: boolean;
  /** The signal that had stopped it before, or 0. */
  readonly stopSignal: number;
  /** ptrace suspends its seccomp filters while it is seized. */
  readonly seccompSuspended: boolean;
  /** The leader first. */
  readonly tids: readonly number[];
  threads: FrozenThread[];
  mappings: Mapping[];
}

/** How messages name it. */
export function describeTask(task: FrozenTask): string {
  return `task ${task.pid} (${task.stat.comm})`;
}
