/**
 * The program of a task: the order in which what a task is and holds comes back. What each kind of resource needs is in
 * src/resources/; here is only what comes before what, and why.
 */
import type { Task } from '../image/tree.ts';
import { AT_FDCWD, O, TIOCSPGRP } from '../kernel/files.ts';
import { CLONE, PR, WAIT } from '../kernel/process.ts';
import { SIG, SIG_SETMASK, SIGSET_SIZE, signalName } from '../kernel/signals.ts';
import { Cond, Op, Program, SELF_PID } from '../program/program.ts';
import type { Cgroups } from '../resources/cgroup/restore.ts';
import { addCredentials } from '../resources/credentials/restore.ts';
import { addFilesystem, deadDirectory } from '../resources/filesystem/restore.ts';
import { addLimits } from '../resources/limits/restore.ts';
import { addLocks } from '../resources/locks/restore.ts';
import { addLayout } from '../resources/memory/layout.ts';
import { TaskMemory } from '../resources/memory/restore.ts';
import { addClocks } from '../resources/namespaces/time/restore.ts';
import { addUts } from '../resources/namespaces/uts/restore.ts';
import { encodeExtendedState, encodeRegisters } from '../resources/registers/restore.ts';
import { seccompCalls, seccompMode } from '../resources/seccomp/restore.ts';
import { addLabel } from '../resources/security-label/restore.ts';
import { addActions, addDrainChildSignals, ALL_SIGNALS, stopsWith } from '../resources/signals/restore.ts';
import { addControllingTerminal, addForegroundGroup } from '../resources/tty/pair.ts';
import { addThreadState, commOf } from '../resources/threads/restore.ts';
import { addTimers } from '../resources/timers/restore.ts';
import { BlockPlan, type RemoteCall } from './block.ts';
import type { RestoreContext } from './context.ts';
import { sharing, stagesOf } from './descriptors.ts';
import type { Jobs } from './jobs.ts';
import type { StandIn } from './leaders.ts';
import type { Range } from './page-runs.ts';
import { DescriptorTable } from './table.ts';

/** `task_state` of the image. */
export const TaskState = { ALIVE: 1, DEAD: 2, STOPPED: 3, ZOMBIE: 6 } as const;
/** All processes of the tree exist, and group leaders lead. */
const BARRIER_GROUPS = 0;
/** Shared descriptor tables are filled: only met when tasks share one. */
const BARRIER_TABLES = 1;
/** All descriptors are fetched: only met when tasks share a table, before its owner closes the way to the helper. */
const BARRIER_FETCHED = 2;
/** What only tasks can open is open, so that others may fetch it: only met when somebody does. */
const BARRIER_OPENED = 3;
/** All threads exist: only met when somebody opens something that is about one. */
const BARRIER_THREADS = 4;
/** The same as BARRIER_OPENED, of what was opened once threads existed. */
const BARRIER_OPENED_LATE = 5;
/** All have joined their groups: only met when somebody stands in for a leader that is gone. */
const BARRIER_JOINED = 6;
/** Where struct rseq has rseq_cs. */
const RSEQ_CS_AT = 8n;
const ESRCH = 3, ECHILD = 10;

export const isAlive = (task: Task): boolean => task.core.tc?.task_state === TaskState.ALIVE || task.core.tc?.task_state === TaskState.STOPPED;

export class TreeCompiler {
  readonly blocks: BlockPlan[] = [];
  readonly #memory = new Map<number, TaskMemory>();
  readonly #tablesShared: boolean;

  /** @param arena addresses that no task uses */
  constructor(readonly context: RestoreContext, readonly jobs: Jobs, readonly arena: Range, readonly cgroups: Cgroups) {
    const alive = [...context.tree.tasks.values()].filter(isAlive);
    this.#tablesShared = new Set(alive.map(({ ids }) => ids?.files_id)).size < alive.length;
    this.#alive = alive.length;
    this.#stages = stagesOf(context);
  }
  readonly #stages: ReturnType<typeof stagesOf>;
  readonly #alive: number;

  /** How many arrive at each barrier, in order. */
  get parties(): number[] { 
    const all = this.context.tree.tasks.size + this.jobs.standIns.length;
    return [all, ...Array.from({ length: BARRIER_OPENED_LATE }, () => this.#alive), all];
  }

  /** Compiles a task and all below it; parents first. Result: the task's block. */
  compile(task: Task, parent: Task | undefined): BlockPlan {
    const alive = isAlive(task);
    const p = new Program(`task ${task.pid}`);
    const block = new BlockPlan(p, task.pid, task.pid, alive);
    this.blocks.push(block);
    this.#begin(p, parent);
    if (alive) this.#live(block, task, parent);
    else this.#die(p, task);
    return block;
  }

  /** Nothing may interrupt, and the task must not outlive a failed restore. */
  #begin(p: Program, parent: Task | undefined): void {
    p.resource('start');
    p.call('rt_sigprocmask', [SIG_SETMASK, p.data(mask(ALL_SIGNALS)), 0, SIGSET_SIZE], { keep: false });
    this.#dieWithParent(p);
    const parentPid = parent?.pid ?? (this.context.options.parentIsCaller ? undefined : this.context.helper);
    if (parentPid !== undefined) {
      const ppid = p.call('getppid');
      p.control(Op.EXPECT, [ppid, Cond.EQ, parentPid, ESRCH], { keep: false, remedy: { ESRCH: 'Its parent died meanwhile' } });
    }
  }

  #dieWithParent(p: Program): void {
    p.call('prctl', [PR.SET_PDEATHSIG, SIG.KILL, 0, 0, 0], { keep: false });
  }

  #live(block: BlockPlan, task: Task, parent: Task | undefined): void {
    const p = block.program;
    const { context, jobs } = this;
    const shares = parent === undefined ? 0 : sharing(task, parent);
    if ((shares & CLONE.FILES) === 0) this.#closeAll(p, parent === undefined);
    this.cgroups.enter(p, task, parent);
    if (parent === undefined) {
      addClocks(p, context);
      addUts(p, context);
    }
    const children = context.childrenOf(task.pid).filter((c) => jobs.bornBy(c.pid) === undefined);
    const [early, late] = [children.filter((c) => jobs.early(c, task)), children.filter((c) => !jobs.early(c, task))];
    const deadFirst = (list: Task[]): [Task[], Task[]] => [list.filter((c) => !isAlive(c)), list.filter(isAlive)];
    const [earlyDead, earlyAlive] = deadFirst(early);
    const [lateDead, lateAlive] = deadFirst(late);
    // zombies are made while the task is small; a session can be founded at once when no child must be born before it
    this.#spawn(p, task, earlyDead);
    const foundsNow = earlyAlive.length === 0;
    if (foundsNow) this.#found(p, task);
    if (foundsNow) this.#spawn(p, task, lateDead);
    this.#addMemory(p, task, parent, shares);
    this.#spawn(p, task, earlyAlive);
    if (!foundsNow) this.#found(p, task);
    if (!foundsNow) this.#spawn(p, task, lateDead);
    this.#spawn(p, task, lateAlive);
    const standIns = jobs.standInsOf(task.pid);
    for (const standIn of standIns) this.#standIn(p, task, standIn);
    this.#group(p, task);
    for (const { pid } of standIns) {
      p.resource(`process ${pid}, which stood in for a leader that is gone`).call('waitid', [WAIT.P_PID, pid, 0, WAIT.EXITED, 0], { keep: false });
    }
    if (standIns.length > 0) addDrainChildSignals(p);
    this.#awaitZombies(p, context.childrenOf(task.pid).filter((c) => !isAlive(c)));
    if ((shares & CLONE.VM) === 0) this.#memory.get(task.pid)?.finish(p);
    const table = (shares & CLONE.FILES) === 0 ? new DescriptorTable(p, context, task) : undefined;
    table?.takeOpened();
    table?.openOwn('processes');
    if (this.#stages.processes.shared) p.barrier(BARRIER_OPENED);
    if (this.#stages.processes.shared) table?.takeShared('processes');
    if (this.#tablesShared) p.barrier(BARRIER_TABLES);
    this.#foreground(p, task, parent);
    addForegroundGroup(p, this.context, task.pid);
    if ((shares & CLONE.FS) === 0) this.#inPlaceOf(p, task, deadDirectory(context.tree, task), () => addFilesystem(p, context, task));
    if ((shares & CLONE.SIGHAND) === 0) addActions(p, task.core.tc?.sigactions ?? []);
    this.#addTaskState(p, task);
    this.#addThreads(p, task);
    if (this.#stages.threads.any) p.barrier(BARRIER_THREADS);
    table?.openOwn('threads');
    if (this.#stages.threads.shared) p.barrier(BARRIER_OPENED_LATE);
    if (this.#stages.threads.shared) table?.takeShared('threads');
    table?.finish();
    addLocks(p, context, task);
    this.cgroups.enterThreads(p, task);
    if (this.#tablesShared) p.barrier(BARRIER_FETCHED);
    if ((shares & CLONE.FILES) === 0) p.resource('way to the helper').call('close', [context.pidfd], { keep: false });
    addTimers(p, task.core.tc?.timers);
    addLimits(p, context, task.core.tc?.rlimits?.rlimits ?? [], `task ${task.pid}`);
    this.#park(block, task, task.pid, shares);
  }

  /** The pidfd of the helper is all that stays open: descriptors are fetched through it. */
  #closeAll(p: Program, root: boolean): void {
    const { pidfd } = this.context;
    p.resource('descriptors it started with');
    if (root) {
      const fd = p.call('pidfd_open', [this.context.helper, 0]);
      p.call('dup3', [fd, pidfd, O.CLOEXEC], { keep: false, expect: { orErrno: 22 } });
    }
    p.call('close_range', [0, pidfd - 1, 0], { keep: false });
    p.call('close_range', [pidfd + 1, 0xffff_ffff, 0], { keep: false });
  }

  #spawn(p: Program, parent: Task, children: readonly Task[], how = 0): void {
    for (const child of children) {
      const block = this.compile(child, parent);
      const shares = sharing(child, parent);
      p.resource(`child ${child.pid}`);
      const tid = p.data(Buffer.from(Uint32Array.of(child.pid).buffer));
      p.control((shares & CLONE.VM) !== 0 ? Op.THREAD : Op.SPAWN, [shares | how, (how & CLONE.PARENT) !== 0 ? 0 : SIG.CHLD, tid, 1, block.arg, 0], {
        keep: false, expect: { equals: child.pid }, remedy: spawnRemedy(child.pid),
      });
    }
  }

  #found(p: Program, task: Task): void {
    if (!this.jobs.founds(task.pid)) return;
    p.resource('session').call('setsid', [], { keep: false, expect: { equals: task.pid } });
    addControllingTerminal(p, this.context, task.pid);
  }

  /** Leaders first, then, when all processes exist, the others join. */
  #group(p: Program, task: Task): void {
    const { sid, pgid } = this.jobs.job(task.pid);
    p.resource('process group');
    if (pgid === task.pid && sid !== task.pid) p.call('setpgid', [0, 0], { keep: false });
    p.barrier(BARRIER_GROUPS);
    if (pgid !== task.pid) p.call('setpgid', [0, pgid], { keep: false, remedy: { EPERM: `Process group ${pgid} is in another session` } });
    if (this.jobs.standIns.length > 0) p.barrier(BARRIER_JOINED);
  }

  /** Makes a process that founds the session or group of a leader that is gone, and ends when all have joined. */
  #standIn(p: Program, host: Task, { pid, founds, members }: StandIn): void {
    const s = new Program(`stand-in for ${founds} leader ${pid}`);
    const block = new BlockPlan(s, pid, pid, false);
    this.blocks.push(block);
    this.#begin(s, host);
    s.resource(founds);
    if (founds === 'session') s.call('setsid', [], { keep: false, expect: { equals: pid } });
    else s.call('setpgid', [0, 0], { keep: false });
    this.#spawn(s, host, members, CLONE.PARENT);
    s.barrier(BARRIER_GROUPS);
    s.barrier(BARRIER_JOINED);
    s.call('exit_group', [0], { keep: false });
    p.resource(`process ${pid}, which stands in for a ${founds} leader that is gone`);
    p.control(Op.SPAWN, [0, SIG.CHLD, p.data(Buffer.from(Uint32Array.of(pid).buffer)), 1, block.arg, 0], { keep: false, expect: { equals: pid }, remedy: spawnRemedy(pid) });
  }

  /** The directory of a process that is gone can be entered only while there is one with its number. */
  #inPlaceOf(p: Program, task: Task, pid: number | undefined, steps: () => void): void {
    if (pid === undefined) {
      steps();
      return;
    }
    const s = new Program(`process ${pid}, in place of one that is gone`);
    const block = new BlockPlan(s, pid, pid, false);
    this.blocks.push(block);
    this.#begin(s, task);
    const asleep = s.here;
    s.call('pause', [], { expect: 'any', keep: false });
    s.jump(0, Cond.EQ, 0, () => asleep);
    p.resource(`process ${pid}, whose directory below /proc is a working directory`);
    p.control(Op.SPAWN, [0, SIG.CHLD, p.data(Buffer.from(Uint32Array.of(pid).buffer)), 1, block.arg, 0], { keep: false, expect: { equals: pid }, remedy: spawnRemedy(pid) });
    steps();
    p.resource(`process ${pid}, whose directory below /proc is a working directory`);
    p.call('kill', [pid, SIG.KILL], { keep: false });
    p.call('waitid', [WAIT.P_PID, pid, 0, WAIT.EXITED, 0], { keep: false });
    addDrainChildSignals(p);
  }

  #addMemory(p: Program, task: Task, parent: Task | undefined, shares: number): void {
    if ((shares & CLONE.VM) !== 0) return;
    const memory = new TaskMemory(this.context, task, parent === undefined ? undefined : this.#memory.get(parent.pid));
    this.#memory.set(task.pid, memory);
    const inherited = parent !== undefined && parent.mm?.exe_file_id === task.mm?.exe_file_id;
    memory.unmap(p, this.arena);
    addLayout(p, this.context, task, inherited);
    memory.map(p);
  }

  /** With -j the group of the tree that was the terminal's foreground job becomes it again, else the root's own, when the restoring process is. */
  #foreground(p: Program, task: Task, parent: Task | undefined): void {
    const { context, jobs } = this;
    if (parent !== undefined || !context.options.shellJob || !context.host.foreground || context.foregroundFd === undefined) return;
    if (jobs.founds(task.pid)) return;
    const { sid, pgid: own } = jobs.job(task.pid);
    const before = [...context.tree.tasks.values()].find((one) => one.item.pgid === context.foregroundGroup && isAlive(one) && jobs.job(one.pid).sid === sid);
    const pgid = before === undefined ? own : jobs.job(before.pid).pgid;
    if (pgid === context.host.pgid) return;
    p.resource('foreground process group of the terminal');
    const fd = p.call('pidfd_getfd', [context.pidfd, context.foregroundFd.arg, 0]);
    p.call('ioctl', [fd, TIOCSPGRP, p.data(Buffer.from(Int32Array.of(pgid).buffer))], { keep: false });
    p.call('close', [fd], { keep: false });
  }

  #awaitZombies(p: Program, zombies: readonly Task[]): void {
    if (zombies.length === 0) return;
    for (const { pid } of zombies) {
      p.resource(`zombie ${pid}`).call('waitid', [WAIT.P_PID, pid, 0, WAIT.EXITED | WAIT.NOWAIT, 0], { keep: false });
    }
    addDrainChildSignals(p);
  }

  #addTaskState(p: Program, task: Task): void {
    const tc = task.core.tc;
    if (tc === undefined) return;
    p.resource('personality').call('personality', [tc.personality], { keep: false });
    if (tc.child_subreaper === true) p.resource('child subreaper').call('prctl', [PR.SET_CHILD_SUBREAPER, 1, 0, 0, 0], { keep: false });
    const thpFlags = this.context.ownTask(task.pid)?.thp_flags ?? 0;
    if (task.mm?.thp_disabled === true) p.resource('huge pages').call('prctl', [PR.SET_THP_DISABLE, 1, thpFlags & ~1, 0, 0], { keep: false });
    for (let bit = 0; bit < 32; bit++) {
      const command = 1 << bit;
      if (((tc.membarrier_registration_mask ?? 0) & command) !== 0) p.resource('membarrier').call('membarrier', [command, 0, 0], { keep: false });
    }
    this.#addOomScore(p, task.pid, tc.oom_score_adj);
    this.#addLoginuid(p, tc.loginuid);
    const own = this.context.ownTask(task.pid);
    if (own?.coredump_filter !== undefined) addProcFile(p, 'coredump_filter', `0x${own.coredump_filter.toString(16)}`);
    if (own?.mdwe !== undefined && own.mdwe !== 0) p.resource('memory deny write-execute').call('prctl', [PR.SET_MDWE, own.mdwe, 0, 0, 0], { keep: false });
    if (own?.memory_merge === true) p.resource('merging of equal pages').call('prctl', [PR.SET_MEMORY_MERGE, 1, 0, 0, 0], { keep: false });
  }

  #addOomScore(p: Program, pid: number, score: number | undefined): void {
    const { host, warnings } = this.context;
    if (score === undefined || score === host.oomScoreAdj) return;
    if (score < host.oomScoreAdj && ((host.permitted >> 24n) & 1n) === 0n) {
      warnings.push(`task ${pid}: its oom_score_adj was ${score}; it stays at ${host.oomScoreAdj}, as lowering it needs CAP_SYS_RESOURCE`);
      return;
    }
    addProcFile(p, 'oom_score_adj', String(score));
  }

  /** The user who logged in, for audit records (proc(5), /proc/PID/loginuid). */
  #addLoginuid(p: Program, loginuid: number | undefined): void {
    if (loginuid !== undefined && loginuid !== this.context.host.loginuid) addProcFile(p, 'loginuid', String(loginuid));
  }

  #addThreads(p: Program, task: Task): void {
    for (const tid of task.threads.keys()) {
      if (tid === task.pid) continue;
      const t = new Program(`thread ${tid} of task ${task.pid}`);
      const block = new BlockPlan(t, task.pid, tid, true);
      this.blocks.push(block);
      this.#park(block, task, tid, 0);
      p.resource(`thread ${tid}`);
      const flags = CLONE.VM | CLONE.FS | CLONE.FILES | CLONE.SIGHAND | CLONE.THREAD | CLONE.SYSVSEM;
      p.control(Op.THREAD, [flags, 0, p.data(Buffer.from(Uint32Array.of(tid).buffer)), 1, block.arg, 0], {
        keep: false, expect: { equals: tid }, remedy: spawnRemedy(tid),
      });
    }
  }

  /** A thread's own state, credentials last: with them goes the right to do most of the rest. Then it waits to be taken over. */
  #park(block: BlockPlan, task: Task, tid: number, shares: number): void {
    const p = block.program;
    const core = task.threads.get(tid)!;
    const leader = tid === task.pid;
    addThreadState(p, this.context, core, tid, leader);
    const calls: RemoteCall[] = seccompCalls(p, block, this.context, task);
    if (core.thread_core?.creds !== undefined) addLabel(p, this.context, core.thread_core.creds);
    const beforeCredentials = p.here;
    if (core.thread_core?.creds !== undefined) addCredentials(p, this.context, core.thread_core.creds);
    if (seccompMode(core) !== 0) calls.push(...block.takeOut(beforeCredentials));
    p.resource('end');
    // a new thread has none, and dies with its process
    const deathSignal = core.thread_core?.pdeath_sig ?? 0;
    const orphaned = leader || deathSignal !== 0;
    if (orphaned) this.#dieWithParent(p);
    p.park();
    if (leader && task.mm?.dumpable !== undefined && task.mm.dumpable < 2) {
      calls.push({ name: 'prctl', args: [PR.SET_DUMPABLE, task.mm.dumpable, 0, 0, 0], resource: 'dumpable' });
    }
    if (orphaned) calls.push({ name: 'prctl', args: [PR.SET_PDEATHSIG, deathSignal, 0, 0, 0], resource: 'parent death signal' });
    if (leader && (shares & CLONE.VM) === 0) calls.push({ name: 'munmap', args: [this.context.arenaStart, this.context.arenaLength], resource: 'the restore\'s own memory' });
    const rseq = core.thread_core?.rseq_entry;
    const stopped = task.core.tc?.task_state === TaskState.STOPPED;
    block.takeover = {
      sigmask: core.thread_core?.blk_sigset ?? task.core.tc?.blk_sigset ?? 0n,
      registers: encodeRegisters(core.thread_info!),
      xstate: encodeExtendedState(core.thread_info!, this.context.host.xstate),
      calls,
      rseqCs: rseq?.rseq_cs_pointer === undefined || rseq.rseq_cs_pointer === 0n ? undefined : { address: rseq.rseq_abi_pointer + RSEQ_CS_AT, value: rseq.rseq_cs_pointer },
      stopSignal: leader ? stopsWith(task, stopped, this.jobs.orphaned(task)) : 0,
    };
  }

  /** A task that had ended and was not waited for: it ends again, in the same way. */
  #die(p: Program, task: Task): void {
    const tc = task.core.tc;
    const status = tc?.exit_code ?? 0;
    this.#found(p, task);
    this.#group(p, task);
    p.resource('zombie').call('prctl', [PR.SET_NAME, p.cstring(commOf(task.core)), 0, 0, 0], { keep: false });
    const signal = status & 0x7f;
    p.call('rt_sigprocmask', [SIG_SETMASK, p.data(mask(tc?.blk_sigset ?? 0n)), 0, SIGSET_SIZE], { keep: false });
    if (signal === 0) {
      p.call('exit_group', [(status >> 8) & 0xff], { keep: false });
      return;
    }
    p.resource(`zombie ended by ${signalName(signal)}`);
    p.call('prctl', [PR.SET_DUMPABLE, 0, 0, 0, 0], { keep: false }); // no core file
    if (signal !== SIG.KILL) p.call('rt_sigaction', [signal, p.reserve(32), 0, SIGSET_SIZE], { keep: false });
    p.call('rt_sigprocmask', [SIG_SETMASK, p.data(mask(0n)), 0, SIGSET_SIZE], { keep: false });
    p.call('kill', [SELF_PID, signal], { keep: false });
    p.control(Op.EXPECT, [0, Cond.EQ, 1, ECHILD], { keep: false });
  }
}


/** Writes a file of /proc/self. */
function addProcFile(p: Program, name: string, value: string): void {
  p.resource(name);
  const fd = p.call('openat', [AT_FDCWD, p.cstring(`/proc/self/${name}`), O.WRONLY | O.CLOEXEC, 0]);
  p.call('write', [fd, p.data(Buffer.from(value), 1), value.length], { keep: false, expect: { equals: value.length } });
  p.call('close', [fd], { keep: false });
}

function spawnRemedy(pid: number): Record<string, string> {
  return {
    EEXIST: `Another process has the number ${pid}: 'ps -p ${pid}' names it. End it, or restore in a pid namespace`,
    EPERM: 'Choosing pids needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN: run the restore as root',
    EINVAL: `${pid} is above this system's pid_max`,
    EAGAIN: 'The limit of processes is reached (pids cgroup, nproc limit, threads-max)',
  };
}

function mask(set: bigint): Uint8Array {
  return new Uint8Array(BigUint64Array.of(set).buffer);
}
