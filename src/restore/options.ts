/** What `restore` is asked for. Filled by `src/cli/verbs.ts` from the option table; paths are absolute, defaults are already applied. */
import type { Scripts } from '../cli/hooks.ts';
import type { CpuCap } from '../resources/processor/compare.ts';
import type { Progress } from '../progress.ts';

export interface RestoreOptions {
  /** Absolute; exists. */
  readonly imagesDir: string;
  /** Absolute; where stats-restore and the pid file go. */
  readonly workDir: string;
  /** -d: return when the tree runs. Otherwise wait for the root task, whose parent this process then is. */
  readonly detach: boolean;
  /** -S: the root task becomes a sibling of this process (a child of its parent). Only with `detach`. */
  readonly sibling: boolean;
  /** -s: leave the tree stopped. */
  readonly leaveStopped: boolean;
  /** -j: this process's terminal replaces the tree's. */
  readonly shellJob: boolean;
  /** --pidfile: absolute. Written with `writePidfile` of src/cli/pidfile.ts after `post-restore`, before anything runs. */
  readonly pidfile: string | undefined;
  /** Told how far the filling of memory is. */
  readonly progress?: Progress | undefined;
  /** --exec-cmd: the command this process is replaced by afterwards (the caller does it): it becomes the root's parent, so do not wait. */
  readonly execCommand: readonly string[] | undefined;
  /** --action-script. The verb calls `pre-restore`, `setup-namespaces`, `post-setup-namespaces`, `post-restore`, `pre-resume`, `post-resume`. */
  /** --cpu-cap: what of the processor is compared with cpuinfo.img; undefined: nothing. */
  readonly cpuCaps?: ReadonlySet<CpuCap> | undefined;
  readonly scripts: Scripts;
  /** Every other option as it was given, by its long name: rows of the table that a kind supports read themselves here. */
  readonly given: ReadonlyMap<string, readonly string[]>;
}

/** What a successful restore tells its caller. `stats` is what was written to stats-restore. */
export interface RestoreOutcome {
  readonly stats: import('../stats.ts').RestoreStats;
  /** The root task, as this process sees it. */
  readonly pid: number;
}
