/** A thread inside a restartable sequence is told, and goes on, at the sequence's abort address. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Program } from '../../src/program/program.ts';
import { fixture, landingOf, runsOn, sleep, withHelper, withTask } from './tasks.ts';

const test = suite('restartable sequences');
const SIGURG = 23;
const RIP = 16 * 8;
const aborts = (output: string): number => Number(/ok \d+ (\d+)\n$/.exec(output)?.[1]);

test('a thread stopped inside one is moved to its abort address, with or without a program run in it', () => withTask(fixture('rseq'), [], async (task) => {
  await task.says('ok 2');
  const before = aborts(task.output);
  let inside = 0;
  await withHelper(async (helper) => {
    for (let round = 0; round < 100; round++) {
      helper.seize([task.pid]);
      const state = helper.state([task.pid])[0]!;
      assert.ok(state.rseq.pointer !== 0n);
      if (state.rseq.aborted) inside++;
      if (round % 2 === 0) {
        const program = new Program('task');
        program.call('getpid');
        helper.run(task.pid, program, { landing: landingOf(helper, task.pid), doneSignal: SIGURG }).check('test');
        const after = helper.state([task.pid])[0]!;
        assert.is(after.regs.readBigUInt64LE(RIP), state.regs.readBigUInt64LE(RIP));
      }
      helper.detach([task.pid]);
      await sleep(1);
    }
  });
  assert.ok(inside > 50, `${inside} of 100 stops were inside the sequence`);
  await runsOn(task);
  assert.ok(aborts(task.output) - before >= inside, 'the abort handler ran for each');
}));

test.run();
