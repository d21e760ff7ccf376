/** Stopping, letting go, killing; the helper's own beginning and end. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { existsSync, readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Helper } from '../../src/helper/client.ts';
import { pickDoneSignal } from '../../src/helper/landing.ts';
import type { Seized } from '../../src/helper/protocol.ts';
import { Program } from '../../src/program/program.ts';
import { fixture, signals, sleep, tids, withHelper, withTask } from './tasks.ts';

const seize = suite('Helper.seize, detach, state');
const kill = suite('Helper.kill');
const life = suite('Helper.start, close');
const done = suite('pickDoneSignal');
const steady = fixture('steady');
const tracer = (pid: number): string => /TracerPid:\t(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1]!;

seize('what cannot be stopped is told one by one; the others are stopped', () => withTask('sleep', ['100'], (asleep) => withTask('sleep', ['100'], (other) => withHelper(async (helper) => {
  const zombie = spawn('true');
  await sleep(0);
  const shell = spawn('sh', ['-c', 'sleep 0 & exec sleep 50'], { stdio: 'ignore' }); // its child becomes a zombie
  await sleep(50);
  const dead = Number(readFileSync(`/proc/${shell.pid}/task/${shell.pid}/children`, 'latin1').trim());
  await withHelper((second) => {
    second.seize([other.pid]);
    // in a pid namespace (a container) no kernel thread is to be seen
    const kernel = existsSync('/proc/2/comm') && readFileSync('/proc/2/comm', 'latin1') === 'kthreadd\n' ? [2] : [];
    if (kernel.length === 0) console.log('SKIP a kernel thread: none is to be seen here');
    const [a, b, c, d, e] = helper.seize([asleep.pid, other.pid, 0x3ffffd, dead, ...kernel]);
    assert.equal([a!.status, a!.stopSignal, a!.zombie], [0, 0, false]);
    assert.is(b!.status, -1, 'traced by somebody else');
    assert.is(c!.status, -3);
    assert.equal([d!.status, d!.zombie], [-1, true]);
    if (e !== undefined) assert.is(e.status, -1, 'a kernel thread');
    assert.is(tracer(asleep.pid), String(helper.pid));
  });
  assert.equal(helper.detach([asleep.pid, 12345678]), [0, -3]);
  assert.is(tracer(asleep.pid), '0');
  assert.throws(() => helper.state([asleep.pid]), /ESRCH/);
  shell.kill('SIGKILL');
  zombie.kill();
}))));

seize('children that end meanwhile are stopped, gone or zombies, whatever the kernel says of them', () => withTask(fixture('forker'), [], async (task) => {
  await task.says('ready');
  await withHelper((helper) => {
    const told = new Set<string>();
    let child = 0;
    for (const end = Date.now() + 1000; Date.now() < end;) {
      child = Number(readFileSync(`/proc/${task.pid}/task/${task.pid}/children`, 'latin1').trim()) || child;
      if (child === 0) continue;
      const [{ status, zombie }] = helper.seize([child]) as [Seized];
      told.add(zombie ? 'a zombie' : status === 0 ? 'stopped' : status === -3 ? 'gone' : `not to be stopped (${status})`);
      if (status === 0) helper.detach([child]);
    }
    assert.equal([...told].sort(), ['a zombie', 'gone', 'stopped']);
  });
}));

seize('pending signals are told with their siginfo, the queue of the process with its leader', () => withTask(steady, [], async (task) => {
  await task.says('ok 2');
  await withHelper((helper) => {
    const all = tids(task.pid);
    helper.seize(all);
    process.kill(task.pid, 'SIGUSR1');
    process.kill(task.pid, 40);
    process.kill(task.pid, 40);
    const queue = (infos: readonly Buffer[]): number[] => infos.map((info) => info.readInt32LE(0)).sort();
    const states = helper.state(all);
    assert.equal(queue(states[0]!.sharedPending), [10, 40, 40]);
    assert.is(states[0]!.sharedPending[0]!.readInt32LE(16), process.pid);
    for (const state of states.slice(1)) assert.is(state.sharedPending.length, 0);
    assert.ok(states.every((state) => state.xstate.length === helper.hello.xstateSize));
    assert.ok(states.every((state) => state.rseq.pointer !== 0n || state.rseq.size === 0));
    helper.kill([task.pid]);
  });
}));

seize('a thread that was killed while it was stopped is handed to its parent by detach', () => withTask('sleep', ['100'], async (task) => {
  await withHelper(async (helper) => {
    assert.ok(helper.seize([task.pid])[0]!.seccompSuspended);
    task.kill('SIGKILL');
    await sleep(20);
    assert.is(helper.detach([task.pid])[0], -3);
    assert.is(await task.exited, 'SIGKILL');
  });
}));

seize('the end of the supervisor lets everything go', () => withTask('sleep', ['100'], async (task) => {
  await withHelper((helper) => { helper.seize([task.pid]); });
  assert.is(tracer(task.pid), '0');
  await sleep(20);
  assert.match(signals(task.pid), /State:\tS/);
}));

kill('traced threads and plain processes; what is gone is ESRCH', () => withTask(steady, [], (task) => withTask('sleep', ['100'], async (plain) => {
  await task.says('ok 1');
  await withHelper((helper) => {
    helper.seize(tids(task.pid));
    assert.equal(helper.kill([task.pid, plain.pid, 0x3ffffd, 0]), [0, 0, -3, -22]);
    for (const pid of [task.pid, plain.pid]) assert.match(readFileSync(`/proc/${pid}/stat`, 'latin1'), /\) Z /);
  });
  assert.is(await task.exited, 'SIGKILL');
})));

life('no binary, a binary that is none, a helper that is killed: told as such', () => {
  assert.throws(() => Helper.start({ path: '/no/such/helper' }), /start helper: posix_spawn \/no\/such\/helper: ENOENT/);
  const directory = mkdtempSync(join(tmpdir(), 'stillframe-life-'));
  writeFileSync(join(directory, 'false'), '#!/bin/sh\nexit 9\n', { mode: 0o755 });
  assert.throws(() => Helper.start({ path: join(directory, 'false') }), /start helper: helper \(pid \d+\): it ended: exit code 9/);
  rmSync(directory, { recursive: true });
  const helper = Helper.start();
  process.kill(helper.pid, 'SIGKILL');
  assert.throws(() => helper.seize([]), /seize threads: helper \(pid \d+\): it ended: killed by signal 9/);
  helper.close();
  assert.throws(() => helper.seize([]), /it was closed before/);
  assert.not(existsSync(`/proc/${helper.pid}`));
});

life('faults are refused unless asked for', () => withHelper((helper) => {
  assert.throws(() => helper.fault({ request: 'RUN', nth: 1, errno: 1 }), /EPERM/);
}));

life('a program that is not well-formed is refused', () => withHelper((helper) => {
  const program = new Program('helper');
  program.call('getpid');
  for (const [at, value] of [[0, 1], [4, 10], [8, 0xfffffff0], [12, 0x7fffffff], [20, 0x7fffffff], [24, 0xffffff00], [32, 0xfffffff0]] as const) {
    const encode = program.encode.bind(program);
    program.encode = (options) => {
      const block = encode(options);
      block.writeUInt32LE(value, at);
      return block;
    };
    assert.throws(() => helper.local(program), /EBADMSG|EOVERFLOW|EMSGSIZE|RangeError|ERR_OUT_OF_RANGE/, `word at ${at}`);
    program.encode = encode;
  }
  helper.local(program).check('test');
}));

done('the first of SIGURG, SIGWINCH, SIGCHLD that nobody uses', () => {
  const bit = (signal: number): bigint => 1n << BigInt(signal - 1);
  assert.is(pickDoneSignal({ caught: 0n, blocked: 0n, pending: 0n }), 23);
  assert.is(pickDoneSignal({ caught: bit(23), blocked: 0n, pending: 0n }), 28);
  assert.is(pickDoneSignal({ caught: bit(23), blocked: bit(28), pending: 0n }), 17);
  assert.is(pickDoneSignal({ caught: bit(23), blocked: bit(28), pending: bit(17) }), 0);
});

seize.run();
kill.run();
life.run();
done.run();
