/**
 * Whoever is killed while connections are dumped or restored, at whichever request: they go on, or their peers are told that they are gone (docs/network.md), and
 * no firewall rule is left that `unlock` does not find.
 */
// timeout: 300 s
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { dump as dumpTree } from '../../src/dump/dump.ts';
import { Helper } from '../../src/helper/client.ts';
import { SILENT } from '../../src/log.ts';
import { findLocks, removeLock, type Lock } from '../../src/network-lock/leftovers.ts';
import { options } from '../dump/support.ts';
import { EchoClient } from '../support/echo-client.ts';
import { alive, ROOT, TestProgram, until } from '../support/program.ts';
import { OURS, dump, restore, run } from '../support/tool.ts';

const ESTABLISHED = ['--tcp-established'];
const GIVEN = new Map<string, readonly string[]>([['tcp-established', []]]);

const locksOf = ({ pid }: TestProgram): Lock[] => findLocks().filter(({ says }) => says?.endsWith(`dump of task ${pid}`));

/** An echo with a client. */
class Pair {
  readonly program = new TestProgram('echo');
  client!: EchoClient;
  #sets = 0;

  async start(): Promise<this> {
    this.client = new EchoClient(Number((await this.program.waitFor(/^port (\d+)$/m))[1]));
    return this.echo('before');
  }

  async echo(what: string): Promise<this> {
    this.client.send(20_000);
    await this.client.echoed(what);
    return this;
  }

  directory(): string {
    const images = join(this.program.dir, `images${this.#sets++}`);
    mkdirSync(images);
    return images;
  }

  /** Runs a verb that is killed before its nth request. @returns how many it made when it got through */
  async killed(verb: 'dump' | 'restore', images: string, nth: number): Promise<number | undefined> {
    const { status, output } = await run(process.execPath, ['--import', 'tsx', join(ROOT, 'test/support/killed.ts'), verb, String(this.program.pid), images, String(nth)], { cwd: ROOT });
    if (nth === 0) assert.is(status, 0, output);
    return status === 0 ? Number(/^requests (\d+)$/m.exec(output)![1]) : undefined;
  }

  /** Until nothing of a tree that died is left, or it runs. */
  async settled(): Promise<boolean> {
    const { pid } = this.program;
    const runs = (): boolean => alive(pid) && /^TracerPid:\s+0$/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
    await until('it is gone, or runs', () => {
      try {
        return runs() || !readdirSync('/proc').includes(String(pid));
      } catch {
        return false; // it went meanwhile
      }
    });
    return alive(pid);
  }

  async stop(): Promise<void> {
    this.client.socket.destroy();
    await this.program.stop();
  }
}

async function withPair(body: (pair: Pair) => Promise<void>): Promise<void> {
  const pair = new Pair();
  try {
    await body(await pair.start());
  } finally {
    await pair.stop();
  }
}

const kills = suite('killed while connections are dumped or restored');
kills('the one who dumps, before each of its last requests', async () => {
  let requests = 0;
  await withPair(async (pair) => {
    const images = pair.directory();
    requests = (await pair.killed('dump', images, 0))!;
    await pair.program.gone();
    assert.is(locksOf(pair.program).length, 1);
    await restore(OURS, images, ESTABLISHED);
    await pair.echo('without a kill');
  });
  let pair: Pair | undefined;
  let went = 0;
  try {
    // descriptors held, guarded, locked, read, written, killed, told that all is well
    for (let nth = requests - 9; nth <= requests; nth++) {
      pair ??= await new Pair().start();
      assert.is(await pair.killed('dump', pair.directory(), nth), undefined, `killed before request ${nth}`);
      if (await pair.settled()) {
        went++;
        await pair.echo(`killed before request ${nth} of ${requests}`);
      } else {
        const { client } = pair;
        client.send(1);
        await until(`killed before request ${nth} of ${requests}: its peer is told`, () => client.ended);
      }
      await until('its guard has done its work', () => locksOf(pair!.program).length === 0);
      if (!pair.client.ended) continue;
      await pair.stop();
      pair = undefined;
    }
  } finally {
    await pair?.stop();
  }
  assert.ok(went >= 8, `${went} times the program went on`);
});
kills('the one who restores, before each of its requests', async () => {
  let requests = 0, again = 0;
  for (let nth = 0; nth <= requests; nth++) {
    await withPair(async (pair) => {
      const { program, client } = pair;
      const images = pair.directory();
      await dump(OURS, program.pid, images, ESTABLISHED);
      await program.gone();
      client.send(50_000);
      requests = (await pair.killed('restore', images, nth)) ?? requests;
      const what = `killed before request ${nth} of ${requests}`;
      const runs = await pair.settled();
      if (!runs && locksOf(program).length > 0) {
        again++;
        await restore(OURS, images, ESTABLISHED);
        await pair.echo(`${what}, restored again`);
      } else if (runs) await pair.echo(what);
      else await until(`${what}: its peer is told`, () => client.ended);
      assert.equal(locksOf(program), [], what);
    });
  }
  assert.ok(again >= requests / 2, `after ${again} of ${requests} it could be restored again`);
});

/** Children of a process. */
const childrenOf = (pid: number): number[] => readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number);

/** A helper before each of whose requests, from the first guard on, something is done. */
function watched(before: (helper: Helper, guards: readonly number[]) => void): Helper {
  const helper = Helper.start();
  for (const name of ['local', 'kill', 'detach', 'guard'] as const) {
    const method = helper[name].bind(helper) as (...args: unknown[]) => unknown;
    (helper as unknown as Record<string, unknown>)[name] = (...args: unknown[]): unknown => {
      const guards = childrenOf(helper.pid);
      if (guards.length > 0) before(helper, guards);
      return method(...args);
    };
  }
  return helper;
}

kills('the guard, at once: the dump goes well', () => withPair(async (pair) => {
  let killed = 0;
  await dumpTree({ ...options(pair.program.pid, pair.directory()), given: GIVEN }, SILENT, () => watched((_, guards) => {
    for (const guard of guards) {
      try { process.kill(guard, 'SIGKILL'); } catch { /* it is dead already, and waits for the helper */ }
      killed++;
    }
  }));
  assert.ok(killed > 0);
  await pair.echo('afterwards');
  assert.equal(locksOf(pair.program), []);
}));
kills('guard and helper: what is left is found, and unlock removes it', async () => {
  let left = 0;
  for (let nth = 1, through = false; !through; nth++) {
    await withPair(async (pair) => {
      const { program } = pair;
      let requests = 0;
      try {
        await dumpTree({ ...options(program.pid, pair.directory()), given: GIVEN }, SILENT, () => watched((helper, guards) => {
          if (++requests !== nth) return;
          for (const pid of [...guards, helper.pid]) process.kill(pid, 'SIGKILL');
        }));
        through = true;
      } catch {
        // as planned
      }
      assert.ok(await pair.settled(), 'the program goes on');
      for (const lock of locksOf(program)) {
        left++;
        removeLock(lock);
      }
      assert.equal(locksOf(program), []);
    });
  }
  assert.ok(left > 0, 'at some request the lock stood');
});
kills.run();
