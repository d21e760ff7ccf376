/** Chains of dumps of a running test program, made in the test's own process. */
import { mkdirSync } from 'node:fs';
import { NO_SCRIPTS } from '../../src/cli/hooks.ts';
import { dump } from '../../src/dump/dump.ts';
import type { DumpOptions } from '../../src/dump/options.ts';
import { preDump } from '../../src/dump/pre-dump.ts';
import { KEEPER_NAME, type Helper } from '../../src/helper/client.ts';
import { SILENT, type Log } from '../../src/log.ts';
import { findKeepers, type Keeper } from '../../src/memory-tracking/keeper.ts';
import { readProcNumbers, readProcRecord } from '../../src/proc/read.ts';
import type { DumpStats } from '../../src/stats.ts';

export type Verb = 'pre-dump' | 'dump -R' | 'dump';

export interface LinkOptions {
  readonly parent?: string | undefined;
  readonly track?: boolean;
  readonly autoDedup?: boolean;
  readonly precopy?: DumpOptions['precopy'];
  readonly log?: Log;
  readonly startHelper?: () => Helper;
}

/** Makes the set `dir`, on top of `parent`. @returns its statistics */
export async function link(verb: Verb, pid: number, dir: string, { parent, track = true, autoDedup = false, precopy, log = SILENT, startHelper }: LinkOptions = {}): Promise<DumpStats> {
  mkdirSync(dir, { recursive: true });
  const options: Omit<DumpOptions, 'finalState'> = {
    pid, imagesDir: dir, workDir: dir, shellJob: false, timeoutSeconds: 10, ghostLimit: 1n << 20n, scripts: NO_SCRIPTS, given: new Map(), trackMemory: track, parent, autoDedup, precopy,
  };
  const { stats } = verb === 'pre-dump' ? await preDump({ ...options, mode: 'read' }, log, startHelper)
    : await dump({ ...options, finalState: verb === 'dump' ? 'dead' : 'running' }, log, startHelper);
  return stats;
}

export const keeperOf = (pid: number): Keeper | undefined => findKeepers().get(pid);

/** Every process that is a keeper for a task. */
export const keepersOf = (pid: number): number[] => readProcNumbers('/proc').filter((one) => {
  try {
    return readProcRecord(`/proc/${one}/cmdline`).startsWith(`${KEEPER_NAME}\0${pid}\0`);
  } catch {
    return false; // it ended meanwhile
  }
});

/** A log that keeps what is said. */
export function listening(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  const log: Log & { lines: string[] } = {
    ...SILENT, level: 4, lines,
    error: (where, what) => { lines.push(`Error (${where}): ${what}`); },
    warn: (where, what) => { lines.push(`Warn (${where}): ${what}`); },
    info: (what) => { lines.push(what); },
    debug: (what) => { lines.push(what); },
    forTask: () => log,
  };
  return log;
}
