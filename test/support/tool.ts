/**
 * Checkpointing with a command that takes CRIU's command line: `OURS`, and `THEIRS` where a real CRIU is given by CRIU=/path/criu.
 * STILLFRAME_CRIU_BIN=/path puts another command in place of bin/criu (to check the tests themselves).
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './program.ts';

export const OURS = process.env['STILLFRAME_CRIU_BIN'] ?? join(ROOT, 'bin/criu');
export const THEIRS = process.env['CRIU'];

export interface Ran { readonly status: number | null; readonly output: string; readonly ms: number }

/** Runs a command to its end without blocking this process (which must reap the tasks that a dump kills). */
export function run(command: string, args: readonly string[], { cwd = '/', seconds = 60, env = process.env }: { cwd?: string; seconds?: number | undefined; env?: NodeJS.ProcessEnv } = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (bytes: Buffer) => { output += bytes.toString('latin1'); });
    child.stderr.on('data', (bytes: Buffer) => { output += bytes.toString('latin1'); });
    const timer = setTimeout(() => { child.kill('SIGKILL'); output += `\n(killed after ${seconds} s)`; }, seconds * 1000);
    child.on('error', reject);
    // 'exit', not 'close': a restored task may have inherited the pipe by mistake, and must then fail a check, not hang us
    child.on('exit', (status) => {
      clearTimeout(timer);
      setTimeout(() => { child.stdout.destroy(); child.stderr.destroy(); resolve({ status, output, ms: performance.now() - start }); }, 5);
    });
  });
}

/** The end of a log file, or why there is none. */
export function tail(file: string, lines = 25): string {
  try {
    return readFileSync(file, 'latin1').trimEnd().split('\n').slice(-lines).join('\n');
  } catch (error) {
    return (error as Error).message;
  }
}

/** A dump that must succeed. @throws with the log's end */
export async function dump(bin: string, pid: number, images: string, options: readonly string[] = [], seconds?: number): Promise<Ran> {
  mkdirSync(images, { recursive: true });
  const ran = await run(bin, ['dump', '-t', String(pid), '-D', images, '-o', 'dump.log', '-v4', ...options], { seconds });
  if (ran.status !== 0) throw new Error(`${bin} dump: exit code ${ran.status}\n${ran.output}\n${tail(join(images, 'dump.log'))}`);
  return ran;
}

/** A restore (detached) that must succeed. @throws with the log's end */
export async function restore(bin: string, images: string, options: readonly string[] = [], seconds?: number): Promise<Ran> {
  const ran = await run(bin, ['restore', '-D', images, '-o', 'restore.log', '-v4', '-d', ...options], { seconds });
  if (ran.status !== 0) throw new Error(`${bin} restore: exit code ${ran.status}\n${ran.output}\n${tail(join(images, 'restore.log'))}`);
  return ran;
}
