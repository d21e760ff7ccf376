/** Small live tasks for the helper's tests: started, looked at, and always killed again. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { Helper } from '../../src/helper/client.ts';
import { findLanding, type LandingCandidate } from '../../src/helper/landing.ts';
import { LANDING_TAG } from '../../src/helper/protocol.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Compiles `test/helper/fixtures/NAME.c` into build/test (once). */
export function fixture(name: string, ...flags: string[]): string {
  const source = `${root}test/helper/fixtures/${name}.c`;
  const binary = `${root}build/test/helper/${name}`;
  if (!existsSync(binary) || statSync(binary).mtimeMs < statSync(source).mtimeMs) {
    mkdirSync(`${root}build/test/helper`, { recursive: true });
    execFileSync('cc', ['-O1', '-g', '-Wall', '-Wextra', '-Werror', '-pthread', '-o', binary, source, ...flags]);
  }
  return binary;
}

export class Task {
  #output = '';
  readonly #process: ChildProcess;
  readonly exited: Promise<number | string>;
  constructor(command: string, args: readonly string[] = []) {
    this.#process = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#process.stdout!.setEncoding('latin1').on('data', (text: string) => { this.#output += text; });
    this.exited = new Promise((done) => this.#process.on('exit', (code, signal) => done(code ?? signal ?? 'gone')));
  }

  get pid(): number { return this.#process.pid!; }
  get output(): string { return this.#output; }
  get alive(): boolean { return this.#process.exitCode === null && this.#process.signalCode === null; }
  kill(signal: NodeJS.Signals = 'SIGKILL'): void { this.#process.kill(signal); }

  /** Waits until it has printed something. */
  async says(text: string, timeoutMs = 10_000): Promise<void> {
    for (const end = Date.now() + timeoutMs; !this.#output.includes(text);) {
      if (Date.now() > end || !this.alive) throw new Error(`task ${this.pid} has not said ${JSON.stringify(text)} but ${JSON.stringify(this.#output)}`);
      await sleep(2);
    }
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
export const tids = (pid: number): number[] => readdirSync(`/proc/${pid}/task`).map(Number);
export const mapsText = (pid: number): string => readFileSync(`/proc/${pid}/maps`, 'latin1');

export function maps(pid: number): LandingCandidate[] {
  return mapsText(pid).trim().split('\n').map((line) => {
    const m = /^(\w+)-(\w+) (....) \S+ \S+ \S+\s*(.*)$/.exec(line)!;
    return { start: BigInt(`0x${m[1]}`), end: BigInt(`0x${m[2]}`), executable: m[3]![2] === 'x', name: m[4]! };
  });
}

export function descriptors(pid: number): string {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => `${fd} ${readlinkSync(`/proc/${pid}/fd/${fd}`)}`).join('\n');
}

/** Lines of /proc/PID/status that a dump must leave as they are. */
export function signals(pid: number): string {
  return readFileSync(`/proc/${pid}/status`, 'latin1').split('\n').filter((line) => /^(Sig|Shd|State|TracerPid|Threads)/.test(line)).join('\n');
}

/** What an outsider can see of a task; must be the same before and after. */
export const look = (pid: number): string => [mapsText(pid), descriptors(pid), signals(pid).replace(/(State|SigQ):.*/g, '')].join('\n');

/** The program of fixtures/steady.c checks itself; it must go on doing so. */
export async function runsOn(task: Task): Promise<void> {
  const rounds = (): number => Number(/ok (\d+) \d+\n$/.exec(task.output)?.[1] ?? 0);
  const from = rounds();
  for (const end = Date.now() + 10_000; rounds() < from + 2; await sleep(2)) {
    if (task.output.includes('BROKEN') || !task.alive || Date.now() > end) {
      assert.unreachable(`the program does not run on: ${task.output.slice(-200)} (alive: ${task.alive})`);
    }
  }
}

export async function withHelper<T>(body: (helper: Helper) => T | Promise<T>, options: { faults?: boolean } = {}): Promise<T> {
  const helper = Helper.start(options);
  try {
    return await body(helper);
  } finally {
    helper.close();
  }
}

export async function withTask<T>(command: string, args: readonly string[], body: (task: Task) => Promise<T>): Promise<T> {
  const task = new Task(command, args);
  try {
    return await body(task);
  } finally {
    task.kill();
    await task.exited;
  }
}

export const landingOf = (helper: Helper, pid: number): bigint => findLanding(helper, pid, maps(pid));

/** Where threads hand one region on: at the end of the vDSO. Undefined on a kernel whose vDSO has no room for two stubs. What a killed helper left there is cleaned by a run. */
export function landingsOf(helper: Helper, pid: number, clean: (landing: bigint) => void = () => undefined): { landing: bigint; together: { second: bigint; pid: number } } | undefined {
  const { end } = maps(pid).find(({ name }) => name === '[vdso]')!;
  const [landing, second] = [end - 512n, end - 1024n];
  for (const at of [landing, second]) if (helper.peek(pid, at, 512).toString('latin1', 2, 14) === LANDING_TAG) clean(at);
  return helper.peek(pid, second, 1024).every((byte) => byte === 0) ? { landing, together: { second, pid } } : undefined;
}
