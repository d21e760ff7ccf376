/** What a program knows of its start: arguments, environment, auxv, exe, vDSO, rseq. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const environment = suite('environment');
const env = { CHECK_THIS: 'a value with spaces\tand é', EMPTY: '' };
environment('dump and restore', async () => { await roundTrip('environment', { args: ['one', '', 'a b\nc'], env }); });
environment('a rewritten title', async () => { await roundTrip('environment', { args: ['rewrite', 'x'.repeat(5000)], env }); });
environment('three times over, once with -R', async () => {
  await roundTrip('environment', { args: ['one'], env, times: 3 });
  await roundTrip('environment', { args: ['one'], env, leaveRunning: true });
});
environment.run();
