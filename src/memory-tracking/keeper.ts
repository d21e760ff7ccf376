/**
 * Keepers: small processes that hold a task's tracking between two dumps (helper/keeper.c). One is found by its command line,
 * `stillframe-keeper PID START METHOD SET`: whose memory, since which image set. There is no file and no socket to lose; whoever may
 * dump the task may take its keeper's descriptors. All use of a keeper happens while its task is seized, and a task has one tracer.
 */
import { statSync } from 'node:fs';
import { KEEPER_NAME, type Helper } from '../helper/client.ts';
import { readProcNumbers, readProcRecord } from '../proc/read.ts';
import { Program } from '../program/program.ts';

/** How the kernel tells which pages change. */
export type Method = 'userfaultfd' | 'soft-dirty';

export interface Keeper {
  /** Its own pid. */
  readonly keeper: number;
  readonly pid: number;
  /** Start time of the task, clock ticks after boot. */
  readonly start: bigint;
  readonly method: Method;
  /** `dump_criu_run_id` of the set that has the pages as they were when tracking began. */
  readonly set: string;
}

const SIGKILL = 9;
/** Where a keeper has its descriptor (helper/keeper.c). */
const KEPT_FD = 3;

/** Keepers that are ours to use, by the pid of their task. */
export function findKeepers(): Map<number, Keeper> {
  const found = new Map<number, Keeper>();
  for (const keeper of readProcNumbers('/proc')) {
    try {
      const words = readProcRecord(`/proc/${keeper}/cmdline`);
      if (!words.startsWith(`${KEEPER_NAME}\0`)) continue;
      const one = parseWords(keeper, words.split('\0').slice(1, -1));
      // anybody can call a process so: only root's and our own are believed
      const owner = statSync(`/proc/${keeper}`).uid;
      if (one !== undefined && (owner === 0 || owner === process.geteuid?.())) found.set(one.pid, one);
    } catch {
      // it ended meanwhile
    }
  }
  return found;
}

function parseWords(keeper: number, [pid = '', start = '', method = '', set = '']: readonly string[]): Keeper | undefined {
  if (!/^\d+$/u.test(pid) || !/^\d+$/u.test(start) || (method !== 'userfaultfd' && method !== 'soft-dirty')) return undefined;
  return { keeper, pid: Number(pid), start: BigInt(start), method, set };
}

/** Takes a copy of what it holds into the helper. @returns the helper's number; undefined: it is gone, or not to be had */
export function takeFrom({ keeper }: Keeper, helper: Helper): number | undefined {
  const program = new Program('helper').resource(`keeper ${keeper}`);
  const process = program.call('pidfd_open', [keeper, 0], { expect: 'any' });
  const taken = program.call('pidfd_getfd', [process, KEPT_FD, 0], { expect: 'any' });
  program.call('close', [process], { expect: 'any', keep: false });
  const number = helper.local(program).check('dump').result(taken);
  return number < 0n ? undefined : Number(number);
}

/** Ends it: what it held is let go of, unless somebody has a copy. */
export function dismiss({ keeper }: Keeper): void {
  try {
    process.kill(keeper, SIGKILL);
  } catch {
    // it has ended
  }
}

/** @param held undefined for a method without a descriptor @param space a /proc/PID/pagemap the helper holds */
export function leaveKeeper(helper: Helper, pid: number, start: bigint, method: Method, set: string, held: number | undefined, space: number): number {
  return helper.keep(pid, held, space, [String(pid), String(start), method, set]);
}
