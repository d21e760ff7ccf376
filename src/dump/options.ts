/** What `dump` is asked for. Filled by `src/cli/verbs.ts` from the option table; paths are absolute, defaults are already applied. */
import type { Scripts } from '../cli/hooks.ts';
import type { Progress } from '../progress.ts';

export interface DumpOptions {
  /** Root of the tree, a pid as this process sees it. */
  readonly pid: number;
  /** Absolute; exists and is writable. */
  readonly imagesDir: string;
  /** Absolute; where stats-dump goes. */
  readonly workDir: string;
  /** What the tree does afterwards: `dead` unless -R (`running`) or -s (`stopped`). */
  readonly finalState: 'dead' | 'running' | 'stopped';
  /** -j: the tree's terminal and session may be outside of it. */
  readonly shellJob: boolean;
  /** --timeout: seconds to seize the whole tree in; 0 is no limit. */
  readonly timeoutSeconds: number;
  /** --ghost-limit: bytes of a deleted file that are still stored in the image. */
  readonly ghostLimit: bigint;
  /** --track-mem: another dump will build on this one. */
  readonly trackMemory?: boolean;
  /** Told how far the copying of memory is. */
  readonly progress?: Progress | undefined;
  /** --precopy, or -R: memory is copied while the tree runs, and only what changes last while it is stopped. */
  readonly precopy?: { readonly asked: boolean; readonly maxPauseMs: number } | undefined;
  /** --prev-images-dir: the set this one builds on, relative to `imagesDir`. */
  readonly parent?: string | undefined;
  /** --auto-dedup: what this set replaces is freed in those before it. */
  readonly autoDedup?: boolean;
  /** --dedup-pages: what tasks have in common is kept once. */
  readonly dedupPages?: boolean;
  /** --cpu-cap: cpuinfo.img is part of the set. */
  readonly cpuInfo?: boolean;
  /** --action-script. The verb calls `pre-dump` before anything, `post-dump` when the images are complete and the tree is still frozen. */
  readonly scripts: Scripts;
  /** Every other option as it was given, by its long name: rows of the table that a kind supports read themselves here. */
  readonly given: ReadonlyMap<string, readonly string[]>;
}

/** What a successful dump tells its caller. `stats` is what was written to stats-dump. */
export interface DumpOutcome {
  readonly stats: import('../stats.ts').DumpStats;
  /** Tasks in the images, zombies included. */
  readonly tasks: number;
}
