/**
 * Threads: the program each one runs once while it is frozen, and its core image entry made from the answers, from ptrace and from /proc.
 * What a program asks is each kind's own (signals, timers, credentials, ...).
 */
import { create } from '../../image/wire.ts';
import { core_entry, core_entry_march, task_core_entry, thread_core_entry } from '../../image/schema/index.ts';
import { textOf } from '../../image/text.ts';
import { Program, type RanBlock } from '../../program/program.ts';
import type { Mapping } from '../../proc/smaps.ts';
import type { ProcTimer } from '../../proc/timers.ts';
import type { FrozenTask, FrozenThread } from '../../dump/frozen.ts';
import { askRings, isAioRing } from '../aio/dump.ts';
import { askConfined } from '../landlock/dump.ts';
import { askSecurebits, credentials } from '../credentials/dump.ts';
import { askProcess, askThread, type ProcessFacts, type ProcessSettings, type ThreadFacts } from '../process/dump.ts';
import { registersOf, restartSyscall, threadInfo } from '../registers/dump.ts';
import { rseqEntry } from '../rseq/dump.ts';
import type { SchedFacts } from '../scheduling/dump.ts';
import { askActions, askStack, signalQueue } from '../signals/dump.ts';
import { askTimers } from '../timers/dump.ts';
import type { sa_entry, task_timers_entry, thread_sas_entry } from '../../image/schema/index.ts';

/** `task_state`. */
export const TASK = { ALIVE: 1, DEAD: 2, STOPPED: 3 } as const;
/** All tasks are in the dumping process's cgroups: nothing about them is in the set (id 1 in the inventory says so). */
export const OWN_CGROUPS = 1;

/** What a thread said of itself. */
export interface ThreadAnswers { readonly facts: ThreadFacts; readonly stack: thread_sas_entry; readonly securebits: number; /** By Landlock. */ readonly confined: boolean }

/** What a leader said of its process. */
export interface ProcessAnswers extends ThreadAnswers { readonly process: ProcessFacts; readonly actions: sa_entry[]; readonly timers: task_timers_entry; /** Addresses of its asynchronous I/O contexts. */ readonly aio: ReadonlySet<bigint> }

function askThreadParts(program: Program, looksAt: number): (ran: RanBlock) => ThreadAnswers {
  const facts = askThread(program);
  const stack = askStack(program);
  const securebits = askSecurebits(program);
  const confined = askConfined(program, looksAt);
  return (ran) => ({ facts: facts(ran), stack: stack(ran), securebits: securebits(ran), confined: confined(ran) });
}

/** A program that is run many times: it is encoded once. */
class FixedProgram extends Program {
  #block: Buffer | undefined;
  override encode(): Buffer { return this.#block ??= super.encode(); }
}

/** A program and what reads its answers. */
export interface Questions<T> { readonly program: Program; readonly read: (ran: RanBlock) => T }

/** By whom they look at: one, or one for each user. */
const plainLeaders = new Map<number, Questions<ProcessAnswers>>();
const anyThreads = new Map<number, Questions<ThreadAnswers>>();

/**
 * The program of a process's leader. Most processes have neither POSIX timers nor asynchronous I/O contexts: they share one.
 * @param timers, mappings as /proc lists them
 * @param looksAt see `LookedAt`
 */
export function leaderProgram(timers: readonly ProcTimer[], mappings: readonly Mapping[], looksAt: number): Questions<ProcessAnswers> {
  const rings = mappings.filter(isAioRing);
  return timers.length === 0 && rings.length === 0 ? madeOnce(plainLeaders, looksAt, () => makeLeader([], [], looksAt)) : makeLeader(timers, rings, looksAt);
}

function madeOnce<T>(known: Map<number, T>, key: number, make: () => T): T {
  const found = known.get(key) ?? make();
  known.set(key, found);
  return found;
}

function makeLeader(timers: readonly ProcTimer[], rings: readonly Mapping[], looksAt: number): Questions<ProcessAnswers> {
  const program = new FixedProgram('task');
  const thread = askThreadParts(program, looksAt);
  const process = askProcess(program);
  const actions = askActions(program);
  const times = askTimers(program, timers);
  const aio = askRings(program, rings);
  return { program, read: (ran) => ({ ...thread(ran), process: process(ran), actions: actions(ran), timers: times(ran), aio: aio(ran) }) };
}

/** The program of every other thread: the same one for all that look at the same. */
export function threadProgram(looksAt: number): Questions<ThreadAnswers> {
  return madeOnce(anyThreads, looksAt, () => {
    const program = new FixedProgram('thread');
    return { program, read: askThreadParts(program, looksAt) };
  });
}

/** comm is one character a byte in /proc's text. */
export const commText = (comm: string): string => textOf(Buffer.from(comm, 'latin1'));

/** What images keep of every thread. */
function threadCore({ stat, status, state }: FrozenThread, answers: ThreadAnswers, sched: SchedFacts, leader: boolean): thread_core_entry {
  return create(thread_core_entry, {
    futex_rla: state.robustList, futex_rla_len: Number(state.robustLength),
    sched_nice: sched.nice, sched_policy: sched.policy, sched_prio: sched.priority,
    blk_sigset: leader ? undefined : state.sigmask, sas: answers.stack,
    pdeath_sig: answers.facts.pdeathSignal === 0 ? undefined : answers.facts.pdeathSignal,
    signals_p: signalQueue(state.pending), creds: credentials(status, answers.securebits), comm: commText(stat.comm),
    rseq_entry: rseqEntry(state), cg_set: OWN_CGROUPS,
  });
}

/** @param features XCR0 */
export function threadEntry(thread: FrozenThread, answers: ThreadAnswers, sched: SchedFacts, features: bigint): core_entry {
  return create(core_entry, {
    mtype: core_entry_march.X86_64,
    thread_info: threadInfo(thread.state, restartSyscall(registersOf(thread.state)), answers.facts.clearTidAddress, features),
    thread_core: threadCore(thread, answers, sched, false),
  });
}

export function leaderEntry(task: FrozenTask, answers: ProcessAnswers, settings: ProcessSettings, sched: SchedFacts, features: bigint): core_entry {
  const leader = task.threads[0]!;
  const core = threadEntry(leader, answers, sched, features);
  const { process } = answers;
  core.tc = create(task_core_entry, {
    task_state: task.stopSignal === 0 ? TASK.ALIVE : TASK.STOPPED, exit_code: 0, personality: settings.personality, flags: leader.stat.flags,
    blk_sigset: leader.state.sigmask, comm: commText(leader.stat.comm), timers: answers.timers, rlimits: settings.limits,
    signals_s: signalQueue(leader.state.sharedPending), loginuid: settings.loginuid, oom_score_adj: settings.oomScoreAdj, sigactions: answers.actions,
    child_subreaper: process.childSubreaper, stop_signo: task.stopSignal === 0 ? undefined : task.stopSignal,
    membarrier_registration_mask: process.membarrier === 0 ? undefined : process.membarrier,
  });
  core.thread_core = threadCore(leader, answers, sched, true);
  return core;
}

export function zombieEntry({ stat }: FrozenTask): core_entry {
  return create(core_entry, {
    mtype: core_entry_march.X86_64,
    tc: create(task_core_entry, { task_state: TASK.DEAD, exit_code: stat.exitCode, personality: 0, flags: 0, blk_sigset: 0n, comm: commText(stat.comm) }),
  });
}
