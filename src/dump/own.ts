/** Our own image: what tasks are and hold that CRIU's images have no place for. A tree with nothing of the kind has none. */
import { create } from '../image/wire.ts';
import { sf_task_entry, sf_thread_entry, stillframe_entry } from '../image/schema/index.ts';
import { namesOf, ownFlagsOf } from '../resources/memory/dump.ts';
import { STILLFRAME_VERSION } from '../version.ts';
import type { Collected, CollectedTask, Outside } from './collect.ts';

const VERSION = 1;
/** What every thread has that was never told otherwise, nanoseconds (kernel: init_task). */
const USUAL_TIMER_SLACK = 50_000n;
const USUAL_COREDUMP_FILTER = 0x33;
/** PR_TSC_ENABLE and PR_MCE_KILL_DEFAULT of <linux/prctl.h>. */
const USUAL_TSC_MODE = 1, USUAL_MCE_KILL = 2;
/** PR_SPEC_* of <linux/prctl.h>: a thread can choose, and has chosen one of those. */
const SPEC_PRCTL = 1, SPEC_GIVEN_UP = 0b11100;

/** What a thread has told of its speculation, if anything. */
const givenUp = (answer: number | undefined): number | undefined =>
  (answer !== undefined && answer > 0 && (answer & SPEC_PRCTL) !== 0 && (answer & SPEC_GIVEN_UP) !== 0 ? answer & SPEC_GIVEN_UP : undefined);

/** A value that is more than every process's. */
const orNothing = (value: number | undefined, usual: number): number | undefined => (value !== undefined && value > usual ? value : undefined);

/** @param affinity the CPUs we may run on */
export function ownEntry({ living }: Collected, outside: Outside, affinity: Uint8Array): stillframe_entry | undefined {
  const tasks = living.map((one) => taskEntry(one, outside, affinity)).filter((entry) => entry !== undefined);
  return tasks.length === 0 ? undefined : create(stillframe_entry, { version: VERSION, writer: STILLFRAME_VERSION, tasks });
}

function taskEntry({ task, answers, threads, mappings, settings }: CollectedTask, outside: Outside, usual: Uint8Array): sf_task_entry | undefined {
  const own = task.tids.map((tid) => {
    const facts = (tid === task.pid ? answers : threads.get(tid))?.facts;
    const slack = facts?.timerSlack ?? USUAL_TIMER_SLACK;
    const { affinity, ...rest } = outside.scheduling.get(tid)!.own;
    return create(sf_thread_entry, {
      tid, ...rest,
      // a mask that is also ours says nothing
      affinity: affinity !== undefined && Buffer.compare(affinity, usual) !== 0 ? affinity : undefined,
      timer_slack_ns: slack === USUAL_TIMER_SLACK || slack === 0n ? undefined : slack,
      tsc_mode: orNothing(facts?.tscMode, USUAL_TSC_MODE),
      mce_kill: facts === undefined || facts.mceKill < 0 || facts.mceKill === USUAL_MCE_KILL ? undefined : facts.mceKill,
      io_flusher: facts?.ioFlusher === true ? true : undefined,
      store_bypass: givenUp(facts?.speculation[0]), indirect_branch: givenUp(facts?.speculation[1]),
    });
  }).filter((entry) => Object.keys(entry).length > 1);
  const entry = create(sf_task_entry, {
    pid: task.pid, threads: own, vma_names: namesOf(mappings), vma_flags: ownFlagsOf(mappings),
    coredump_filter: settings.coredumpFilter === USUAL_COREDUMP_FILTER ? undefined : settings.coredumpFilter,
    thp_flags: orNothing(answers?.process.thpFlags, 1), mdwe: orNothing(answers?.process.mdwe, 0), memory_merge: answers?.process.memoryMerge === true ? true : undefined,
  });
  const said = own.length > 0 || entry.vma_names.length > 0 || entry.vma_flags.length > 0 || [entry.coredump_filter, entry.thp_flags, entry.mdwe, entry.memory_merge].some((value) => value !== undefined);
  return said ? entry : undefined;
}
