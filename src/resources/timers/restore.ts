/** Interval timers and POSIX timers; armed as late as possible, after the threads exist that some of them signal. */
import type { itimer_entry, task_timers_entry } from '../../image/schema/index.ts';
import { started } from './dump.ts';
import { PR } from '../../kernel/process.ts';
import type { Program } from '../../program/program.ts';

const SIGEVENT_SIZE = 64;
const SIGEV_THREAD_ID = 4;
const ITIMERS = ['real', 'virt', 'prof'] as const;
const INTERVAL_NAMES = { real: 'ITIMER_REAL', virt: 'ITIMER_VIRTUAL', prof: 'ITIMER_PROF' } as const;

export function addTimers(p: Program, timers: task_timers_entry | undefined): void {
  if (timers === undefined) return;
  for (const timer of timers.posix) {
    p.resource(`POSIX timer ${timer.it_id}`);
    p.call('prctl', [PR.TIMER_CREATE_RESTORE_IDS, 1, 0, 0, 0], { keep: false, remedy: { EINVAL: 'Timers keep their numbers only on Linux 6.15 and later' } });
    const event = Buffer.alloc(SIGEVENT_SIZE);
    event.writeBigUInt64LE(timer.sival_ptr, 0);
    event.writeInt32LE(timer.si_signo | 0, 8);
    event.writeInt32LE(timer.it_sigev_notify | 0, 12);
    if ((timer.it_sigev_notify & SIGEV_THREAD_ID) !== 0) event.writeInt32LE(timer.notify_thread_id ?? 0, 16);
    const id = p.data(Buffer.from(Uint32Array.of(timer.it_id).buffer));
    p.call('timer_create', [timer.clock_id | 0, p.data(event), id], { keep: false });
    p.call('prctl', [PR.TIMER_CREATE_RESTORE_IDS, 0, 0, 0, 0], { keep: false });
    p.call('timer_settime', [timer.it_id, 0, p.data(words(timer.isec, timer.insec, timer.vsec, timer.vnsec)), 0], { keep: false });
  }
  ITIMERS.forEach((which, number) => {
    const timer = started(timers[which]);
    if (!armed(timer)) return;
    p.resource(INTERVAL_NAMES[which]).call('setitimer', [number, p.data(words(timer.isec, timer.iusec, timer.vsec, timer.vusec)), 0], { keep: false });
  });
}

const armed = (timer: itimer_entry): boolean => timer.vsec !== 0n || timer.vusec !== 0n;

/** struct itimerspec and struct itimerval alike: interval, value. */
function words(...values: bigint[]): Uint8Array {
  return new Uint8Array(BigInt64Array.from(values.map((n) => BigInt.asIntN(64, n))).buffer);
}
