/** Memory: contents, protections, sharing, copy-on-write after fork, guard regions, advice. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const memory = suite('memory');
memory('dump and restore', async () => { await roundTrip('memory'); });
memory('dump with -R, then restore', async () => { await roundTrip('memory', { leaveRunning: true }); });
memory('three times over', async () => { await roundTrip('memory', { times: 3 }); });
memory.run();
