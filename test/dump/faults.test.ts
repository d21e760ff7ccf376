// timeout: 300 s
/**
 * No harm: every step of every request of the helper is made to fail during a dump, then the helper is killed there. Each time the program
 * runs on exactly as it was, and the images directory is as empty as before.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { dump } from '../../src/dump/dump.ts';
import { Helper } from '../../src/helper/client.ts';
import type { ReqName } from '../../src/helper/protocol.ts';
import { SILENT } from '../../src/log.ts';
import { TestProgram, until } from '../support/program.ts';
import { differences, snapshot } from '../support/snapshot.ts';
import { OURS } from '../support/tool.ts';
import { filesIn, options, withDirectory } from './support.ts';

const EIO = 5;
const KILL = 0;
/** Requests a dump makes. */
const REQUESTS: readonly ReqName[] = ['SEIZE', 'STATE', 'PEEK', 'RUN', 'VISIT', 'LOCAL', 'DESCRIPTORS', 'SAME', 'SCAN', 'PAGES', 'DETACH', 'PUT_FD', 'FILE_PAGES', 'CLOSE'];

const faults = suite('a dump that fails at any step');

/** How far the program got, and whether it noticed anything. */
function progress(program: TestProgram): { computed: bigint; slept: bigint; wrong: bigint } {
  const bytes = readFileSync(join(program.dir, 'progress'));
  return { computed: bytes.readBigUInt64LE(0), slept: bytes.readBigUInt64LE(8), wrong: bytes.readBigUInt64LE(16) | bytes.readBigUInt64LE(24) };
}

async function runsOn(program: TestProgram, before: ReturnType<typeof snapshot>, when: string): Promise<void> {
  // a thread that was left alone inside of a program goes home by itself, as soon as it runs
  let differs: readonly string[] = [];
  await until(`${when}: as it was, seen from outside`, () => (differs = differences(before, snapshot(program.pid))).length === 0, 3000)
    .catch((error: Error) => { throw new Error(`${error.message}:\n${differs.join('\n')}`); });
  const now = progress(program);
  assert.is(now.wrong, 0n, `${when}: the program noticed`);
  await until(`${when}: both threads go on`, () => {
    const later = progress(program);
    return later.computed > now.computed && later.slept > now.slept;
  });
}

/** Dumps with a fault planned. @returns the points the request has, and whether the dump failed */
async function dumpWithFault(program: TestProgram, request: ReqName, nth: number, errno: number): Promise<{ points: number; failed: boolean }> {
  return withDirectory(async (images) => {
    let points = 0;
    let failed = false;
    const start = (): Helper => {
      const helper = Helper.start({ faults: true });
      helper.fault({ request, nth, errno });
      const close = helper.close.bind(helper);
      helper.close = () => {
        try {
          points = helper.fault({ request, nth: 0xffffff, errno: EIO });
        } catch {
          // it was killed, as planned
        }
        close();
      };
      return helper;
    };
    try {
      await dump(options(program.pid, images, { workDir: images }), SILENT, start);
    } catch (error) {
      failed = true;
      assert.match((error as Error).message, /\S/u);
      assert.equal(filesIn(images), [], `${request} ${nth}: the images directory`);
    }
    return { points, failed };
  });
}

for (const errno of [EIO, KILL]) {
  faults(errno === KILL ? 'the helper is killed there' : 'the step fails', async () => {
    const program = new TestProgram('steady');
    let good = false;
    let failures = 0;
    try {
      await program.waitFor(/^ready$/mu);
      await until('it runs', () => progress(program).slept > 3n);
      const before = snapshot(program.pid);
      for (const request of REQUESTS) {
        const { points } = await dumpWithFault(program, request, 0xffffff, EIO);
        await runsOn(program, before, `after a dump, ${request}`);
        let failed = 0;
        for (let nth = 1; nth <= points; nth++) {
          if ((await dumpWithFault(program, request, nth, errno)).failed) failed++;
          await runsOn(program, before, `${request}, step ${nth} of ${points}`);
        }
        failures += failed;
      }
      assert.ok(failures > 30, `only ${failures} faults made a dump fail`);
      good = true;
    } finally {
      await program.stop(!good);
    }
  });
}

/** Milliseconds into a dump at which its own process is killed. The frozen window lies somewhere in them. */
const MOMENTS = Array.from({ length: 40 }, (_, i) => 40 + i * 3);

faults('the dump itself is killed', async () => {
  const program = new TestProgram('steady');
  let good = false;
  try {
    await program.waitFor(/^ready$/mu);
    await until('it runs', () => progress(program).slept > 3n);
    const before = snapshot(program.pid);
    for (const ms of MOMENTS) {
      await withDirectory(async (images) => {
        const child = spawn(OURS, ['dump', '-t', String(program.pid), '-D', images, '-R'], { stdio: 'ignore' });
        const ended = new Promise((resolve) => child.on('exit', resolve));
        setTimeout(() => child.kill('SIGKILL'), ms);
        await ended;
        await runsOn(program, before, `killed after ${ms} ms`);
      });
    }
    good = true;
  } finally {
    await program.stop(!good);
  }
});

faults.run();
