/** What the compilers of a restore share: the tree, the machine, what the helper opens, what speaks against it. */
import type { ErrorParts } from '../errors.ts';
import type { file_entry, sf_task_entry, sf_thread_entry } from '../image/schema/index.ts';
import type { FrozenTree, Task } from '../image/tree.ts';
import type { Clocks } from '../proc/timens.ts';
import { Deferred, Program, type RanBlock, type ResultRef } from '../program/program.ts';
import type { Cgroups } from '../resources/cgroup/restore.ts';
import type { CgroupOptions } from '../resources/cgroup/options.ts';
import type { Joined } from '../resources/namespaces/join.ts';
import type { LabelOption } from '../resources/security-label/label.ts';
import type { Redirect } from '../resources/vdso/redirect.ts';
import type { BlockPlan } from './block.ts';
import type { Host } from './host.ts';
import { LocalPlan, type HelperFd } from './helper-fd.ts';
import { Inherited, type InheritedFd } from './inherited.ts';
import type { Extent } from '../dump/extents.ts';
import type { SourceSet } from './page-runs.ts';

/** What of the options a plan depends on. */
export interface PlanOptions {
  readonly shellJob: boolean;
  /** The root's parent is the restoring process, not the helper. */
  readonly parentIsCaller: boolean;
  /** --ext-unix-sk: sockets may connect to peers outside of the tree. */
  readonly extUnixSk?: boolean;
  /** --inherit-fd */
  readonly inherited?: readonly InheritedFd[];
  /** By pid: tasks whose vDSO is of another kernel. */
  readonly vdsos?: ReadonlyMap<number, Redirect>;
  /** Where a pages file holds data, by its path; undefined: all of it is taken to. */
  readonly dataOf?: (path: string) => readonly Extent[] | undefined;
  /** --tcp-established, --tcp-close: what becomes of TCP connections. The second one wins. */
  readonly tcpEstablished?: boolean;
  readonly tcpClose?: boolean;
  /** --lsm-profile */
  readonly label?: LabelOption | undefined;
  /** --join-ns */
  readonly joined?: Joined;
  /** What the options say of control groups; undefined: the defaults. */
  readonly cgroups?: CgroupOptions;
}

/** SF_MAX_BARRIERS of helper/program.h, and the first that tasks share with their helping threads. */
const BARRIERS = 64, FIRST_WORKER_BARRIER = 16;

export class RestoreContext {
  readonly local = new LocalPlan();
  /** What the helper does when all tasks are made. */
  readonly late = new Program('helper');
  /** What the helper does last, when the tree is complete and about to be let go: what others see from then on. */
  readonly final = new Program('helper');
  /** What the helper does when the tree runs. */
  readonly afterwards = new Program('helper');
  /** The groups that are made, before any file is opened: some are of them. */
  cgroups: Cgroups | undefined;
  /** A shell command that is run before. */
  finalCommand: string | undefined;
  /** Descriptions by their id in the files image, once a kind added the steps that open them. */
  readonly files = new Map<number, HelperFd>();
  /** Files opened for mappings, by file id and access mode. */
  readonly mapped = new Map<string, HelperFd>();
  /** Pages files, by set and number; shared memory, by shmid. */
  readonly pages = new Map<string, HelperFd>();
  readonly shared = new Map<bigint, HelperFd>();
  /** What the helper makes once, whoever needs it first: keys that kinds choose. */
  readonly prepared = new Set<string>();
  readonly warnings: string[] = [];
  /** For stats-restore: pages read, and of these pages compared with inherited ones. */
  readonly pageCounts = { restored: 0n, compared: 0n };
  readonly reasons: ErrorParts[] = [];
  /** What the helper did, once it opened files. */
  ran: RanBlock | undefined;
  /** Filled in once the helper is there. */
  helperPid: number | undefined;
  arenaAddress: bigint | undefined;
  arenaSize: bigint | undefined;
  /** What our clocks said when the helper opened files. */
  clocks: Clocks | undefined;
  /** Where this kernel's vDSO goes in tasks that keep an old one. */
  vdsoAddress: bigint | undefined;
  /** The helper's number of the restoring process's terminal. */
  terminalFd: number | undefined;
  /** Our terminal opened for the tree, when it is on one: what the foreground group is set on. */
  foregroundFd: HelperFd | undefined;
  /** Which group was in the foreground of the terminal that ours takes the place of; 0: one from outside of the tree. */
  foregroundGroup = 0;
  /** Terminals of the tree that control one of its sessions, by the session's id. */
  readonly controlling = new Map<number, { readonly fd: HelperFd; readonly pgrp: number }>();
  /** Descriptors of ours that take the place of files of the image. */
  readonly inherited: Inherited;
  /** Number of the helper's pidfd in every task: one that no task of the tree uses. */
  readonly pidfd: number;

  readonly helper = new Deferred('helper pid', () => known(this.helperPid, 'the helper'));
  readonly terminal = new Deferred('our terminal', () => known(this.terminalFd, 'the terminal'));
  readonly arenaStart = new Deferred('arena', () => known(this.arenaAddress, 'the arena'));
  readonly arenaEnd = new Deferred('arena end', () => known(this.arenaAddress, 'the arena') + known(this.arenaSize, 'the arena'));
  readonly arenaLength = new Deferred('arena size', () => known(this.arenaSize, 'the arena'));

  constructor(readonly set: SourceSet, readonly host: Host, readonly options: PlanOptions) {
    this.pidfd = freeNumber(set.tree);
    this.inherited = new Inherited(options.inherited ?? []);
  }

  get tree(): FrozenTree { return this.set.tree; }

  /** Threads that only help to make a task: their programs. */
  readonly workers: BlockPlan[] = [];
  #workers = 0;
  #workerTid: number | undefined;

  /** Children of a task, in the order of the process tree image. */
  childrenOf(pid: number): readonly Task[] {
    this.#children ??= groupByParent(this.tree);
    return this.#children.get(pid) ?? [];
  }
  #children: Map<number, Task[]> | undefined;

  /** How many more helping threads there can be. */
  get freeWorkers(): number { return BARRIERS - FIRST_WORKER_BARRIER - this.#workers; }

  /** A number for a helping thread, as high as numbers go and not one of the tree's, and a barrier for it and its task. */
  worker(): { readonly tid: number; readonly barrier: number } {
    this.#workerTid ??= this.host.pidMax + 1;
    do this.#workerTid--; while ([...this.tree.tasks.values()].some(({ threads }) => threads.has(this.#workerTid!)));
    return { tid: this.#workerTid, barrier: FIRST_WORKER_BARRIER + this.#workers++ };
  }

  /** How many arrive at each barrier, given those of the tree's own. */
  withWorkers(parties: readonly number[]): number[] {
    return Array.from({ length: FIRST_WORKER_BARRIER + this.#workers }, (_, i) => (i >= FIRST_WORKER_BARRIER ? 2 : parties[i] ?? 0));
  }

  /** What our own image says of a thread. */
  ownThread(tid: number): sf_thread_entry | undefined {
    this.#ownThreads ??= new Map((this.tree.own?.tasks ?? []).flatMap(({ threads }) => threads.map((thread) => [thread.tid, thread] as const)));
    return this.#ownThreads.get(tid);
  }
  #ownThreads: Map<number, sf_thread_entry> | undefined;

  /** What our own image says of a task. */
  ownTask(pid: number): sf_task_entry | undefined {
    this.#ownTasks ??= new Map((this.tree.own?.tasks ?? []).map((task) => [task.pid, task]));
    return this.#ownTasks.get(pid);
  }
  #ownTasks: Map<number, sf_task_entry> | undefined;

  /** Counts bytes of pages that a program reads. */
  count(restored: bigint, compared: bigint): void {
    this.pageCounts.restored += restored / 4096n;
    this.pageCounts.compared += compared / 4096n;
  }

  /** The result of a step of the local program. */
  result(ref: ResultRef): bigint { return known(this.ran, 'what the helper did').result(ref); }

  refuse(where: string, why: string, remedy?: string): void {
    this.reasons.push({ doing: 'restore', where, why, remedy });
  }

  /** An address that is known when the arena is: arena start + `offset()`. */
  inArena(label: string, offset: () => bigint): Deferred {
    return new Deferred(label, () => known(this.arenaAddress, 'the arena') + offset());
  }
}

/** Children by their parent's pid, in the order of the process tree image. */
export function groupByParent(tree: FrozenTree): Map<number, Task[]> {
  const children = new Map<number, Task[]>();
  for (const task of tree.tasks.values()) {
    const list = children.get(task.item.ppid);
    if (task.item.ppid === task.pid) continue;
    if (list === undefined) children.set(task.item.ppid, [task]);
    else list.push(task);
  }
  return children;
}

function known<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new RangeError(`${what} is not known yet`);
  return value;
}

/** The lowest number from 3 on that no descriptor table of the tree has. */
function freeNumber(tree: FrozenTree): number {
  const used = new Set<number>();
  for (const table of tree.fdinfo.values()) for (const { fd } of table) used.add(fd);
  let number = 64;
  while (used.has(number)) number++;
  return number;
}

/** Descriptions of some types, in the order of their ids. */
export function filesOf(tree: FrozenTree, types: readonly number[]): file_entry[] {
  return [...tree.files.values()].filter((file) => types.includes(file.type)).sort((a, b) => a.id - b.id);
}
