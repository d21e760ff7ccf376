/**
 * The checker for programs that people run: started as an administrator would, asked through their own interface, checkpointed with everything
 * they keep running, and asked again. A row says how to start, ask and tell one to do something new; nothing here knows any of them.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { alive, treeOf, until } from './program.ts';
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
  /** CRIU 4.2 cannot, and why. */
  readonly notCriu?: string;
}

export interface RealOptions {
  readonly dumpWith?: string;
  readonly restoreWith?: string;
  readonly leaveRunning?: boolean;
  readonly times?: number;
}

/** Starts it, gives it state, checkpoints it, asks it. Leaves nothing behind, and its directory only on failure. */
export async function realRoundTrip(row: RealProgram, { dumpWith = OURS, restoreWith = OURS, leaveRunning = false, times = 1 }: RealOptions = {}): Promise<void> {
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
    for (let i = 0; i < times; i++) {
      const pids = treeOf(place.pid);
      if (pids.length < (row.tasks ?? 1)) throw new Error(`${row.name}: only ${pids.length} tasks`);
      const images = join(dir, `img${i}`);
      await dump(dumpWith, place.pid, images, [...leaveRunning ? ['-R'] : [], ...row.dumpOptions ?? []]);
      if (leaveRunning) {
        await row.after(place);
        for (const pid of pids) { try { process.kill(pid, 'SIGKILL'); } catch { /* its parent's end was its own */ } }
      }
      await until(`${row.name} is gone`, () => pids.every((pid) => !existsSync(`/proc/${pid}`)));
      if (leaveRunning) return void (good = true); // files have moved on without the image: that set is for a copy of the disk
      await restore(restoreWith, images, row.restoreOptions);
      const now = treeOf(place.pid);
      if (now.length < (row.tasks ?? 1)) throw new Error(`${row.name}: ${pids.length} tasks before, ${now.length} after`);
      await row.after(place);
    }
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
