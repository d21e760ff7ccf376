/** What a process is besides memory, files and signals: break, dumpable, subreaper, THP, membarrier, limits, oom score, login uid, personality. */
import { create, shared } from '../../image/wire.ts';
import { rlimit_entry, task_rlimits_entry } from '../../image/schema/index.ts';
import { parseLimits } from '../../proc/limits.ts';
import { readProcRecord, tryReadProcText } from '../../proc/read.ts';
import type { Program, RanBlock } from '../../program/program.ts';

/** <linux/prctl.h> */
const PR_GET_PDEATHSIG = 2, PR_GET_DUMPABLE = 3, PR_GET_CHILD_SUBREAPER = 37, PR_GET_TIMERSLACK = 30, PR_GET_TID_ADDRESS = 40, PR_GET_THP_DISABLE = 42, PR_GET_TSC = 25, PR_MCE_KILL_GET = 34, PR_GET_SPECULATION_CTRL = 52, PR_GET_IO_FLUSHER = 58, PR_GET_MDWE = 66, PR_GET_MEMORY_MERGE = 68;
/** MEMBARRIER_CMD_GET_REGISTRATIONS of <linux/membarrier.h> (Linux 6.3). */
const MEMBARRIER_CMD_GET_REGISTRATIONS = 1 << 9;

/** What only the process itself can be asked. */
export interface ProcessFacts {
  readonly brk: bigint;
  readonly dumpable: number;
  readonly thpDisabled: boolean;
  /** PR_GET_THP_DISABLE's answer: more than 1 says for which mappings huge pages are not disabled. */
  readonly thpFlags: number;
  /** PR_GET_MDWE: whether memory may become executable; 0 also when the kernel cannot tell. */
  readonly mdwe: number;
  /** PR_GET_MEMORY_MERGE: equal pages of it are merged (KSM). */
  readonly memoryMerge: boolean;
  readonly childSubreaper: boolean;
  /** MEMBARRIER_CMD_REGISTER_* in force; 0 also when the kernel cannot tell. */
  readonly membarrier: number;
}

/** Steps of the leader. */
export function askProcess(program: Program): (ran: RanBlock) => ProcessFacts {
  program.resource('process');
  const brk = program.call('brk', [0]);
  const dumpable = program.call('prctl', [PR_GET_DUMPABLE]);
  const thp = program.call('prctl', [PR_GET_THP_DISABLE, 0, 0, 0, 0], { expect: 'any' });
  const mdwe = program.call('prctl', [PR_GET_MDWE, 0, 0, 0, 0], { expect: 'any' });
  const merge = program.call('prctl', [PR_GET_MEMORY_MERGE, 0, 0, 0, 0], { expect: 'any' });
  const membarrier = program.call('membarrier', [MEMBARRIER_CMD_GET_REGISTRATIONS, 0, 0], { expect: 'any' });
  const subreaper = program.reserve(8);
  program.call('prctl', [PR_GET_CHILD_SUBREAPER, subreaper], { keep: false });
  return (ran) => ({
    brk: ran.result(brk), dumpable: Number(ran.result(dumpable)), thpDisabled: ran.result(thp) > 0n,
    thpFlags: Math.max(0, Number(ran.result(thp))), mdwe: Math.max(0, Number(ran.result(mdwe))), memoryMerge: ran.result(merge) > 0n,
    membarrier: Math.max(0, Number(ran.result(membarrier))), childSubreaper: ran.data(subreaper).readInt32LE(0) !== 0,
  });
}

/** What only a thread itself can be asked. */
export interface ThreadFacts {
  readonly clearTidAddress: bigint;
  readonly pdeathSignal: number;
  /** Nanoseconds. */
  readonly timerSlack: bigint;
  /** PR_TSC_*; 0 when the kernel does not tell. */
  readonly tscMode: number;
  /** PR_MCE_KILL_*; below 0 when the kernel does not tell. */
  readonly mceKill: number;
  /** PR_GET_IO_FLUSHER; false also when we may not ask. */
  readonly ioFlusher: boolean;
  /** PR_GET_SPECULATION_CTRL's answers for PR_SPEC_STORE_BYPASS and PR_SPEC_INDIRECT_BRANCH; below 0 when it cannot be controlled. */
  readonly speculation: readonly [number, number];
}

/** Steps of each thread. */
export function askThread(program: Program): (ran: RanBlock) => ThreadFacts {
  const tidAddress = program.reserve(8);
  const pdeath = program.reserve(8);
  program.call('prctl', [PR_GET_TID_ADDRESS, tidAddress], { keep: false, resource: 'clear_child_tid' });
  program.call('prctl', [PR_GET_PDEATHSIG, pdeath], { keep: false, resource: 'parent death signal' });
  const slack = program.call('prctl', [PR_GET_TIMERSLACK], { resource: 'timer slack' });
  const tsc = program.reserve(8);
  program.call('prctl', [PR_GET_TSC, tsc, 0, 0, 0], { keep: false, expect: 'any', resource: 'time stamp counter' });
  const mce = program.call('prctl', [PR_MCE_KILL_GET, 0, 0, 0, 0], { expect: 'any', resource: 'machine check policy' });
  const flusher = program.call('prctl', [PR_GET_IO_FLUSHER, 0, 0, 0, 0], { expect: 'any', resource: 'I/O flusher' });
  const [bypass, branch] = [0, 1].map((which) => program.call('prctl', [PR_GET_SPECULATION_CTRL, which, 0, 0, 0], { expect: 'any', resource: 'speculation control' }));
  return (ran) => ({
    clearTidAddress: ran.data(tidAddress).readBigUInt64LE(0), pdeathSignal: ran.data(pdeath).readInt32LE(0), timerSlack: ran.result(slack),
    tscMode: ran.data(tsc).readInt32LE(0), mceKill: Number(ran.result(mce)), ioFlusher: ran.result(flusher) > 0n,
    speculation: [Number(ran.result(bypass!)), Number(ran.result(branch!))],
  });
}

/** What /proc says. */
export interface ProcessSettings {
  readonly limits: task_rlimits_entry;
  /** Absent where the kernel keeps none. */
  readonly loginuid: number | undefined;
  readonly oomScoreAdj: number;
  readonly personality: number;
  /** Which kinds of mapping a core dump has (core(5)). */
  readonly coredumpFilter: number;
}

/** What was read last, and what it means: the processes of a tree mostly have the same limits. */
let last: { text: string; limits: task_rlimits_entry } | undefined;

function limitsOf(text: string): task_rlimits_entry {
  if (last?.text !== text) {
    last = { text, limits: shared(create(task_rlimits_entry, { rlimits: parseLimits(text).map(({ soft, hard }) => create(rlimit_entry, { cur: soft, max: hard })) })) };
  }
  return last.limits;
}

export function processSettings(pid: number): ProcessSettings {
  const loginuid = tryReadProcText(`/proc/${pid}/loginuid`);
  return {
    limits: limitsOf(readProcRecord(`/proc/${pid}/limits`)),
    loginuid: loginuid === undefined ? undefined : Number(loginuid) >>> 0,
    oomScoreAdj: Number(readProcRecord(`/proc/${pid}/oom_score_adj`)),
    coredumpFilter: parseInt(readProcRecord(`/proc/${pid}/coredump_filter`), 16),
    personality: parseInt(readProcRecord(`/proc/${pid}/personality`), 16),
  };
}
