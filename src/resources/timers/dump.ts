/** Interval timers and POSIX timers of a process. Times are what is left at the moment of the freeze. */
import { create } from '../../image/wire.ts';
import { itimer_entry, posix_timer_entry, task_timers_entry } from '../../image/schema/index.ts';
import { SIGEV_THREAD_ID, type ProcTimer } from '../../proc/timers.ts';
import type { Program, RanBlock } from '../../program/program.ts';

/** ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF. */
const ITIMERS = [0, 1, 2] as const;
/** struct itimerval and struct itimerspec: interval, then value. */
const TIMER_SIZE = 32;

/** Steps of the leader. @param timers as /proc lists them */
export function askTimers(program: Program, timers: readonly ProcTimer[]): (ran: RanBlock) => task_timers_entry {
  program.resource('interval timers');
  const interval = program.reserve(ITIMERS.length * TIMER_SIZE);
  for (const which of ITIMERS) program.call('getitimer', [which, interval.at(which * TIMER_SIZE)], { keep: false });
  const posix = program.reserve(timers.length * TIMER_SIZE);
  const overruns = timers.map((timer, i) => {
    program.call('timer_gettime', [timer.id, posix.at(i * TIMER_SIZE)], { keep: false, resource: `POSIX timer ${timer.id}` });
    return program.call('timer_getoverrun', [timer.id], { resource: `POSIX timer ${timer.id}` });
  });
  return (ran) => {
    const [real, virt, prof] = ITIMERS.map((which) => {
      const [isec, iusec, vsec, vusec] = words(ran.data(interval.at(which * TIMER_SIZE), TIMER_SIZE));
      return create(itimer_entry, started({ isec, iusec, vsec, vusec }));
    });
    return create(task_timers_entry, {
      real: real!, virt: virt!, prof: prof!,
      posix: timers.map((timer, i) => {
        const [isec, insec, vsec, vnsec] = words(ran.data(posix.at(i * TIMER_SIZE), TIMER_SIZE));
        return create(posix_timer_entry, {
          it_id: timer.id, clock_id: timer.clock >>> 0, si_signo: timer.signal, it_sigev_notify: timer.notify, sival_ptr: timer.value,
          overrun: Number(ran.result(overruns[i]!)), isec, insec, vsec, vnsec,
          notify_thread_id: timer.notify === SIGEV_THREAD_ID ? timer.target : undefined,
        });
      }),
    });
  };
}

/**
 * An interval timer that has fired and whose signal waits has nothing left, as the kernel starts it again when the signal is delivered (kernel/time/itimer.c). So that a restore does not
 * leave it disarmed it has a whole interval then.
 */
export function started<T extends Pick<itimer_entry, 'isec' | 'iusec' | 'vsec' | 'vusec'>>(timer: T): T {
  return timer.vsec === 0n && timer.vusec === 0n ? { ...timer, vsec: timer.isec, vusec: timer.iusec } : timer;
}

const words = (at: Buffer): [bigint, bigint, bigint, bigint] => [0, 8, 16, 24].map((o) => at.readBigUInt64LE(o)) as [bigint, bigint, bigint, bigint];
