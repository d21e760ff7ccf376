/** Huge pages: MAP_HUGETLB private and shared, memfd, System V shared memory. The pool is made large enough for the time of the test. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
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
for (const leaveRunning of [false, true]) {
  huge(`files of a hugetlbfs mount, ${leaveRunning ? 'with -R' : 'the tree ends'}`, async () => {
    const mount = mkdtempSync(join(tmpdir(), 'sf-hugetlbfs-'));
    const mounted = spawnSync('mount', ['-t', 'hugetlbfs', '-o', 'pagesize=2M', 'none', mount], { encoding: 'utf8' });
    assert.is(mounted.status, 0, mounted.stderr);
    try {
      await roundTrip('huge', { args: [mount], leaveRunning });
    } finally {
      spawnSync('umount', ['-l', mount]);
      rmSync(mount, { recursive: true });
    }
  });
}
huge('System V shared memory', async () => { await roundTrip('sysv', { args: ['huge'], leaveRunning: true }); });
huge.run();
