/** Files in directories that were removed, and the directory of a process that is gone. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const gone = suite('gone');
gone('dump and restore', async () => { await roundTrip('gone'); });
gone('dump with -R, then restore', async () => { await roundTrip('gone', { leaveRunning: true }); });
gone.run();
