/** Huge pages: MAP_HUGETLB private and shared, memfd. Needs a pool of at least 16 free ones of 2 MiB (vm.nr_hugepages): without it there is nothing to test. */
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const huge = suite('huge');
const FREE = '/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages';
const NEEDED = 16;
const has = (() => {
  try { return Number(readFileSync(FREE, 'latin1')) >= NEEDED; } catch { return false; }
})();
if (has) {
  huge('dump and restore', async () => { await roundTrip('huge'); });
  huge('dump with -R, then restore', async () => { await roundTrip('huge', { leaveRunning: true }); });
} else {
  huge.skip(`there are not ${NEEDED} free huge pages of 2 MiB (vm.nr_hugepages)`, () => {});
}
huge.run();
