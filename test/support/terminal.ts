/**
 * A real terminal for tests: bash in a pseudo-terminal (test/programs/pty.c), typed to and read from.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compiled, until } from './program.ts';

export class Terminal {
  readonly dir: string;
  readonly #shell: ChildProcess;
  #screen = '';
  /** Killed when the terminal closes. */
  readonly tasks = new Set<number>();

  constructor(name: string) {
    this.dir = mkdtempSync(join(tmpdir(), `sf-${name}-`));
    this.#shell = spawn(compiled('pty'), ['bash', '--norc', '--noprofile', '--noediting', '-i'], {
      cwd: this.dir, stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, PS1: '', TERM: 'dumb', HISTFILE: '' },
    });
    this.#shell.stdout!.on('data', (bytes: Buffer) => { this.#screen += bytes.toString('latin1').replace(/\r/g, ''); });
  }

  /** Everything that appeared so far. */
  get screen(): string { return this.#screen; }

  type(text: string): void { this.#shell.stdin!.write(text); }

  /** Types a line, returns what appears from there on (a function: it grows). */
  line(text: string): () => string {
    const from = this.#screen.length;
    this.type(`${text}\n`);
    return () => this.#screen.slice(from);
  }

  async shows(pattern: RegExp, since: () => string = () => this.#screen, ms = 10_000): Promise<RegExpExecArray> {
    try {
      return await until(`the terminal shows ${pattern}`, () => pattern.exec(since()) ?? undefined, ms);
    } catch (error) {
      throw new Error(`${(error as Error).message}; the terminal:\n${this.#screen}`);
    }
  }

  /** Kills the tasks, ends the shell by hanging up. */
  async close(): Promise<void> {
    const ended = new Promise((resolve) => { this.#shell.on('exit', resolve); });
    for (const pid of this.tasks) {
      try { process.kill(pid, 'SIGKILL'); } catch { /* it has ended */ }
    }
    this.#shell.stdin!.end();
    await ended;
    rmSync(this.dir, { recursive: true, force: true });
  }
}
