/** What can be said against a dump before any task is touched: the pid, our rights, the images directory. */
import { accessSync, constants, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { StillframeError } from '../errors.ts';
import { inTheWay } from '../memory-tracking/shared-pages.ts';
import { hasCode, isGone, readProcRecord } from '../proc/read.ts';
import { parseStat, PF_KTHREAD, type ProcStat } from '../proc/stat.ts';
import { parseStatus } from '../proc/status.ts';
import { isZombie } from './seize.ts';
import type { DumpOptions } from './options.ts';

/** @throws StillframeError */
export function checkInput({ pid, imagesDir, workDir, dedupPages }: Pick<DumpOptions, 'pid' | 'imagesDir' | 'workDir' | 'dedupPages'>): void {
  checkTask(pid);
  checkDirectory(imagesDir, 'images directory', '-D');
  if (workDir !== imagesDir) checkDirectory(workDir, 'work directory', '-W');
  const image = readdirSync(imagesDir).find((name) => /^(?:inventory|pstree|core-\d+|pages-\d+|files)\.img$/u.test(name));
  if (image !== undefined) {
    throw new StillframeError({ doing: 'dump', where: imagesDir, why: `the images directory holds another dump (${image})`, remedy: 'Name an empty directory with -D, or remove the old images' });
  }
  const old = dedupPages === true ? inTheWay((name) => join(imagesDir, name)) : undefined;
  if (old !== undefined) {
    throw new StillframeError({ doing: 'dump', where: join(imagesDir, old), why: 'it is there already, and --dedup-pages makes it', remedy: 'Name an empty directory with -D, or remove what an earlier dump left' });
  }
}

const refuse = (pid: number, why: string, remedy?: string): StillframeError => new StillframeError({ doing: 'dump', where: `pid ${pid}`, why, remedy });

/** @throws StillframeError when that process is none that can be dumped */
export function checkTask(pid: number): void {
  const stat = statOf(pid);
  if ((stat.flags & PF_KTHREAD) !== 0) throw refuse(pid, `it is a thread of the kernel (${stat.comm}), which cannot be dumped`);
  for (let at = process.pid; at !== 0; at = statOf(at).ppid) {
    if (at === pid) throw refuse(pid, pid === process.pid ? 'it is this very process' : 'it is an ancestor of this process, which would have to stop itself', 'Run the dump from outside of the tree: from another terminal, or detached (setsid)');
  }
  const status = parseStatus(readProcRecord(`/proc/${pid}/status`));
  if (status.tgid !== pid) throw refuse(pid, `it is a thread of process ${status.tgid}`, `Dump the process: -t ${status.tgid}`);
  if (isZombie(stat)) throw refuse(pid, 'it has exited already (a zombie)');
  if (status.tracer !== 0) throw refuse(pid, `it is traced by process ${status.tracer} (${comm(status.tracer)})`, 'Detach that debugger or tracer first: a task has one tracer at a time');
  try {
    readFileSync(`/proc/${pid}/auxv`);
  } catch (error) {
    if (hasCode(error, 'EACCES') || hasCode(error, 'EPERM')) throw refuse(pid, `it belongs to user ${status.uid[0]} and may not be read by us`, 'Run as root, or with CAP_SYS_PTRACE and CAP_CHECKPOINT_RESTORE');
    throw error;
  }
}

function statOf(pid: number): ProcStat {
  try {
    return parseStat(readProcRecord(`/proc/${pid}/stat`));
  } catch (error) {
    if (isGone(error)) throw refuse(pid, 'no such process', "'ps -e' lists those there are");
    throw error;
  }
}

function comm(pid: number): string {
  try {
    return statOf(pid).comm;
  } catch {
    return 'gone';
  }
}

function checkDirectory(path: string, what: string, option: string): void {
  const bad = (why: string, remedy: string): StillframeError => new StillframeError({ doing: 'dump', where: path, why: `the ${what} ${why}`, remedy });
  let directory: boolean;
  try {
    directory = statSync(path).isDirectory();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw bad('does not exist', `Make it (mkdir -p), or name another one with ${option}`);
    throw bad(`cannot be reached: ${error instanceof Error ? error.message : String(error)}`, `Name another one with ${option}`);
  }
  if (!directory) throw bad('is not a directory', `Name a directory with ${option}`);
  try {
    accessSync(join(path, '.'), constants.W_OK | constants.X_OK);
  } catch (error) {
    throw bad(`is not writable: ${error instanceof Error && 'code' in error ? String(error.code) : String(error)}`, `Name a directory that can be written with ${option}`);
  }
}
