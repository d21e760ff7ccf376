/** A restore without images: two processes with three threads between them, built from programs, taken over, run on. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { closeSync, existsSync } from 'node:fs';
import { State } from '../../src/program/program.ts';
import { loadLibc } from '../../src/helper/koffi.ts';
import { AwaitEnd } from '../../src/helper/protocol.ts';
import { withHelper } from './tasks.ts';
import { ARENA, CLONE_PARENT, SHARED, becoming, place, word } from './toy.ts';

const test = suite('Helper.arena, spawn, await, takeover');

test('three threads of two processes are parked, taken over, and run the code they were given', () => withHelper((helper) => {
  const toy = place(helper);
  const root = helper.spawn(toy.blocks[0]!, 0, CLONE_PARENT);
  assert.equal(helper.await(ARENA + SHARED, 3, 5000, toy.blocks), { end: AwaitEnd.ALL_PARKED, pid: 0, waitStatus: 0, parked: 3 });
  const threads = becoming(helper, toy);
  assert.is(threads[1]!.tid, root);
  for (const taken of helper.takeover(threads)) assert.is(taken.status, 0, `thread ${taken.tid}, step ${taken.where}`);
  const [state] = helper.state([root]);
  assert.is(state!.sigmask, 0x200n);
  assert.equal(state!.regs, threads[1]!.regs);
  assert.equal(helper.detach(threads.map(({ tid }) => tid)), [0, 0, 0]);
  assert.is(loadLibc().waitpid(root, true), 43 << 8);
  closeSync(toy.fd);
}));

test('a failed step of one ends the wait, is told by its block, and leaves no process', () => withHelper((helper) => {
  const toy = place(helper, { spoil: true });
  const root = helper.spawn(toy.blocks[0]!, 0, CLONE_PARENT);
  assert.is(helper.await(ARENA + SHARED, 3, 5000).end, AwaitEnd.ONE_FAILED);
  const block = helper.peek(helper.pid, toy.blocks[2]!, 72);
  assert.is(block.readUInt32LE(48), State.FAILED);
  assert.is(toy.programs[2]!.failure('restore', block.readUInt32LE(52), block.readBigInt64LE(56)).message, 'restore: task child, its cwd: chdir("/nowhere/at/all"): ENOENT');
  assert.is(loadLibc().waitpid(root, true), 1 << 8);
  closeSync(toy.fd);
}));

test('helper gone before it lets them go: they are gone too', async () => {
  let pids: number[] = [];
  await withHelper((helper) => {
    const toy = place(helper);
    helper.spawn(toy.blocks[0]!, 0);
    assert.is(helper.await(ARENA + SHARED, 3, 5000).end, AwaitEnd.ALL_PARKED);
    pids = [0, 2].map((i) => word(helper, toy.blocks[i]!, 64));
    closeSync(toy.fd);
  });
  for (const end = Date.now() + 2000; pids.some((pid) => existsSync(`/proc/${pid}`)) && Date.now() < end;) await new Promise((done) => setTimeout(done, 5));
  assert.equal(pids.filter((pid) => existsSync(`/proc/${pid}`)), []);
});

test('an arena where the helper has memory already is refused', () => withHelper((helper) => {
  assert.throws(() => helper.arena(0x400000n, 65536n), /map the arena.*EEXIST/);
}));

test.run();
