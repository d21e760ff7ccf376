/**
 * The checker for programs that people run: started as an administrator would, asked through their own interface, checkpointed with everything
 * they keep running, and asked again. A row says how to start, ask and tell one to do something new; nothing here knows any of them.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { alive, treeOf, until } from './program.ts';
import { describeLock, findLocks } from '../../src/network-lock/leftovers.ts';
import type { Client } from './clients.ts';
import { OURS, dump, restore, run } from './tool.ts';

/** What a row is given: a directory of its own and ways to talk. */
export interface Place {
  readonly dir: string;
  /** Root task of the tree. */
  readonly pid: number;
  /** Path in the directory. */
  at(name: string): string;
  /** Runs a client to its end; its output. @throws when it fails */
  ask(command: string, ...args: string[]): Promise<string>;
  /** What the program printed so far. */
  printed(): string;
}

export interface RealProgram {
  readonly name: string;
  /** A program that must be there: what is missing fails, it is not left out. */
  readonly needs: string;
  /** Files and data before the start. */
  readonly prepare?: (place: Place) => Promise<void> | void;
  readonly command: (place: Place) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly gid?: number;
  /** The tree's root when it is not the command itself: a daemon's pid file. */
  readonly pidFile?: string;
  /** Asked again and again until it does not throw. */
  readonly ready: (place: Place) => Promise<unknown>;
  /** Gives it state that only its memory, descriptors or processes hold. */
  readonly before: (place: Place) => Promise<void> | void;
  /** Throws unless that state is still there and it goes on working. */
  readonly after: (place: Place) => Promise<void> | void;
  /** At least so many tasks must be in the tree. */
  readonly tasks?: number;
  readonly dumpOptions?: readonly string[];
  readonly restoreOptions?: readonly string[];
  /** Who is connected to it, and stays. */
  readonly clients?: (place: Place) => Promise<readonly Client[]>;
  /** CRIU 4.2 cannot, and why. */
  readonly notCriu?: string;
}

export interface RealOptions {
  readonly dumpWith?: string;
  readonly restoreWith?: string;
  readonly leaveRunning?: boolean;
  readonly times?: number;
}

/** Starts it, gives it state, checkpoints it, asks it. */
export async function realRoundTrip(row: RealProgram, { dumpWith = OURS, restoreWith = OURS, leaveRunning = false, times = 1 }: RealOptions = {}): Promise<void> {
  await withReal(row, async (place) => {
    for (let i = 0; i < times; i++) {
      const images = place.at(`img${i}`);
      if (leaveRunning) {
        const pids = treeOf(place.pid);
        await dump(dumpWith, place.pid, images, ['-R', ...row.dumpOptions ?? []]);
        await row.after(place);
        for (const pid of pids) { try { process.kill(pid, 'SIGKILL'); } catch { /* its parent's end was its own */ } }
        await gone(row, pids);
        return; // files have moved on without the image: that set is for a copy of the disk
      }
      const pids = await dumpAway(row, place, images, dumpWith, row.dumpOptions);
      await restoreAll(row, place, images, pids, restoreWith, row.restoreOptions);
      await row.after(place);
    }
  });
}

/**
 * The same with clients who stay: dumped with -R, dumped and restored, and dumped and restored with --tcp-close, after which they are gone and others
 * are served. Between the two tools only the second of these.
 */
export async function connectedRoundTrip(row: RealProgram, { dumpWith = OURS, restoreWith = OURS }: RealOptions = {}): Promise<void> {
  await withReal(row, async (place) => {
    const clients = await row.clients!(place);
    const each = async (what: string, ask: (client: Client) => Promise<unknown> | void): Promise<void> => {
      for (const client of clients) await Promise.resolve(ask(client)).catch((error: unknown) => { throw new Error(`${what}: ${client.name}: ${error instanceof Error ? error.message : String(error)}`); });
    };
    try {
      await each('before', (client) => client.check());
      if (dumpWith === OURS && restoreWith === OURS) {
        await dump(OURS, place.pid, place.at('running'), ['-R', ...row.dumpOptions ?? []]);
        await each('after -R', (client) => client.check());
      }
      let pids = await dumpAway(row, place, place.at('img'), dumpWith, row.dumpOptions);
      await each('meanwhile', (client) => { client.meanwhile(); });
      await restoreAll(row, place, place.at('img'), pids, restoreWith, row.restoreOptions);
      await each('after the restore', (client) => client.check());
      await row.after(place);
      if (dumpWith !== OURS || restoreWith !== OURS) return;
      pids = await dumpAway(row, place, place.at('closed'), OURS, row.dumpOptions);
      await restoreAll(row, place, place.at('closed'), pids, OURS, ['--tcp-close']);
      await row.after(place);
      await each('after --tcp-close', (client) => client.gone());
      const left = findLocks().filter(({ says }) => says?.endsWith(`dump of task ${place.pid}`));
      if (left.length > 0) throw new Error(`a network lock is left: ${left.map(describeLock).join(', ')}`);
    } finally {
      for (const client of clients) client.end();
    }
  });
}

const gone = (row: RealProgram, pids: readonly number[]): Promise<true> => until(`${row.name} is gone`, () => pids.every((pid) => !existsSync(`/proc/${pid}`)));

/** Dumps the tree, which ends. @returns its pids */
export async function dumpAway(row: RealProgram, place: Place, images: string, bin: string, options: readonly string[] = []): Promise<number[]> {
  const pids = treeOf(place.pid);
  if (pids.length < (row.tasks ?? 1)) throw new Error(`${row.name}: only ${pids.length} tasks`);
  await dump(bin, place.pid, images, options);
  await gone(row, pids);
  return pids;
}

export async function restoreAll(row: RealProgram, place: Place, images: string, pids: readonly number[], bin: string, options: readonly string[] = []): Promise<void> {
  await restore(bin, images, options);
  const now = treeOf(place.pid);
  if (now.length < (row.tasks ?? 1)) throw new Error(`${row.name}: ${pids.length} tasks before, ${now.length} after`);
}

/** Starts one and gives it state. Leaves nothing behind, and its directory only on failure. */
export async function withReal(row: RealProgram, body: (place: Place) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'sf-real-'));
  chmodSync(dir, 0o755);
  if (row.uid !== undefined) chownSync(dir, row.uid, row.gid ?? row.uid);
  let child: ChildProcess | undefined;
  const place: Place & { pid: number } = {
    dir, pid: 0,
    at: (name) => join(dir, name),
    printed: () => readFileSync(join(dir, 'out'), 'utf8'),
    ask: async (command, ...args) => {
      const { status, output } = await run(command, args, { cwd: dir, seconds: 30 });
      if (status !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${status}\n${output}`);
      return output;
    },
  };
  let good = false;
  try {
    await row.prepare?.(place);
    const out = openSync(join(dir, 'out'), 'a+');
    const [command, ...args] = row.command(place);
    child = spawn(command!, args, {
      cwd: dir, detached: true, stdio: ['ignore', out, out], env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: dir, LANG: 'C.UTF-8', TERM: 'xterm', ...row.env },
      ...(row.uid === undefined ? {} : { uid: row.uid, gid: row.gid ?? row.uid }),
    });
    closeSync(out);
    const failed = new Promise<never>((_, reject) => { child!.on('error', reject); });
    failed.catch(() => undefined);
    place.pid = child.pid ?? (await failed);
    await tries(`${row.name} is ready`, () => row.ready(place));
    if (row.pidFile !== undefined) place.pid = Number.parseInt(readFileSync(join(dir, row.pidFile), 'latin1'), 10);
    await row.before(place);
    await body(place);
    good = true;
  } catch (error) {
    (error as Error).message += `\n(${row.name}; images and logs: ${dir})`;
    throw error;
  } finally {
    await killAll(place.pid, dir);
    if (good) rmSync(dir, { recursive: true, force: true });
  }
}

/** Asks until it answers. @throws its last error */
export async function tries<T>(what: string, ask: () => Promise<T> | T, ms = 20_000): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms: ${error instanceof Error ? error.message : String(error)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** The tree, and whatever else works in the directory (children that left the tree). */
async function killAll(root: number, dir: string): Promise<void> {
  const worksHere = (pid: number): boolean => {
    try {
      return pid !== process.pid && (readlinkSync(`/proc/${pid}/cwd`).startsWith(dir) || readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`HOME=${dir}\0`));
    } catch {
      return false;
    }
  };
  const inTree = root === 0 ? [] : treeOf(root).filter(worksHere);
  const pids = [...new Set([...inTree, ...readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).map(Number).filter(worksHere)])];
  for (const pid of pids) { try { process.kill(pid, 'SIGKILL'); } catch { /* already gone */ } }
  await until('killed', () => pids.every((pid) => !alive(pid)), 5000).catch(() => undefined);
}
