/**
 * The log of a verb, in CRIU's line format, because engines and scripts grep it:
 *   (00.012345) Error (where): what      levels 3 and 4 carry the time since the log was opened
 *   Error (where): what                  levels 0 to 2 do not
 * Lines written before the log file is known are kept and go to the file once it is opened, or to stderr at exit.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { machine, release, version as kernelVersion, hostname } from 'node:os';
import { CRIU_VERSION, STILLFRAME_VERSION } from './version.ts';
import { RefusedError, StillframeError } from './errors.ts';

/** CRIU's levels (`-v1` to `-v4`); a line is written when its level is at most the log's. */
export const Level = { MESSAGE: 0, ERROR: 1, WARN: 2, INFO: 3, DEBUG: 4 } as const;
export type LogLevel = (typeof Level)[keyof typeof Level];
export const DEFAULT_LEVEL = Level.WARN;

/** What verbs see of the log. `where` is what a line is about: `dump`, `task 1597`, `fd 5`. */
export interface Log {
  readonly level: number;
  error(where: string, what: string): void;
  warn(where: string, what: string): void;
  info(what: string): void;
  debug(what: string): void;
  /** Writes an error as lines: each reason of a refusal is one line. A bug of ours is written with its stack. */
  report(error: unknown): void;
  /** The log of one task: its lines carry the pid, or go to FILE.PID with `--log-pid`. */
  forTask(pid: number): Log;
  /** Keeps debug and info lines in memory until `release()`: for while a tree is frozen. Errors are still written at once. */
  hold(): void;
  release(): void;
}

const LIMIT = 256 * 1024;
const STDERR = 2;

/** Monotonic milliseconds. */
const now = (): number => performance.now();

/** Logs that still may have lines to write when the process ends. */
const OPEN = new Set<FileLog>();
let watching = false;

export class FileLog implements Log {
  level: number = DEFAULT_LEVEL;
  #fd: number | undefined;
  #output: string | undefined;
  #perTask = false;
  #start = now();
  #pending: { level: number; text: string }[] = [];
  #held: string[] = [];
  #heldBytes = 0;
  #holding = 0;
  #tasks = new Map<number, Log>();

  constructor() {
    if (!watching) process.once('exit', () => { for (const log of OPEN) log.flush(); });
    watching = true;
    OPEN.add(this);
  }

  /** The log file, once it is open and is a file. */
  get output(): string | undefined { return this.#output; }

  /** Forgets lines that have nowhere to go yet, for a caller that tells its errors in its own way. */
  discard(): void {
    if (this.#fd === undefined) this.#pending = this.#pending.filter(({ level }) => level > Level.ERROR);
  }

  /**
   * Opens the log: from here on lines are written, and the kept ones are written first.
   * @param output absolute path; `-` is stdout, undefined is stderr
   * @param perTask `--log-pid`
   */
  open(output: string | undefined, { perTask = false, banner = true }: { perTask?: boolean; banner?: boolean } = {}): void {
    this.#fd = output === undefined ? STDERR : output === '-' ? 1 : openLogFile(output);
    this.#output = output === '-' ? undefined : output;
    this.#perTask = perTask;
    this.#start = now();
    this.#writePending(this.#fd);
    if (banner) {
      this.info(`Version: ${CRIU_VERSION} (Stillframe ${STILLFRAME_VERSION})`);
      this.info(`Running on ${hostname()} Linux ${release()} ${kernelVersion()} ${machine()}`);
    }
  }

  error(where: string, what: string): void { this.write(Level.ERROR, `Error (${where}): ${what}`); }
  warn(where: string, what: string): void { this.write(Level.WARN, `Warn  (${where}): ${what}`); }
  info(what: string): void { this.write(Level.INFO, what); }
  debug(what: string): void { this.write(Level.DEBUG, what); }
  report(error: unknown): void { reportTo(this, error); }

  forTask(pid: number): Log {
    let task = this.#tasks.get(pid);
    if (task === undefined) {
      if (this.#perTask && this.#output !== undefined) {
        const own = new FileLog();
        own.level = this.level;
        own.open(`${this.#output}.${pid}`);
        task = own;
      } else {
        task = new TaskLog(this, `${String(pid).padStart(6)}: `);
      }
      this.#tasks.set(pid, task);
    }
    return task;
  }

  hold(): void { this.#holding++; }

  release(): void {
    if (--this.#holding > 0) return;
    this.#holding = 0;
    this.#writeHeld();
  }

  /** Writes one line of any level. */
  write(level: number, line: string): void {
    if (this.#fd === undefined) {
      this.#pending.push({ level, text: `${line}\n` });
      return;
    }
    if (level > this.level) return;
    const text = this.level >= Level.INFO ? `${this.#stamp()} ${line}\n` : `${line}\n`;
    this.#held.push(text);
    this.#heldBytes += text.length;
    if (this.#holding === 0 || level <= Level.WARN || this.#heldBytes > LIMIT) this.#writeHeld();
  }

  /** Writes everything that is kept; to stderr when no log was ever opened. */
  flush(): void {
    if (this.#fd === undefined) this.#writePending(STDERR);
    this.#writeHeld();
  }

  close(): void {
    this.flush();
    for (const task of this.#tasks.values()) if (task instanceof FileLog) task.close();
    if (this.#fd !== undefined && this.#fd > STDERR) closeSync(this.#fd);
    this.#fd = undefined;
    OPEN.delete(this);
  }

  /** `(00.012345)`: seconds and microseconds since `open`, always 11 characters below 1000 s, as CRIU prints it. */
  #stamp(): string {
    const us = Math.round((now() - this.#start) * 1000);
    const seconds = String(Math.floor(us / 1e6)).padStart(2, '0');
    return `(${`${seconds}.${String(us % 1e6).padStart(6, '0')}`.slice(0, 9)})`;
  }

  #writePending(fd: number): void {
    const stamp = this.level >= Level.INFO ? '(00.000000) ' : '';
    const text = this.#pending.filter((line) => line.level <= this.level).map((line) => stamp + line.text).join('');
    this.#pending = [];
    writeAll(fd, text);
  }

  #writeHeld(): void {
    if (this.#held.length === 0 || this.#fd === undefined) return;
    const text = this.#held.join('');
    this.#held = [];
    this.#heldBytes = 0;
    writeAll(this.#fd, text);
  }
}

class TaskLog implements Log {
  constructor(readonly parent: FileLog, readonly prefix: string) {}
  get level(): number { return this.parent.level; }
  error(where: string, what: string): void { this.parent.write(Level.ERROR, `${this.prefix}Error (${where}): ${what}`); }
  warn(where: string, what: string): void { this.parent.write(Level.WARN, `${this.prefix}Warn  (${where}): ${what}`); }
  info(what: string): void { this.parent.write(Level.INFO, this.prefix + what); }
  debug(what: string): void { this.parent.write(Level.DEBUG, this.prefix + what); }
  report(error: unknown): void { reportTo(this, error); }
  forTask(pid: number): Log { return this.parent.forTask(pid); }
  hold(): void { this.parent.hold(); }
  release(): void { this.parent.release(); }
}

/** A log that goes nowhere: for library use and tests. */
export const SILENT: Log = {
  level: 0,
  error() {}, warn() {}, info() {}, debug() {}, report() {},
  forTask() { return SILENT; },
  hold() {}, release() {},
};

function reportTo(log: Log, error: unknown): void {
  if (error instanceof RefusedError && error.reasons.length > 1) {
    for (const reason of error.reasons) {
      const { where, why, remedy } = reason;
      log.error(error.parts.doing, [where, why].filter((part) => part !== undefined).join(': ') + (remedy === undefined ? '' : `. ${remedy}`));
    }
    return;
  }
  if (error instanceof StillframeError) {
    const [first, ...rest] = error.message.slice(error.parts.doing.length + 2).split('\n');
    log.error(error.parts.doing, first ?? '');
    for (const line of rest) log.error(error.parts.doing, line.trim());
    return;
  }
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  for (const line of `a bug in Stillframe, please report it: ${text}`.split('\n')) log.error('internal', line.trim());
}

function openLogFile(path: string): number {
  const { O_CREAT, O_TRUNC, O_WRONLY, O_APPEND } = constants;
  try {
    return openSync(path, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND, 0o600);
  } catch (error) {
    throw cannotOpen(path, error);
  }
}

function cannotOpen(path: string, cause: unknown): StillframeError {
  const why = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  return new StillframeError({ doing: 'log', where: path, why: `cannot create the log file: ${why}`, remedy: 'Name a writable file with -o, relative to the work directory (-W, else -D)', cause });
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** Writes all of it. A reader that is gone (EPIPE) or a full disk must not stop a dump: a log that cannot be written is given up. */
function writeAll(fd: number, text: string): void {
  let bytes = Buffer.from(text, 'utf8');
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(fd, bytes));
    } catch (error) {
      if (isErrno(error, 'EINTR')) continue;
      if (!isErrno(error, 'EAGAIN')) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}
