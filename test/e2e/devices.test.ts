/** Character devices: consoles, virtual terminals, serial lines, memory devices; deleted ones. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const devices = suite('devices');
devices('dump and restore', async () => { await roundTrip('devices'); });
devices('dump with -R, then restore', async () => { await roundTrip('devices', { leaveRunning: true }); });
devices.run();
