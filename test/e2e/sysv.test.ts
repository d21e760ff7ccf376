/** System V shared memory that the tree is attached to. What is left of a segment when the tree has ended is taken again. */
import { execFileSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { roundTrip, kill } from '../support/round-trip.ts';
import { TestProgram, treeOf } from '../support/program.ts';
import { OURS, dump, restore } from '../support/tool.ts';

const segments = (): string[] => execFileSync('ipcs', ['-m'], { encoding: 'utf8' }).split('\n').map((line) => line.split(/\s+/u)[1] ?? '').filter((id) => /^\d+$/u.test(id));
const remove = (ids: readonly string[]): void => { for (const id of ids) execFileSync('ipcrm', ['-m', id]); };

const sysv = suite('sysv');
sysv('dump and restore', async () => { await roundTrip('sysv'); });
sysv('dump with -R, then restore', async () => { await roundTrip('sysv', { leaveRunning: true }); });
sysv('three times over', async () => { await roundTrip('sysv', { times: 3 }); });
sysv('segments that are gone are made again', async () => {
  const before = segments();
  await roundTrip('sysv', { afterDump: () => { remove(segments().filter((id) => !before.includes(id))); } });
  assert.equal(segments(), before);
});
sysv('a restore that fails removes what it made', async () => {
  const program = new TestProgram('sysv');
  try {
    await program.waitFor(/^ready$/mu);
    const pids = treeOf(program.pid);
    await dump(OURS, program.pid, program.images);
    await program.gone(pids);
    const left = segments();
    remove(left.slice(-2)); // the two that are not marked for removal live on
    const before = segments();
    let failed = '';
    try {
      await restore(OURS, program.images, ['--action-script', '/bin/false']);
    } catch (error) {
      failed = (error as Error).message;
    }
    assert.match(failed, /script/u);
    assert.equal(segments(), before);
    await restore(OURS, program.images);
    assert.ok((await program.verdict()) > 5);
  } finally {
    kill(treeOf(program.pid));
    await program.stop();
  }
});
sysv('attached by somebody else: refused', async () => {
  const program = new TestProgram('sysv');
  try {
    await program.waitFor(/^ready$/mu);
    // the child alone: its parent is attached as well
    const child = treeOf(program.pid)[1]!;
    let failed = '';
    try {
      await dump(OURS, child, program.images, ['-j']);
    } catch (error) {
      failed = (error as Error).message;
    }
    assert.match(failed, new RegExp(`System V shared memory \\d+ is attached outside of the tree as well \\(process ${program.pid} \\(sysv\\)\\)`, 'u'), failed);
  } finally {
    await program.stop();
    remove(segments());
  }
});
sysv.run();
