/** Every step of a restore fails in turn: nothing is left, and the error names the step. Then the same set restores. */
// timeout: 300 s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { existsSync, readdirSync } from 'node:fs';
import { SILENT } from '../../src/log.ts';
import type { RestorePlan } from '../../src/restore/plan.ts';
import { restore } from '../../src/restore/restore.ts';
import { dumped, endIt, failEachStep, failing, nothingLeft, planOf, programsOf, type Dumped } from '../support/faults.ts';

async function finish(job: Dumped, checks: number): Promise<void> {
  restore(job.options, SILENT);
  assert.ok(existsSync(`/proc/${job.program.pid}`));
  assert.ok((await job.program.verdict()) >= checks);
}

const steps = suite('a step that fails');

steps('each in turn', async () => {
  const job = await dumped('assorted');
  try {
    const counts = programsOf(planOf(job)).map(({ steps: all }) => all.length);
    assert.ok(counts.length >= 8 && counts.slice(0, -1).every((count) => count > 0), `programs have steps: ${counts}`);
    const done = await failEachStep(job);
    assert.ok(done > 250, `${done} steps`);
    await finish(job, 10);
  } finally {
    await job.program.stop();
  }
});

steps('memory that is copied by several threads', async () => {
  const job = await dumped('large', ['160']);
  try {
    const done = await failEachStep(job, (resource) => resource.startsWith('memory contents'));
    assert.ok(done > 20, `${done} steps`);
    // without userfaultfd, and without the helping thread: it works all the same
    for (const refused of ['userfaultfd', 'thread'] as const) {
      const refuse = (plan: RestorePlan): void => {
        const root = plan.blocks[0]!.program;
        const at = root.steps.findIndex(({ resource, expect }) => expect === 'any' && resource === (refused === 'thread' ? 'memory contents, helping thread 1' : 'memory contents'));
        assert.ok(at >= 0, `the plan has a step for ${refused}`);
        root.steps[at] = { ...root.steps[at]!, op: 1, nr: 0xfff };
      };
      restore(job.options, SILENT, { planned: refuse });
      if (refused === 'userfaultfd') await endIt(job);
    }
    assert.ok((await job.program.verdict()) >= 2);
  } finally {
    await job.program.stop();
  }
});

steps('each last call of a thread in turn', async () => {
  const job = await dumped('assorted');
  try {
    const files = readdirSync(job.program.dir);
    const calls = planOf(job).blocks.flatMap(({ takeover }, block) => (takeover?.calls ?? []).map((_, call) => ({ block, call })));
    assert.ok(calls.length >= 8, `${calls.length} calls`);
    for (const { block, call } of calls) {
      let expected = '';
      const spoil = (p: RestorePlan): void => {
        const { takeover, program } = p.blocks[block]!;
        expected = `${program.subject}, ${takeover!.calls[call]!.resource}`;
        (takeover!.calls as { name: string; args: unknown[]; resource: string }[])[call] = { name: 'dup', args: [-1], resource: takeover!.calls[call]!.resource };
      };
      const message = failing(job, { planned: spoil }, `call ${call} of block ${block}`);
      assert.ok(message.includes(expected) && message.includes('EBADF'), `'${message}' should name '${expected}'`);
      await nothingLeft(job, files, expected);
    }
    await finish(job, 10);
  } finally {
    await job.program.stop();
  }
});

const requests = suite('a request to the helper that fails');

for (const errno of [12, 0]) {
  requests(errno === 0 ? 'the helper is killed at each point' : 'with an error at each point', async () => {
    const job = await dumped('assorted');
    try {
      const files = readdirSync(job.program.dir);
      let done = 0;
      for (const request of ['LOCAL', 'ARENA', 'SPAWN', 'AWAIT', 'TAKEOVER', 'DETACH'] as const) {
        for (let nth = 1; ; nth++) {
          let seen = nth;
          const what = `${request} ${nth}, errno ${errno}`;
          try {
            restore(job.options, SILENT, { fault: { request, nth, errno }, faultPoints: (points) => { seen = points; } });
            assert.ok(seen < nth, `${what} did nothing`);
            await endIt(job);
            await nothingLeft(job, files, `the end of ${request}`);
            break;
          } catch (error) {
            if (seen < nth) throw error;
            await nothingLeft(job, files, what);
            done++;
          }
        }
      }
      assert.ok(done > 20, `${done} points`);
      await finish(job, 10);
    } finally {
      await job.program.stop();
    }
  });
}

steps.run();
requests.run();
