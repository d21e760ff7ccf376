/** Running a program in a live task, and what the task notices of it: nothing, whatever fails, whoever dies. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Cond, Op, Program } from '../../src/program/program.ts';
import { StillframeError } from '../../src/errors.ts';
import type { Helper } from '../../src/helper/client.ts';
import { fixture, landingOf, landingsOf, look, runsOn, signals, sleep, tids, withHelper, withTask, type Task } from './tasks.ts';

const run = suite('Helper.run');
const faults = suite('Helper.run, with every step failing');
const SIGURG = 23;
const RT = 35;
/** A first, one in the middle, a last. */
const THREE = 3;

const steady = fixture('steady');
const whoami = (): { program: Program; pid: ReturnType<Program['call']>; tid: ReturnType<Program['call']> } => {
  const program = new Program('task');
  return { program, pid: program.call('getpid'), tid: program.call('gettid') };
};

function freeze(helper: Helper, pid: number): number[] {
  const all = tids(pid);
  for (const seized of helper.seize(all)) assert.is(seized.status, 0);
  return all;
}

for (const args of [[], ['seccomp']]) {
  for (const doneSignal of [SIGURG, 0]) {
    run(`each thread of a program (${args[0] ?? 'no filter'}) runs it, done signal ${doneSignal}, and goes on as it was`, () => withTask(steady, args, async (task) => {
      await task.says('ok 2');
      const before = look(task.pid);
      await withHelper(async (helper) => {
        const landing = landingOf(helper, task.pid);
        const room = landingsOf(helper, task.pid) !== undefined;
        for (let round = 0; round < 20; round++) {
          const all = freeze(helper, task.pid);
          const states = helper.state(all);
          for (const tid of all) {
            const { program, pid, tid: self } = whoami();
            const ran = helper.run(tid, program, { landing, doneSignal }).check('test');
            assert.is(ran.result(pid), BigInt(task.pid));
            assert.is(ran.result(self), BigInt(tid));
          }
          const { program, tid: self } = whoami();
          helper.runEach(all, program, { ...landingsOf(helper, task.pid) ?? { landing }, doneSignal }).forEach((ran, i) => assert.is(ran.check('test').result(self), BigInt(all[i]!)));
          const after = helper.state(all);
          states.forEach((state, i) => {
            assert.is(state.regs.compare(after[i]!.regs), 0);
            assert.is(state.xstate.compare(after[i]!.xstate), 0);
            assert.is(state.sigmask, after[i]!.sigmask);
          });
          assert.ok(helper.peek(task.pid, landing, 512).every((byte) => byte === 0), 'the landing is clean again');
          assert.equal(landingsOf(helper, task.pid) === undefined, !room, 'so are two');
          assert.equal(new Set(helper.detach(all)), new Set([0]));
          await sleep(3);
        }
      });
      assert.is(look(task.pid), before);
      await runsOn(task);
    }));
  }
}

run('a failed step is told by the program, and the thread is home', () => withTask(steady, [], async (task) => {
  await task.says('ok 2');
  await withHelper(async (helper) => {
    const all = freeze(helper, task.pid);
    const program = new Program(`task ${task.pid}`).resource('fd 5');
    program.call('getpid');
    program.call('openat', [-100, program.cstring('/no/such/file'), 0, 0], { remedy: { ENOENT: 'Put it back' } });
    program.call('exit_group', [7]);
    const ran = helper.run(task.pid, program, { landing: landingOf(helper, task.pid), doneSignal: SIGURG });
    assert.throws(() => ran.check('dump'), (error: StillframeError) => {
      assert.is(error.message, `dump: task ${task.pid}, fd 5: openat(-100, "/no/such/file", 0, 0): ENOENT. Put it back`);
      return true;
    });
    helper.detach(all);
  });
  await runsOn(task);
}));

run('a program that does not come back is interrupted', () => withTask(steady, [], async (task) => {
  await task.says('ok 2');
  const before = look(task.pid);
  await withHelper(async (helper) => {
    const all = freeze(helper, task.pid);
    const landing = landingOf(helper, task.pid);
    for (const doneSignal of [SIGURG, 0]) {
      const blocks = new Program('task');
      blocks.call('pause');
      assert.throws(() => helper.run(task.pid, blocks, { landing, doneSignal, timeoutMs: 50 }), /waiting for the thread to come back: ETIMEDOUT/);
      const loops = new Program('task');
      loops.jump(0, 0, 0, () => 0);
      assert.throws(() => helper.run(task.pid, loops, { landing, doneSignal, timeoutMs: 50 }), /waiting for the thread to come back: ETIMEDOUT/);
    }
    helper.detach(all);
  });
  assert.is(look(task.pid), before);
  await runsOn(task);
}));

run('a program that touches bad memory is a failure, not a crash of the task', () => withTask(steady, [], async (task) => {
  await task.says('ok 2');
  const before = look(task.pid);
  await withHelper(async (helper) => {
    const all = freeze(helper, task.pid);
    const program = new Program('task');
    program.control(Op.STORE, [16, 1, 8]);
    assert.throws(() => helper.run(task.pid, program, { landing: landingOf(helper, task.pid), doneSignal: SIGURG }), /running the executor in the task: EFAULT/);
    helper.detach(all);
  });
  assert.is(look(task.pid), before);
  await runsOn(task);
}));

run('signals that come meanwhile are neither lost nor doubled', () => withTask(steady, [], async (task) => {
  await task.says('ok 2');
  let sent = 0;
  await withHelper(async (helper) => {
    for (let round = 0; round < 30; round++) {
      process.kill(task.pid, RT); sent++;
      const all = freeze(helper, task.pid);
      const landing = landingOf(helper, task.pid);
      process.kill(task.pid, RT); sent++;
      // the program itself sends one while the executor runs in the main thread
      const program = new Program('task');
      const pid = program.call('getpid');
      program.call('kill', [pid, RT]); sent++;
      helper.run(task.pid, program, { landing, doneSignal: round % 2 === 0 ? SIGURG : 0 }).check('test');
      assert.equal(new Set(helper.detach(all)), new Set([0]));
      await sleep(2);
    }
  });
  await runsOn(task);
  assert.is(Number(/ok \d+ (\d+)\n$/.exec(task.output)?.[1]), sent);
}));

run('a stopped task is stopped again afterwards, and goes on with SIGCONT', () => withTask(steady, [], async (task) => {
  await task.says('ok 2');
  task.kill('SIGSTOP');
  await sleep(20);
  await withHelper(async (helper) => {
    const all = tids(task.pid);
    for (const seized of helper.seize(all)) assert.is(seized.stopSignal, 19);
    for (const tid of all) helper.run(tid, whoami().program, { landing: landingOf(helper, task.pid), doneSignal: SIGURG }).check('test');
    assert.equal(new Set(helper.detach(all)), new Set([0]));
    await sleep(20);
    assert.match(signals(task.pid), /State:\tT/);
  });
  const seen = task.output.length;
  await sleep(50);
  assert.is(task.output.length, seen);
  task.kill('SIGCONT');
  await runsOn(task);
}));

run('detach with SIGSTOP leaves it stopped', () => withTask(steady, [], async (task) => {
  await task.says('ok 2');
  await withHelper(async (helper) => {
    const all = freeze(helper, task.pid);
    helper.run(task.pid, whoami().program, { landing: landingOf(helper, task.pid), doneSignal: SIGURG }).check('test');
    helper.detach([task.pid], { signal: 19 });
    helper.detach(all.filter((tid) => tid !== task.pid));
    await sleep(20);
    assert.match(signals(task.pid), /State:\tT/);
  });
  task.kill('SIGCONT');
  await runsOn(task);
}));

faults('where /proc/PID/mem may not be written, ptrace does it', () => withTask(steady, [], async (task) => {
  await task.says('ok 2');
  const before = look(task.pid);
  await withHelper((helper) => {
    const all = freeze(helper, task.pid);
    const landing = landingOf(helper, task.pid);
    for (const nth of [1, 2, 3, 4]) { // stub, executor, block, the stub's bytes back to zero
      helper.fault({ request: 'RUN', where: 'WRITE', nth, errno: 5 });
      const { program, tid } = whoami();
      assert.is(helper.run(task.pid, program, { landing, doneSignal: SIGURG }).check('test').result(tid), BigInt(task.pid));
      assert.is(helper.fault({ request: 'RUN', nth: 0, errno: 1 }), 4);
      assert.ok(helper.peek(task.pid, landing, 512).every((byte) => byte === 0));
    }
    helper.detach(all);
  }, { faults: true });
  await runsOn(task);
  assert.is(look(task.pid), before);
}));

/** Freezes a task and finds where to land, also when a thread of it is still walking home from the last time. */
async function freezeHome<T>(helper: Helper, pid: number, find: (helper: Helper, pid: number) => T): Promise<T> {
  for (let left = 500; ; left--) {
    const all = freeze(helper, pid);
    try {
      const found = find(helper, pid);
      helper.run(pid, whoami().program, { landing: landingOf(helper, pid), doneSignal: SIGURG }).check('test');
      return found;
    } catch (error) {
      if (left === 0) throw error;
      helper.detach(all);
      await sleep(2);
    }
  }
}

function cleanLandings(helper: Helper, pid: number): NonNullable<ReturnType<typeof landingsOf>> {
  const landings = landingsOf(helper, pid, (landing) => helper.run(pid, whoami().program, { landing, doneSignal: SIGURG }).check('test'));
  assert.ok(landings !== undefined);
  return landings!;
}

/** How many points a successful RUN of one thread passes, or of all together. */
async function points(task: Task, doneSignal: number, together = false): Promise<number> {
  return withHelper((helper) => {
    const all = freeze(helper, task.pid);
    helper.fault({ request: 'RUN', nth: 0xffffffff, errno: 1 });
    const landings = landingsOf(helper, task.pid);
    if (together && landings === undefined) return 0;
    if (together) helper.runEach(all.slice(0, THREE), whoami().program, { ...landings!, doneSignal });
    else helper.run(task.pid, whoami().program, { landing: landingOf(helper, task.pid), doneSignal }).check('test');
    const seen = helper.fault({ request: 'RUN', nth: 0, errno: 1 });
    helper.detach(all);
    return seen;
  }, { faults: true });
}

for (const errno of [0, 12]) {
  for (const doneSignal of [SIGURG, 0]) {
    faults(`${errno === 0 ? 'the helper is killed' : 'a call fails'} at each point of a RUN in each thread, done signal ${doneSignal}: the program runs on`, () => withTask(steady, [], async (task) => {
      await task.says('ok 2');
      const count = await points(task, doneSignal);
      assert.ok(count >= 15, `${count} points`);
      const before = look(task.pid);
      for (let nth = 1; nth <= count; nth++) {
        for (const victim of tids(task.pid)) {
          await withHelper(async (helper) => {
            const landing = await freezeHome(helper, task.pid, landingOf);
            helper.fault({ request: 'RUN', nth, errno });
            assert.throws(() => helper.run(victim, whoami().program, { landing, doneSignal }), errno === 0 ? /killed by signal 9/ : /ENOMEM/, `point ${nth}`);
          }, { faults: true });
          await sleep(2);
        }
        await runsOn(task);
        assert.is(look(task.pid), before, `after point ${nth}`);
      }
    }));
  }
}

for (const [errno, signals] of [[0, [SIGURG, 0]], [12, [SIGURG]]] as const) {
  for (const doneSignal of signals) {
    faults(`${errno === 0 ? 'the helper is killed' : 'a call fails'} at each point of a RUN of three threads together, done signal ${doneSignal}: the program runs on`, () => withTask(steady, [], async (task) => {
      await task.says('ok 2');
      const count = await points(task, doneSignal, true);
      if (count === 0) return; // no room on this kernel
      assert.ok(count >= 30, `${count} points`);
      const before = look(task.pid);
      for (let nth = 1; nth <= count; nth++) {
        await withHelper(async (helper) => {
          const landings = await freezeHome(helper, task.pid, cleanLandings);
          helper.fault({ request: 'RUN', nth, errno });
          assert.throws(() => helper.runEach(tids(task.pid).slice(0, THREE), whoami().program, { ...landings, doneSignal }), errno === 0 ? /killed by signal 9/ : /ENOMEM/, `point ${nth}`);
        }, { faults: true });
        await sleep(2);
        await runsOn(task);
        assert.is(look(task.pid), before, `after point ${nth}`);
      }
    }));
  }
}

faults('a program that does not come back, in the second thread of several: all are home', () => withTask(steady, [], async (task) => {
  await task.says('ok 2');
  const before = look(task.pid);
  await withHelper((helper) => {
    const all = freeze(helper, task.pid);
    const program = new Program('task');
    program.jump(program.call('gettid'), Cond.NE, all[1]!, () => program.here); // only that thread waits
    program.call('pause', [], { expect: 'any' });
    const landings = landingsOf(helper, task.pid) ?? { landing: landingOf(helper, task.pid) };
    assert.throws(() => helper.runEach(all, program, { ...landings, doneSignal: SIGURG, timeoutMs: 50 }), /waiting for the thread to come back: ETIMEDOUT/);
    helper.runEach(all, whoami().program, { ...landings, doneSignal: SIGURG }).forEach((ran) => ran.check('test'));
    helper.detach(all);
  });
  await runsOn(task);
  assert.is(look(task.pid), before);
}));

/** Several programs at once, the body with all of them. */
const withTasks = (count: number, body: (tasks: readonly Task[]) => Promise<void>, tasks: readonly Task[] = []): Promise<void> =>
  tasks.length === count ? body(tasks) : withTask(steady, [], (task) => withTasks(count, body, [...tasks, task]));

const visitsOf = (helper: Helper, tasks: readonly Task[], doneSignal: number): { tid: number; landing: bigint; doneSignal: number }[] =>
  tasks.map(({ pid }) => ({ tid: pid, landing: landingOf(helper, pid), doneSignal }));

run('processes run a program side by side, and go on as they were', () => withTasks(3, async (tasks) => {
  for (const task of tasks) await task.says('ok 2');
  const before = tasks.map(({ pid }) => look(pid));
  await withHelper((helper) => {
    for (const doneSignal of [SIGURG, 0]) {
      const all = tasks.flatMap(({ pid }) => freeze(helper, pid));
      const { program, pid } = whoami();
      helper.visit(visitsOf(helper, tasks, doneSignal), program).forEach((ran, i) => assert.is(ran.check('test').result(pid), BigInt(tasks[i]!.pid)));
      helper.detach(all);
    }
  });
  for (const task of tasks) await runsOn(task);
  assert.equal(tasks.map(({ pid }) => look(pid)), before);
}));

run('one of them does not come back: all are home', () => withTasks(3, async (tasks) => {
  for (const task of tasks) await task.says('ok 2');
  const before = tasks.map(({ pid }) => look(pid));
  await withHelper((helper) => {
    const all = tasks.flatMap(({ pid }) => freeze(helper, pid));
    const program = new Program('task');
    program.jump(program.call('getpid'), Cond.NE, tasks[1]!.pid, () => program.here); // only that one waits
    program.call('pause', [], { expect: 'any' });
    assert.throws(() => helper.visit(visitsOf(helper, tasks, SIGURG), program, 50), /waiting for the thread to come back: ETIMEDOUT/);
    helper.visit(visitsOf(helper, tasks, SIGURG), whoami().program).forEach((ran) => ran.check('test'));
    helper.detach(all);
  });
  for (const task of tasks) await runsOn(task);
  assert.equal(tasks.map(({ pid }) => look(pid)), before);
}));

for (const errno of [0, 12]) {
  faults(`${errno === 0 ? 'the helper is killed' : 'a call fails'} at each point of a visit of two processes: they run on`, () => withTasks(2, async (tasks) => {
    for (const task of tasks) await task.says('ok 2');
    const before = tasks.map(({ pid }) => look(pid));
    const attempt = (nth: number): Promise<number> => withHelper(async (helper) => {
      for (const { pid } of tasks) await freezeHome(helper, pid, landingOf);
      const visits = visitsOf(helper, tasks, SIGURG);
      helper.fault({ request: 'VISIT', nth, errno });
      if (nth === 0xffffffff) helper.visit(visits, whoami().program);
      else assert.throws(() => helper.visit(visits, whoami().program), errno === 0 ? /killed by signal 9/ : /ENOMEM/, `point ${nth}`);
      return errno === 0 && nth !== 0xffffffff ? 0 : helper.fault({ request: 'VISIT', nth: 0, errno: 1 });
    }, { faults: true });
    const count = await attempt(0xffffffff);
    assert.ok(count >= 30, `${count} points`);
    for (let nth = 1; nth <= count; nth++) {
      await attempt(nth);
      for (const task of tasks) await runsOn(task);
      for (let wait = 500; wait > 0 && !tasks.every(({ pid }, i) => look(pid) === before[i]); wait--) await sleep(2);
      assert.equal(tasks.map(({ pid }) => look(pid)), before, `after point ${nth}`);
    }
  }));
}

run.run();
faults.run();
