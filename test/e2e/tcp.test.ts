/** TCP connections: kept, or found closed. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const KEEP = { dumpOptions: ['--tcp-established'], restoreOptions: ['--tcp-established'] };

const inside = suite('TCP connections inside of the tree');
inside('dump and restore', async () => { await roundTrip('tcp', KEEP); });
inside('dump with -R, then restore', async () => { await roundTrip('tcp', { ...KEEP, leaveRunning: true }); });
inside('three times over', async () => { await roundTrip('tcp', { ...KEEP, times: 3 }); });
inside('found closed: dump', async () => { await roundTrip('tcp', { args: ['closed'], dumpOptions: ['--tcp-close'], restoreOptions: ['--tcp-close'] }); });
inside('found closed: restore', async () => { await roundTrip('tcp', { args: ['closed'], dumpOptions: ['--tcp-established'], restoreOptions: ['--tcp-close'] }); });
inside.run();
