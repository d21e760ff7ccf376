/** Signals: actions, masks, pending queues with siginfo, alternate stack. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const signals = suite('signals');
signals('dump and restore', async () => { await roundTrip('signals'); });
signals('dump with -R, then restore', async () => { await roundTrip('signals', { leaveRunning: true }); });
signals('three times over', async () => { await roundTrip('signals', { times: 3 }); });
signals.run();
