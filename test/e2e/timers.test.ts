/** Interval and POSIX timers: ids, periods, what was left. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const timers = suite('timers');
// a CPU clock and a periodic timer move by themselves
const mayDiffer = [/ (timers|thread \d+ ShdPnd|thread \d+ SigPnd)$/];
timers('dump and restore', async () => { await roundTrip('timers', { mayDiffer }); });
timers('dump with -R, then restore', async () => { await roundTrip('timers', { leaveRunning: true, mayDiffer }); });
timers.run();
