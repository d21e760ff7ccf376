/** Users, groups, capabilities, securebits, resource limits, scheduling. Needs root; no CAP_SYS_RESOURCE. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const credentials = suite('credentials');
for (const variant of ['root', 'mixed', 'limits', 'realtime', 'own']) {
  credentials(variant, async () => { await roundTrip('credentials', { args: [variant] }); });
}
credentials('root, dumped with -R', async () => { await roundTrip('credentials', { args: ['root'], leaveRunning: true }); });
credentials('another user', async () => { await roundTrip('credentials', { args: ['user'], uid: 1234 }); });
credentials.run();
