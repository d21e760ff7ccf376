/**
 * Stopping a tree by the freezer of its control group (--freeze-cgroup): nothing in the group runs, and nothing new is made, while its
 * threads are seized. A frozen thread cannot come to its stop, so the group is thawed between asking them and waiting for them. A group
 * that was found frozen is frozen again before the tree is let go.
 * Facts: Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst, cgroup-v2.rst ("cgroup.freeze", "cgroup.events").
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { StillframeError } from '../errors.ts';
import type { Helper } from '../helper/client.ts';
import { O } from '../kernel/files.ts';
import type { Log } from '../log.ts';
import { hasCode } from '../proc/read.ts';
import type { Program } from '../program/program.ts';
import type { DumpContext } from './context.ts';
import type { Guard } from './guard.ts';
import type { DumpOptions } from './options.ts';
import { seizeTree } from './seize.ts';
import type { FrozenTask } from './frozen.ts';

interface Version { readonly control: string; readonly frozen: string; readonly thawed: string; readonly members: string }
const V1: Version = { control: 'freezer.state', frozen: 'FROZEN', thawed: 'THAWED', members: 'cgroup.procs' };
const V2: Version = { control: 'cgroup.freeze', frozen: '1', thawed: '0', members: 'cgroup.procs' };

/** How long freezing may take when there is no limit, and how often it is looked at and (v1, where a task may slip through) asked for again, in ms. */
const LONGEST_MS = 10_000, LOOK_MS = 1, AGAIN_MS = 100;

/** Seizes the tree, through its freezer when there is one. */
export function seizeBy(freezer: Freezer | undefined, { helper, guard, log, options }: Pick<DumpContext, 'helper' | 'guard' | 'log' | 'options'>): FrozenTask[] {
  const timeoutMs = options.timeoutSeconds * 1000;
  return freezer === undefined ? seizeTree(helper, options.pid, timeoutMs) : freezer.seize(helper, timeoutMs, guard, log);
}

/** The freezer that --freeze-cgroup names. */
export function freezerOf({ given, pid }: Pick<DumpOptions, 'given' | 'pid'>): Freezer | undefined {
  const dir = given.get('freeze-cgroup')?.at(-1);
  return dir === undefined ? undefined : new Freezer(resolve(dir), pid);
}

export class Freezer {
  /** The group was found frozen, or on the way to it. */
  readonly wasFrozen: boolean;
  readonly #version: Version;

  /**
   * @param dir the group's directory
   * @param root the tree, which must be in the group or below it
   * @throws StillframeError: no freezer, the tree is not in it, or we are
   */
  constructor(readonly dir: string, readonly root: number) {
    const version = [V1, V2].find(({ control }) => existsSync(join(dir, control)));
    if (version === undefined) throw this.#refuse('it has neither freezer.state nor cgroup.freeze', 'Name the directory of a control group of the freezer controller, or of the unified hierarchy, that is not its root');
    this.#version = version;
    const members = new Set(membersOf(dir, version));
    if (!members.has(root)) throw this.#refuse(`task ${root} is not in it`, `Name the group that is in /proc/${root}/cgroup`);
    if (members.has(process.pid)) throw this.#refuse('this process is in it as well, and would freeze itself', 'Run the dump from outside of that group');
    this.wasFrozen = this.#read() !== 'THAWED';
  }

  get control(): string { return join(this.dir, this.#version.control); }

  /** Seizes the tree. The guard then stands for the state that the group was found in. */
  seize(helper: Helper, timeoutMs: number, guard: Guard, log: Log): FrozenTask[] {
    const { frozen, thawed } = this.#version;
    const back = guard.arm({ steps: (program) => this.#write(program, this.wasFrozen ? frozen : thawed) });
    const started = performance.now();
    this.#freeze(timeoutMs === 0 ? LONGEST_MS : timeoutMs);
    log.debug(`Froze ${this.dir} in ${(performance.now() - started).toFixed(2)} ms`);
    let first = true;
    const left = timeoutMs === 0 ? 0 : Math.max(1, timeoutMs - (performance.now() - started));
    const tasks = seizeTree({
      seize: (tids, options) => {
        if (!first) return helper.seize(tids, options);
        first = false;
        return helper.seize(tids, { ...options, thaw: { path: this.control, text: thawed } });
      },
    }, this.root, left, true);
    const others = membersOf(this.dir, this.#version).filter((pid) => !tasks.some((task) => task.pid === pid));
    if (others.length > 0) log.warn(this.dir, `processes that are not part of the tree are in this group, and stood still for a moment: ${others.slice(0, 10).join(' ')}`);
    if (!this.wasFrozen) guard.drop(back);
    return tasks;
  }

  #freeze(timeoutMs: number): void {
    const pause = new Int32Array(new SharedArrayBuffer(4));
    const end = performance.now() + timeoutMs;
    let again = 0;
    for (let state = this.#read(); state !== 'FROZEN'; state = this.#read()) {
      const now = performance.now();
      if (now >= end) throw this.#refuse(`it is not frozen after ${timeoutMs / 1000} s (${state})`, 'Give it more time with --timeout SECONDS, or end what its tasks wait for inside the kernel');
      if (now >= again) {
        this.#set(this.#version.frozen);
        again = now + AGAIN_MS;
      } else Atomics.wait(pause, 0, 0, LOOK_MS);
    }
  }

  #read(): 'THAWED' | 'FREEZING' | 'FROZEN' {
    const text = readFileSync(this.control, 'latin1').trim();
    if (this.#version === V1) return text === 'FROZEN' || text === 'FREEZING' ? text : 'THAWED';
    if (text === '0') return 'THAWED';
    return /^frozen 1$/m.test(readFileSync(join(this.dir, 'cgroup.events'), 'latin1')) ? 'FROZEN' : 'FREEZING';
  }

  #set(text: string): void {
    try {
      writeFileSync(this.control, text);
    } catch (error) {
      throw this.#refuse(`${this.control} cannot be written: ${error instanceof Error && 'code' in error ? String(error.code) : String(error)}`, 'Run as root, or have the group given to this user');
    }
  }

  #write(program: Program, text: string): void {
    const fd = program.call('openat', [-100, program.cstring(this.control), O.WRONLY, 0], { expect: 'any' });
    program.call('write', [fd, program.cstring(text), text.length], { expect: 'any', keep: false });
    program.call('close', [fd], { expect: 'any', keep: false });
  }

  #refuse(why: string, remedy: string): StillframeError {
    return new StillframeError({ doing: 'dump', where: `--freeze-cgroup ${this.dir}`, why, remedy });
  }
}

/** The processes of a group and of those below it. */
function membersOf(dir: string, version: Version): number[] {
  try {
    const own = readFileSync(join(dir, version.members), 'latin1').split('\n').filter((line) => line !== '').map(Number);
    const below = readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [...own, ...below.flatMap(({ name }) => membersOf(join(dir, name), version))];
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENODEV')) return [];
    throw error;
  }
}
