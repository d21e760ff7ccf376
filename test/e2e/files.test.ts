/** Open files: positions, flags, sharing, deleted files. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const files = suite('files');
files('dump and restore', async () => { await roundTrip('files'); });
files('dump with -R, then restore', async () => { await roundTrip('files', { leaveRunning: true }); });
files('deleted files', async () => { await roundTrip('files', { args: ['deleted'] }); });
files('deleted files, dumped with -R, twice', async () => { await roundTrip('files', { args: ['deleted'], leaveRunning: true, times: 2 }); });
files.run();
