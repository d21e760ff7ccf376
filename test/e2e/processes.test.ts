/** Descriptors about processes: pidfds, files below /proc. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

/** A zombie made again has no handlers any more, which nobody but /proc can tell. */
const mayDiffer = [/ SigCgt$/u];
const processes = suite('processes');
processes('dump and restore', async () => { await roundTrip('processes', { mayDiffer }); });
processes('dump with -R, then restore', async () => { await roundTrip('processes', { mayDiffer, leaveRunning: true }); });
processes('three times over', async () => { await roundTrip('processes', { mayDiffer, times: 3 }); });
processes.run();
