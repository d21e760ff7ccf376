/** Signal-driven I/O: owners of every sort, the signal, the descriptor it tells. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const sigio = suite('sigio');
sigio('dump and restore', async () => { await roundTrip('sigio'); });
sigio('dump with -R, then restore', async () => { await roundTrip('sigio', { leaveRunning: true }); });
sigio.run();
