/** Families: children, zombies with their exit statuses, sessions, process groups. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const tree = suite('tree');
tree('dump and restore', async () => { await roundTrip('tree'); });
tree('dump with -R, then restore', async () => { await roundTrip('tree', { leaveRunning: true }); });
tree('three times over', async () => { await roundTrip('tree', { times: 3 }); });
tree('a zombie with status 255', async () => { await roundTrip('tree', { args: ['255'] }); });
tree.run();
