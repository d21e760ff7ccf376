/** File locks: taken along with -l, refused by name without. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TestProgram } from '../support/program.ts';
import { roundTrip } from '../support/round-trip.ts';
import { OURS, run } from '../support/tool.ts';

const withLocks = { dumpOptions: ['-l'], restoreOptions: ['-l'] };
const locks = suite('locks');
locks('dump and restore', async () => { await roundTrip('locks', withLocks); });
locks('dump with -R, then restore', async () => { await roundTrip('locks', { ...withLocks, leaveRunning: true }); });
locks('three times over', async () => { await roundTrip('locks', { ...withLocks, times: 3 }); });

locks('refused without -l, naming file and task; nothing has changed', async () => {
  const program = new TestProgram('locks');
  try {
    await program.waitFor(/^ready$/m);
    const ran = await run('mkdir', ['-p', program.images]);
    assert.is(ran.status, 0);
    const { status, output } = await run(OURS, ['dump', '-t', String(program.pid), '-D', program.images, '-R']);
    assert.is.not(status, 0);
    for (const words of ['/posix', '/flock', '/ofd', '/write', `task ${program.pid}`, 'an flock', 'a lease', 'a POSIX lock', '-l (--file-locks)']) assert.match(output, words);
    await program.verdict();
  } finally {
    await program.stop();
  }
});
locks.run();
