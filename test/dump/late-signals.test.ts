/** Signals that come while a tree stands: kept, unless their timer fires once more after the restore. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { create } from '../../src/image/wire.ts';
import { itimer_entry, posix_timer_entry, task_timers_entry } from '../../src/image/schema/index.ts';
import { SIG } from '../../src/kernel/signals.ts';
import { withLate } from '../../src/resources/signals/late.ts';
import { started } from '../../src/resources/timers/dump.ts';

const SI_USER = 0, SI_KERNEL = 0x80, SI_TIMER = -2;

function siginfo(signal: number, code: number, id = 0): Buffer {
  const bytes = Buffer.alloc(128);
  bytes.writeInt32LE(signal, 0);
  bytes.writeInt32LE(code, 8);
  bytes.writeInt32LE(id, 16);
  return bytes;
}

const itimer = (us: number): itimer_entry => create(itimer_entry, { isec: 0n, iusec: 0n, vsec: BigInt(Math.floor(us / 1e6)), vusec: BigInt(us % 1e6) });
/** @param posix nanoseconds left of timer 0, 1, ... */
const timers = ({ real = 0, prof = 0, posix = [] as number[] } = {}): task_timers_entry => create(task_timers_entry, {
  real: itimer(real), virt: itimer(0), prof: itimer(prof),
  posix: posix.map((ns, it_id) => create(posix_timer_entry, { it_id, clock_id: 1, si_signo: SIG.USR1, it_sigev_notify: 0, sival_ptr: 0n, overrun: 0, isec: 0n, insec: 0n, vsec: 0n, vnsec: BigInt(ns) })),
});
const shared = (first: Buffer[], now: Buffer[], of: task_timers_entry, elapsedMs: number): readonly Buffer[] => withLate({ pending: [], sharedPending: first }, { pending: [], sharedPending: now }, of, elapsedMs).sharedPending;

const late = suite('withLate');
late('what others sent is kept, after what waited before; of both queues', () => {
  const [a, b] = [siginfo(SIG.USR1, SI_USER, 7), siginfo(SIG.USR2, SI_USER, 8)];
  assert.equal(shared([a], [a, b], timers(), 50), [a, b]);
  assert.equal(withLate({ pending: [], sharedPending: [] }, { pending: [b], sharedPending: [a] }, timers(), 50), { pending: [b], sharedPending: [a] });
  assert.equal(shared([a, b], [b], timers(), 50), [b], 'a stop signal goes when SIGCONT comes');
});
late('an alarm that had nothing left when it was asked has fired before: its signal is kept', () => {
  const alarm = siginfo(SIG.ALRM, SI_KERNEL);
  assert.equal(shared([], [alarm], timers(), 50), [alarm]);
  assert.equal(shared([], [alarm], timers({ real: 49_000 }), 50), [], 'it fires again');
  assert.equal(shared([], [alarm], timers({ real: 51_000 }), 50), [alarm], 'it cannot have been that timer');
  assert.equal(shared([alarm], [alarm], timers({ real: 49_000 }), 50), [alarm], 'it waited before');
  const user = siginfo(SIG.ALRM, SI_USER);
  assert.equal(shared([], [user], timers({ real: 49_000 }), 50), [user], 'somebody sent it');
  assert.equal(shared([], [siginfo(SIG.PROF, SI_KERNEL)], timers({ prof: 1 }), 50), []);
});
late('a POSIX timer by its number', () => {
  const fired = (id: number): Buffer => siginfo(SIG.USR1, SI_TIMER, id);
  assert.equal(shared([], [fired(0), fired(1), fired(2)], timers({ posix: [0, 49e6, 51e6] }), 50), [fired(0), fired(2)]);
  assert.equal(shared([], [fired(9)], timers(), 50), [fired(9)]);
  const real = siginfo(34, SI_USER, 5);
  assert.equal(shared([real], [real, real], timers(), 50), [real, real], 'equal ones are counted');
});
late('an interval timer whose signal waits starts anew', () => {
  assert.equal(started({ isec: 1n, iusec: 5n, vsec: 0n, vusec: 0n }), { isec: 1n, iusec: 5n, vsec: 1n, vusec: 5n });
  assert.equal(started({ isec: 1n, iusec: 5n, vsec: 0n, vusec: 3n }), { isec: 1n, iusec: 5n, vsec: 0n, vusec: 3n });
  assert.equal(started({ isec: 0n, iusec: 0n, vsec: 0n, vusec: 0n }), { isec: 0n, iusec: 0n, vsec: 0n, vusec: 0n });
});
late.run();
