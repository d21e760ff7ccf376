/** inotify and fanotify: watches are found again by name, also on deleted files; nothing of the restore is seen through them. */
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const watches = suite('watches');
for (const kind of ['inotify', 'fanotify']) {
  watches(`${kind}: dump and restore`, async () => { await roundTrip('watches', { args: [kind] }); });
  watches(`${kind}: dump with -R, then restore`, async () => { await roundTrip('watches', { args: [kind], leaveRunning: true }); });
}
watches.run();
