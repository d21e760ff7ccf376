/** Interrupted system calls: each is continued, neither losing nor gaining time. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const blocked = suite('blocked');
blocked('dump and restore', async () => { await roundTrip('blocked'); });
blocked('dump with -R, then restore', async () => { await roundTrip('blocked', { leaveRunning: true }); });
blocked.run();
