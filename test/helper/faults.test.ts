/**
 * Every point of every request, once failing and once with the helper killed there: a task that was being looked at runs on,
 * a restore that was not let go leaves no process.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { closeSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { adoptOrphans, type Helper } from '../../src/helper/client.ts';
import { loadLibc } from '../../src/helper/koffi.ts';
import { AwaitEnd, PageIs, type ReqName } from '../../src/helper/protocol.ts';
import { fixture, look, runsOn, sleep, tids, withHelper, withTask } from './tasks.ts';
import { ARENA, CLONE_PARENT, SHARED, becoming, place } from './toy.ts';

const looking = suite('a task that is looked at, with every step failing');
const restoring = suite('a restore, with every step failing');
const NEVER = 0xffffffff;
const ERRNOS = [0, 12] as const;
const said = (errno: number): RegExp => errno === 0 ? /killed by signal 9/ : /ENOMEM/;

/** Everything but RUN (run.test.ts) that a dump asks for. */
function lookAt(helper: Helper, pid: number): void {
  const all = tids(pid);
  for (const seized of helper.seize(all)) assert.is(seized.status, 0);
  helper.state(all);
  assert.is(helper.descriptors(pid).length > 2, true);
  helper.same(Uint32Array.of(0, 0, pid, 0, 0, 0, pid, 1));
  const stack = /(\w+)-(\w+) .*\[stack\]/.exec(readFileSync(`/proc/${pid}/maps`, 'latin1'))!;
  const [address, end] = [BigInt(`0x${stack[1]}`), BigInt(`0x${stack[2]}`)];
  const range = { address: helper.scan(pid, [{ address, size: end - address }], { anyOf: PageIs.PRESENT, report: 0n })[0]!.start, size: 4096n };
  helper.peek(pid, range.address, 100);
  const fd = openSync('/dev/null', 'w');
  try {
    helper.pages(pid, fd, 0n, [range]);
  } finally {
    closeSync(fd);
  }
  assert.equal(new Set(helper.detach(all)), new Set([0]));
}

const steady = fixture('steady');
for (const request of ['SEIZE', 'STATE', 'DESCRIPTORS', 'SAME', 'SCAN', 'PEEK', 'PAGES', 'DETACH'] as const) {
  looking(request, () => withTask(steady, [], async (task) => {
    await task.says('ok 2');
    const before = look(task.pid);
    const count = await withHelper((helper) => points(helper, request, () => lookAt(helper, task.pid)), { faults: true });
    assert.ok(count >= 2, `${count} points`);
    for (let nth = 1; nth <= count; nth++) {
      for (const errno of ERRNOS) {
        await withHelper((helper) => {
          helper.fault({ request, nth, errno });
          assert.throws(() => lookAt(helper, task.pid), said(errno), `point ${nth}`);
        }, { faults: true });
      }
    }
    await runsOn(task);
    assert.is(look(task.pid), before);
  }));
}

function points(helper: Helper, request: ReqName, body: () => void): number {
  helper.fault({ request, nth: NEVER, errno: 1 });
  body();
  return helper.fault({ request, nth: 0, errno: 1 });
}

const children = (): number[] => readdirSync('/proc/self/task').flatMap((tid) => readFileSync(`/proc/self/task/${tid}/children`, 'latin1').split(' ').filter(Boolean).map(Number));

const others = new Set(children()); // of the loader

function restore(helper: Helper, cloneFlags: bigint): void {
  const toy = place(helper);
  try {
    helper.spawn(toy.blocks[0]!, 0, cloneFlags);
    assert.is(helper.await(ARENA + SHARED, 3, 5000, toy.blocks).end, AwaitEnd.ALL_PARKED);
    const threads = becoming(helper, toy);
    const taken = helper.takeover(threads).find(({ status }) => status !== 0);
    if (taken !== undefined) throw new Error(taken.status === -12 ? 'ENOMEM' : `takeover of ${taken.tid}: ${taken.status}`);
  } finally {
    closeSync(toy.fd);
  }
}

/** No child is left: ours by CLONE_PARENT, or orphans of the helper that came to us. */
async function nobodyLeft(): Promise<void> {
  const left = (): number[] => children().filter((pid) => !others.has(pid) && loadLibc().waitpid(pid, false) === undefined);
  // a dying root hands its child over to us: nobody, several times in a row
  for (let empty = 0, end = Date.now() + 3000; empty < 5; await sleep(1)) {
    const now = left();
    empty = now.length === 0 ? empty + 1 : 0;
    if (Date.now() > end) assert.equal(now, []);
  }
}

for (const [name, cloneFlags] of [['a child of the helper', 0n], ['with CLONE_PARENT', CLONE_PARENT]] as const) {
  for (const request of ['ARENA', 'SPAWN', 'AWAIT', 'TAKEOVER'] as const) {
    restoring(`${request}, root ${name}`, async () => {
      adoptOrphans();
      const count = await withHelper((helper) => points(helper, request, () => restore(helper, cloneFlags)), { faults: true });
      await nobodyLeft();
      assert.ok(count >= 2, `${count} points`);
      for (let nth = 1; nth <= count; nth++) {
        for (const errno of ERRNOS) {
          // killed between clone and answer: nobody knows a root that is not the helper's child
          if (request === 'SPAWN' && nth === count && errno === 0 && cloneFlags !== 0n) continue;
          await withHelper((helper) => {
            helper.fault({ request, nth, errno });
            assert.throws(() => restore(helper, cloneFlags), said(errno), `point ${nth}`);
          }, { faults: true });
          await nobodyLeft();
        }
      }
    });
  }
}

looking.run();
restoring.run();
