/**
 * Test programs (test/programs/*.c): compiled on demand, started in a directory of their own, followed by what they print.
 * A program prints to a regular file: a pipe to the test would be a pipe that leads out of the tree.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, closeSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCES = join(ROOT, 'test/programs');
const HEADERS = readdirSync(SOURCES).filter((file) => file.endsWith('.h')).map((file) => join(SOURCES, file));
const BUILT = join(ROOT, 'build/test-programs');

/** Path of a compiled test program. @throws with the compiler's words when it does not compile */
export function compiled(name: string): string {
  const source = join(SOURCES, `${name}.c`);
  const output = join(BUILT, name);
  const newest = Math.max(...[source, ...HEADERS].map((file) => statSync(file).mtimeMs));
  if (existsSync(output) && statSync(output).mtimeMs > newest) return output;
  mkdirSync(BUILT, { recursive: true });
  const fresh = `${output}.${process.pid}`;
  const { status, stderr } = spawnSync('cc', ['-O1', '-g', '-Wall', '-Wextra', '-Werror', '-pthread', '-o', fresh, source, '-lutil'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`test/programs/${name}.c does not compile:\n${stderr}`);
  renameSync(fresh, output);
  return output;
}

/** Asks `probe` every 10 ms until it gives something. @throws when it does not within `ms` milliseconds */
export async function until<T>(what: string, probe: () => T | undefined | false, ms = 10_000): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const found = probe();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export const alive = (pid: number): boolean => {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
};

/** All pids of a process tree, the root first; a zombie is part of it. */
export function treeOf(pid: number): number[] {
  const children: number[] = [];
  try {
    for (const tid of readdirSync(`/proc/${pid}/task`)) {
      children.push(...readFileSync(`/proc/${pid}/task/${tid}/children`, 'latin1').split(' ').filter(Boolean).map(Number));
    }
  } catch { /* it ended meanwhile */ }
  return [pid, ...children.flatMap(treeOf)];
}

export interface StartOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Start it as this user and group (numbers). */
  readonly uid?: number;
  /** A command that becomes it: `nsenter` with its options. */
  readonly by?: readonly string[];
}

/** A running test program in a directory of its own. `stop()` kills its tree, also after a restore, and removes the directory. */
export class TestProgram {
  readonly pid: number;
  readonly dir: string;
  readonly #child: ChildProcess;
  #gone = false;

  constructor(readonly name: string, { args = [], env = {}, uid, by = [] }: StartOptions = {}) {
    this.dir = mkdtempSync(join(tmpdir(), `sf-${name}-`));
    chmodSync(this.dir, 0o755); // some become another user
    const out = openSync(join(this.dir, 'out'), 'a+');
    let file = compiled(name);
    if (uid !== undefined) {
      // where that user can read it
      copyFileSync(file, join(this.dir, name));
      file = join(this.dir, name);
      spawnSync('chown', ['-R', `${uid}:${uid}`, this.dir]);
    }
    const [command, ...words] = [...by, file, ...args];
    this.#child = spawn(command!, words, {
      cwd: this.dir, detached: true, stdio: ['ignore', out, out], env: { PATH: '/usr/bin:/bin', HOME: '/', LANG: 'C', ...env },
      ...(uid === undefined ? {} : { uid, gid: uid }),
    });
    closeSync(out);
    this.#child.on('exit', () => { this.#gone = true; });
    this.#child.on('error', () => { this.#gone = true; }); // told below: it has no pid
    this.pid = this.#child.pid ?? 0;
    if (this.pid === 0) throw new Error(`${name} did not start`);
  }

  get images(): string { return join(this.dir, 'img'); }
  get output(): string { return readFileSync(join(this.dir, 'out'), 'utf8'); }
  get lines(): string[] { return this.output.split('\n').filter((line) => line !== ''); }

  async waitFor(line: RegExp, ms = 10_000): Promise<RegExpExecArray> {
    try {
      return await until(`${this.name} prints ${line}`, () => line.exec(this.output) ?? undefined, ms);
    } catch (error) {
      throw new Error(`${(error as Error).message}; alive: ${alive(this.pid)}; it printed:\n${this.output}`);
    }
  }

  /** Until what it printed has moved its position: the file shows the bytes before. */
  async settled(): Promise<void> {
    await until('its position has moved', () => Number(/^pos:\s*(\d+)$/m.exec(readFileSync(`/proc/${this.pid}/fdinfo/1`, 'latin1'))?.[1]) === statSync(join(this.dir, 'out')).size);
  }

  /** Until nothing of the original tree is left, not even a zombie: only then are its pids free. */
  async gone(pids: readonly number[] = [this.pid]): Promise<void> {
    await until(`${this.name} (${pids.join(', ')}) is gone`, () => pids.every((pid) => !existsSync(`/proc/${pid}`)));
  }

  /** Has the program do something, by a file that it removes when it has. */
  async ask(what: string, ms?: number): Promise<void> {
    const request = join(this.dir, what);
    writeFileSync(request, '');
    await until(what, () => !existsSync(request), ms);
  }

  go(): void { writeFileSync(join(this.dir, 'go'), ''); }

  /** Says go, waits for `done`, throws unless every check was ok. Returns how many were. */
  async verdict(ms = 15_000): Promise<number> {
    this.go();
    await this.waitFor(/^done$/m, ms);
    const bad = this.lines.filter((line) => line.startsWith('FAIL'));
    const good = this.lines.filter((line) => line.startsWith('ok ')).length;
    if (bad.length > 0) throw new Error(`${this.name}: ${bad.length} checks failed, ${good} ok:\n${bad.join('\n')}`);
    if (good === 0) throw new Error(`${this.name} checked nothing:\n${this.output}`);
    await this.gone();
    return good;
  }

  async stop(keep = false): Promise<void> {
    // Only what runs in our directory: after a restore that failed the pid may belong to somebody else.
    const pids = everythingIn(this.dir);
    for (const pid of pids) {
      try { process.kill(pid, 'SIGKILL'); } catch { /* already gone */ }
    }
    await until('killed', () => pids.every((pid) => !alive(pid)) && (this.#gone || !alive(this.pid)), 5000).catch(() => undefined);
    if (!keep) rmSync(this.dir, { recursive: true, force: true });
  }
}

function everythingIn(dir: string): number[] {
  return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).map(Number).filter((pid) => {
    if (pid === process.pid) return false;
    try {
      const maps = readFileSync(`/proc/${pid}/maps`, 'latin1');
      return (maps.includes(`${BUILT}/`) || maps.includes(`${dir}/`)) && existsSync(`/proc/${pid}/cwd/.`)
        && statSync(`/proc/${pid}/cwd/.`).ino === statSync(dir).ino && statSync(`/proc/${pid}/cwd/.`).dev === statSync(dir).dev;
    } catch {
      return false;
    }
  });
}
