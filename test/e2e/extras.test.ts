/** What only our own image keeps of memory and of a process. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const extras = suite('extras');
extras('dump and restore', async () => { await roundTrip('extras'); });
extras('memory that may not become executable', async () => { await roundTrip('extras', { args: ['mdwe'], leaveRunning: true }); });
extras.run();
