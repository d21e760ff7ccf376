/** Huge pages: MAP_HUGETLB private and shared, memfd, System V shared memory. The pool is made large enough for the time of the test. */
import { readFileSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import { roundTrip } from '../support/round-trip.ts';

const huge = suite('huge');
const POOL = '/sys/kernel/mm/hugepages/hugepages-2048kB';
const NEEDED = 24;
const read = (name: string): number => Number(readFileSync(`${POOL}/${name}`, 'latin1'));
const had = read('nr_hugepages');

huge.before(() => {
  const missing = NEEDED - (read('free_hugepages') - read('resv_hugepages'));
  if (missing > 0) writeFileSync(`${POOL}/nr_hugepages`, String(had + missing));
  const free = read('free_hugepages');
  if (free < NEEDED) throw new Error(`this machine has no memory for ${NEEDED} huge pages of 2 MiB: ${free} are free`);
});
huge.after(() => { writeFileSync(`${POOL}/nr_hugepages`, String(had)); });
huge('dump and restore', async () => { await roundTrip('huge'); });
huge('dump with -R, then restore', async () => { await roundTrip('huge', { leaveRunning: true }); });
huge('System V shared memory', async () => { await roundTrip('sysv', { args: ['huge'], leaveRunning: true }); });
huge.run();
