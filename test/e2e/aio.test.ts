/** Asynchronous I/O contexts (io_setup): rings with events that wait. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const aio = suite('aio');
aio('dump and restore', async () => { await roundTrip('aio'); });
aio('dump with -R, then restore', async () => { await roundTrip('aio', { leaveRunning: true }); });
aio('a child has the memory only', async () => { await roundTrip('aio', { args: ['fork'], mayDiffer: [/ map /] }); });
aio('three times over', async () => { await roundTrip('aio', { times: 3 }); });
aio.run();
