/** Interrupted system calls: each is continued, neither losing nor gaining time. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const blocked = suite('blocked');
// threads whose time has come end while the rest is compared: only what the program itself says counts
const mayDiffer = [/./];
blocked('dump and restore', async () => { await roundTrip('blocked', { mayDiffer }); });
blocked('dump with -R, then restore', async () => { await roundTrip('blocked', { leaveRunning: true, mayDiffer }); });
blocked.run();
