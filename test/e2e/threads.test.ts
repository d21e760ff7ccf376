/** Threads: registers with extended state, masks, alternate stacks, thread-local storage, names. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const threads = suite('threads');
threads('keep what is their own', async () => { await roundTrip('threads'); });
threads('keep what is their own, dumped with -R', async () => { await roundTrip('threads', { leaveRunning: true }); });
threads('three times over', async () => { await roundTrip('threads', { times: 3 }); });
threads.run();
