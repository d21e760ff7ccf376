/** Internet sockets: those without connections in every state, with every option. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const inet = suite('internet sockets');
inet('dump and restore', async () => { await roundTrip('inet'); });
inet('dump with -R, then restore', async () => { await roundTrip('inet', { leaveRunning: true }); });
inet('three times over', async () => { await roundTrip('inet', { times: 3 }); });
inet.run();
