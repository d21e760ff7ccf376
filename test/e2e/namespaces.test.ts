/** Trees in namespaces of their own: what these hold is theirs again after the restore, and the machine's stay as they were. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hostname } from 'node:os';
import { readlinkSync } from 'node:fs';
import { dumped, failEachStep } from '../support/faults.ts';
import { roundTrip } from '../support/round-trip.ts';
import { TestProgram, treeOf } from '../support/program.ts';
import { OURS, dump, restore } from '../support/tool.ts';

const ns = (pid: number | 'self', kind: string): string => readlinkSync(`/proc/${pid}/ns/${kind}`);

const uts = suite('a UTS namespace');
uts('dump and restore', async () => {
  const name = hostname();
  await roundTrip('uts', { meanwhile: ({ pid }) => assert.is.not(ns(pid, 'uts'), ns('self', 'uts')) });
  assert.is(hostname(), name);
});
uts('three times, with -R', async () => { await roundTrip('uts', { times: 3, leaveRunning: true }); });
uts('joins another instead', async () => {
  const [holder, program] = [new TestProgram('hold', { args: ['uts'] }), new TestProgram('uts')];
  try {
    await holder.waitFor(/^ready$/m);
    await program.waitFor(/^ready$/m);
    const pids = treeOf(program.pid);
    await dump(OURS, program.pid, program.images);
    await program.gone(pids);
    await restore(OURS, program.images, ['--join-ns', `uts:${holder.pid}`]);
    assert.is(ns(program.pid, 'uts'), ns(holder.pid, 'uts'));
  } finally {
    await program.stop();
    await holder.stop();
  }
});
uts.run();

const ipc = suite('an IPC namespace');
ipc('dump and restore', async () => {
  await roundTrip('ipc', { meanwhile: ({ pid }) => assert.is.not(ns(pid, 'ipc'), ns('self', 'ipc')) });
});
ipc('three times, with -R', async () => { await roundTrip('ipc', { times: 3, leaveRunning: true }); });
ipc('a restore that fails leaves nothing, and names what failed', async () => {
  const job = await dumped('ipc');
  try {
    const steps = await failEachStep(job, (resource) => /^(IPC namespace$|message queue|semaphore set)/.test(resource));
    assert.ok(steps > 20, `${steps} steps`);
  } finally {
    await job.program.stop();
  }
});
ipc.run();
