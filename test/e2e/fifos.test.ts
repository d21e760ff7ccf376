/** Named pipes: data in flight, single ends, deleted ones. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const fifos = suite('fifos');
fifos('dump and restore', async () => { await roundTrip('fifos'); });
fifos('dump with -R, then restore', async () => { await roundTrip('fifos', { leaveRunning: true }); });
fifos('three times over', async () => { await roundTrip('fifos', { times: 3 }); });
fifos.run();
