/** POSIX message queues: they stay with their messages when the tree ends; those that are gone are made again when they were empty. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Helper } from '../../src/helper/client.ts';
import { Program } from '../../src/program/program.ts';
import { TestProgram, treeOf } from '../support/program.ts';
import { roundTrip } from '../support/round-trip.ts';
import { OURS, dump, restore } from '../support/tool.ts';

/** Removes the program's queues, as a new start of the system does. */
function unlink(pid: number): void {
  const program = new Program('helper');
  for (let i = 0; i < 2; i++) program.call('mq_unlink', [program.cstring(`sf-test-${pid}-${i}`)], { expect: 'any' });
  const helper = Helper.start();
  try {
    helper.local(program).check('unlink');
  } finally {
    helper.close();
  }
}

const mqueue = suite('mqueue');
mqueue('dump and restore', async () => { await roundTrip('mqueue'); });
mqueue('dump with -R, then restore', async () => { await roundTrip('mqueue', { leaveRunning: true }); });
mqueue('queues that are gone', async () => { await roundTrip('mqueue', { args: ['alone'], afterDump: ({ pid }) => { unlink(pid); } }); });
mqueue('messages that are gone: refused, and nothing is left', async () => {
  const program = new TestProgram('mqueue');
  try {
    await program.waitFor(/^ready$/mu);
    const pids = treeOf(program.pid);
    await dump(OURS, program.pid, program.images);
    await program.gone(pids);
    unlink(program.pid);
    for (let i = 0; i < 2; i++) {
      let failed = '';
      try {
        await restore(OURS, program.images);
      } catch (error) {
        failed = (error as Error).message;
      }
      assert.match(failed, /message queue \/sf-test-\d+-1.*ENOENT.*the messages that waited/u);
    }
  } finally {
    unlink(program.pid);
    await program.stop();
  }
});
mqueue.run();
