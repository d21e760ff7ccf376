/** Pipes: data in flight, shared between tasks, full, closed, resized. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const pipes = suite('pipes');
pipes('dump and restore', async () => { await roundTrip('pipes'); });
pipes('dump with -R, then restore', async () => { await roundTrip('pipes', { leaveRunning: true }); });
pipes('three times over', async () => { await roundTrip('pipes', { times: 3 }); });
pipes('packets', async () => { await roundTrip('pipes', { args: ['packets'], leaveRunning: true }); });
pipes('packets, three times over', async () => { await roundTrip('pipes', { args: ['packets'], times: 3 }); });
pipes.run();
