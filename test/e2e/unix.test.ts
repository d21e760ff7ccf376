/** Unix sockets inside the tree. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const unix = suite('unix sockets');
unix('dump and restore', async () => { await roundTrip('unix'); });
unix('dump with -R, then restore', async () => { await roundTrip('unix', { leaveRunning: true }); });
unix('three times over', async () => { await roundTrip('unix', { times: 3 }); });
unix.run();
