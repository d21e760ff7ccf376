/**
 * A dump that fails or is killed, at whatever point, harms nobody: the program is as it was (threads, masks, mappings, descriptors), goes on
 * and verifies itself; the images directory is as it was found.
 */
// timeout: 400 s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { NO_SCRIPTS } from '../../src/cli/hooks.ts';
import { dump as dumpVerb } from '../../src/dump/dump.ts';
import { RefusedError, StillframeError } from '../../src/errors.ts';
import { Helper } from '../../src/helper/client.ts';
import type { ReqName } from '../../src/helper/protocol.ts';
import { SILENT } from '../../src/log.ts';
import type { Program, RanBlock } from '../../src/program/program.ts';
import { TestProgram, treeOf } from '../support/program.ts';
import { same } from '../support/round-trip.ts';
import { differences, snapshot, type Snapshot } from '../support/snapshot.ts';
import { OURS, run } from '../support/tool.ts';

const NEVER = 0xffffffff;
const ENOMEM = 12;
/** What a dump asks of the helper. */
const REQUESTS: readonly ReqName[] = ['SEIZE', 'STATE', 'RUN', 'VISIT', 'SCAN', 'PAGES', 'PEEK', 'POKE', 'LOCAL', 'PUT_FD', 'GET_FD', 'CLOSE', 'DETACH', 'FILE_PAGES', 'KILL'];

/** What every dump asks; one of a tree with processes asks VISIT, others RUN. */
const ALWAYS: readonly ReqName[] = ['SEIZE', 'STATE', 'SCAN', 'PAGES', 'LOCAL', 'DETACH'];

/** One dump with -R in this process, by a helper that `prepare` has tampered with. Returns its error, if any. */
async function attempt(program: TestProgram, prepare: (helper: Helper) => void): Promise<Error | undefined> {
  let helper: Helper | undefined;
  try {
    await dumpVerb({
      pid: program.pid, imagesDir: program.images, workDir: program.images, finalState: 'running', shellJob: false, timeoutSeconds: 10,
      ghostLimit: 1n << 20n, scripts: NO_SCRIPTS, given: new Map(),
    }, SILENT, () => {
      helper = Helper.start({ faults: true });
      prepare(helper);
      return helper;
    });
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

async function runsOn(name: string, body: (program: TestProgram, unharmed: (when: string) => void) => Promise<void>): Promise<void> {
  const program = new TestProgram(name);
  let good = false;
  try {
    await program.waitFor(/^ready$/m);
    await new Promise((resolve) => setTimeout(resolve, 50));
    mkdirSync(program.images);
    const before: Snapshot = snapshot(program.pid);
    await body(program, (when) => same(when, differences(before, snapshot(program.pid))));
    await program.verdict();
    good = true;
  } finally {
    await program.stop(!good);
  }
}

function emptied(program: TestProgram): void {
  for (const name of readdirSync(program.images)) rmSync(`${program.images}/${name}`, { recursive: true });
}

const failing = suite('dump with every step failing');

for (const name of ['pipes', 'signals']) {
  for (const request of REQUESTS) {
    failing(`${name}: every point of ${request}`, () => runsOn(name, async (program, unharmed) => {
      let count = 0;
      assert.is(await attempt(program, (helper) => {
        helper.fault({ request, nth: NEVER, errno: ENOMEM });
        const close = helper.close.bind(helper);
        helper.close = () => {
          count ||= helper.fault({ request, nth: 0, errno: 1 });
          close();
        };
      }), undefined);
      emptied(program);
      if (ALWAYS.includes(request) || request === (treeOf(program.pid).length > 1 ? 'VISIT' : 'RUN')) assert.ok(count > 0, `a dump asks ${request} of the helper`);
      for (let nth = 1; nth <= count; nth++) {
        for (const errno of [ENOMEM, 0]) { // 0: the helper dies there
          const error = await attempt(program, (helper) => { helper.fault({ request, nth, errno }); });
          const where = `${request} point ${nth} of ${count}, ${errno === 0 ? 'helper killed' : 'ENOMEM'}`;
          if (error !== undefined) {
            assert.instance(error, StillframeError, `${where}: ${error.stack}`);
            assert.equal(readdirSync(program.images).filter((file) => file.endsWith('.img')), [], `${where}: no image is left`);
          }
          emptied(program);
          await settled(unharmed, where);
        }
      }
    }));
  }

  failing(`${name}: every step of every program`, () => runsOn(name, async (program, unharmed) => {
    const plan = { at: NEVER, seen: 0, hit: '' };
    const tamper = (helper: Helper): void => {
      plan.seen = 0;
      plan.hit = '';
      const [runEach, visit, local] = [helper.runEach.bind(helper), helper.visit.bind(helper), helper.local.bind(helper)];
      helper.visit = (visits, steps, timeoutMs) => visit(visits, spoiled(steps, plan), timeoutMs);
      helper.runEach = (tids, steps, options) => runEach(tids, spoiled(steps, plan), options);
      helper.local = (steps): RanBlock => local(spoiled(steps, plan));
    };
    assert.is(await attempt(program, tamper), undefined);
    emptied(program);
    const total = plan.seen;
    assert.ok(total > 20, `${total} steps are run`);
    let failed = 0;
    for (plan.at = 1; plan.at <= total; plan.at++) {
      const error = await attempt(program, tamper);
      const where = `step ${plan.at} of ${total} (${plan.hit})`;
      if (error !== undefined) {
        assert.instance(error, StillframeError, `${where}: ${error.stack}`);
        failed++;
        assert.ok(error instanceof RefusedError || error.message.length > 20, where);
        assert.equal(readdirSync(program.images).filter((file) => file.endsWith('.img')), [], `${where}: no image is left`);
      }
      emptied(program);
      await settled(unharmed, where);
    }
    // the others are questions that may go without an answer
    assert.ok(failed >= 20, `of ${total} steps ${failed} failed the dump`);
  }));
}

/** A thread whose helper has died is on its way home by itself: it may take a moment. */
async function settled(unharmed: (when: string) => void, when: string): Promise<void> {
  for (let i = 0; ; i++) {
    try {
      unharmed(when);
      return;
    } catch (error) {
      if (i === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** The same program, with one of its steps turned into a system call that does not exist. */
function spoiled(program: Program, plan: { readonly at: number; seen: number; hit: string }): Program {
  const first = plan.seen + 1;
  plan.seen += program.steps.length;
  if (plan.at < first || plan.at > plan.seen) return program;
  const index = plan.at - first;
  plan.hit = `${program.subject}, ${program.steps[index]!.resource}`;
  return new Proxy(program, {
    get(target, key): unknown {
      if (key === 'encode') {
        return (options?: Parameters<Program['encode']>[0]): Buffer => {
          const block = Buffer.from(target.encode(options)); // its own bytes may be kept for the next use
          const step = block.readUInt32LE(16) + index * 80;
          block.writeUInt16LE(1, step);
          block.writeUInt32LE(0x3fff, step + 8);
          return block;
        };
      }
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

failing.run();

const killed = suite('dump that is killed');

/** Kills something 3 ms later each time, until a dump gets through undisturbed three times. */
async function sweep(victim: (criu: number) => number | undefined): Promise<void> {
  await runsOn('idle', async (program, unharmed) => {
    let through = 0;
    for (let ms = 20; through < 3 && ms < 600; ms += 3) {
      const child = spawn(OURS, ['dump', '-t', String(program.pid), '-D', program.images, '-R', '-o', '/dev/null'], { stdio: 'ignore' });
      const ended = new Promise<number | null>((resolve) => { child.on('exit', (code) => resolve(code)); });
      await new Promise((resolve) => setTimeout(resolve, ms));
      const pid = victim(child.pid!);
      if (pid !== undefined) {
        try { process.kill(pid, 'SIGKILL'); } catch { /* it has ended */ }
      }
      if (await ended === 0) through++;
      await settled(unharmed, `killed after ${ms} ms`);
      emptied(program);
    }
    assert.is(through, 3, 'the sweep went past the end of a dump');
  });
}

killed('the supervisor, at every moment', () => sweep((criu) => criu));
killed('the helper, at every moment', () => sweep((criu) => treeOf(criu).find((pid) => {
  try { return readFileSync(`/proc/${pid}/comm`, 'latin1').startsWith('stillframe-help'); } catch { return false; }
})));

killed('by its own time limit', () => runsOn('idle', async (program, unharmed) => {
  const { status } = await run(OURS, ['dump', '-t', String(program.pid), '-D', program.images, '-R', '--timeout', '1']);
  assert.is(status, 0);
  unharmed('a dump with a time limit that is long enough');
}));

killed.run();
