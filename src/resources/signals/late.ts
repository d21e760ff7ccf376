/**
 * Signals that came while the tree stood. What waits for a thread is read when it has just been stopped; clocks go on, and others may signal it while it is looked at and its memory is
 * copied. A timer that fires in between has nothing left when it is asked, and its signal is not among those that were read: without a second look both are lost (so it
 * is with CRIU 4.2: an alarm every 9 ms does not survive six dumps, `test/programs/ticks.c`).
 */
import type { task_timers_entry } from '../../image/schema/index.ts';
import type { ThreadState } from '../../helper/protocol.ts';
import { SIG } from '../../kernel/signals.ts';

/** si_code of <asm-generic/siginfo.h>. */
const SI_KERNEL = 0x80, SI_TIMER = -2;
/** Where siginfo_t has si_signo, si_code and, of a timer, si_timerid. */
const SIGNO = 0, CODE = 8, TIMER_ID = 16;

type Queues = Pick<ThreadState, 'pending' | 'sharedPending'>;

/**
 * What waits for a thread, by what waited first and what waits now.
 * @param timers as they were asked between the two
 * @param elapsedMs at least the time since
 */
export function withLate(first: Queues, now: Queues, timers: task_timers_entry, elapsedMs: number): Queues {
  return { pending: late(first.pending, now.pending, timers, elapsedMs), sharedPending: late(first.sharedPending, now.sharedPending, timers, elapsedMs) };
}

function late(first: readonly Buffer[], now: readonly Buffer[], timers: task_timers_entry, elapsedMs: number): readonly Buffer[] {
  if (now.length === 0) return now;
  const known = [...first];
  return now.filter((siginfo) => {
    const at = known.findIndex((one) => one.equals(siginfo));
    if (at >= 0) known.splice(at, 1);
    return at >= 0 || !firesAgain(siginfo, timers, elapsedMs);
  });
}

/** Whether it comes from a timer that had not fired yet when it was asked: a restore lets it fire. */
function firesAgain(siginfo: Buffer, { real, virt, prof, posix }: task_timers_entry, elapsedMs: number): boolean {
  const [signal, code] = [siginfo.readInt32LE(SIGNO), siginfo.readInt32LE(CODE)];
  if (code === SI_TIMER) {
    const timer = posix.find(({ it_id }) => it_id === siginfo.readUInt32LE(TIMER_ID));
    return timer !== undefined && within(timer.vsec, timer.vnsec, 1_000_000, elapsedMs);
  }
  if (code !== SI_KERNEL) return false;
  const timer = signal === SIG.ALRM ? real : signal === SIG.VTALRM ? virt : signal === SIG.PROF ? prof : undefined;
  return timer !== undefined && within(timer.vsec, timer.vusec, 1000, elapsedMs);
}

/** Whether something was left, and is over by now. */
function within(seconds: bigint, rest: bigint, restsAMs: number, elapsedMs: number): boolean {
  const left = Number(seconds) * 1000 + Number(rest) / restsAMs;
  return left > 0 && left <= elapsedMs;
}
