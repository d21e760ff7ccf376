// timeout: 300 s
/**
 * Chains under fire: every point of every request of a pre-dump on top of another is made to fail, then the helper is killed there; keepers are
 * killed; parents are missing, foreign, damaged. The program runs on, the directory is as it was, and the next increment is right.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { StillframeError } from '../../src/errors.ts';
import { Helper } from '../../src/helper/client.ts';
import type { ReqName } from '../../src/helper/protocol.ts';
import { openSet } from '../../src/image/node/directory.ts';
import { dedupParents } from '../../src/memory-tracking/dedup.ts';
import { changed, isTracked, untilUnharmed, view, withBallast } from '../support/ballast.ts';
import { keeperOf, link, listening } from '../support/chain-of-dumps.ts';
import { alive, until, type TestProgram } from '../support/program.ts';
import { kill } from '../support/round-trip.ts';
import { differences } from '../support/snapshot.ts';
import { OURS, restore } from '../support/tool.ts';
import { rejected } from './support.ts';

const NEVER = 0xffffffff, EIO = 5, KILL = 0;
const REQUESTS: readonly ReqName[] = ['SEIZE', 'STATE', 'PEEK', 'RUN', 'SCAN', 'PAGES', 'DETACH', 'KEEP', 'LOCAL', 'CLOSE', 'GET_FD'];

/** Dumps on top of `parent`, restores, lets it verify itself. */
async function rightAfter(program: TestProgram, parent: string): Promise<void> {
  await changed(program);
  await link('dump', program.pid, join(program.dir, 'last'), { parent: `../${parent}` });
  await program.gone();
  await restore(OURS, join(program.dir, 'last'));
  await program.verdict();
}

const images = (dir: string): string[] => readdirSync(dir).filter((name) => name.endsWith('.img') || name === 'parent');

interface Attempt {
  readonly requests: readonly ReqName[];
  readonly errno: number;
  readonly before?: () => Promise<unknown>;
  /** Makes the set `next`. */
  readonly run: (startHelper: () => Helper) => Promise<unknown>;
}

/** Lets it fail at every point of every request: nothing is left, the program is unharmed. @returns how often it failed */
async function everyPoint(program: TestProgram, path: (name: string) => string, { requests, errno, before, run }: Attempt): Promise<number> {
  const unharmed = view(program.pid);
  let failures = 0;
  for (const request of requests) {
    await before?.();
    let points = 1;
    for (let nth = NEVER; nth === NEVER || nth <= points; nth = nth === NEVER ? 1 : nth + 1) {
      const start = (): Helper => {
        const helper = Helper.start({ faults: true });
        const close = helper.close.bind(helper);
        helper.fault({ request, nth, errno });
        helper.close = () => {
          try {
            const seen = helper.fault({ request, nth: 0, errno: EIO });
            if (nth === NEVER) points = seen;
          } catch { /* it was killed, as planned */ }
          close();
        };
        return helper;
      };
      const where = `${request} point ${nth} of ${points}`;
      try {
        await run(start);
      } catch (error) {
        assert.instance(error, StillframeError, `${where}: ${(error as Error).stack}`);
        assert.equal(images(path('next')), [], where);
        failures++;
      }
      rmSync(path('next'), { recursive: true, force: true });
      await untilUnharmed(where, program, unharmed);
      if (points > 24) nth += nth === NEVER ? 0 : Math.floor(points / 24); // LOCAL has many that are alike
    }
  }
  return failures;
}

const faults = suite('a link that fails at any step');

for (const [verb, errno] of [['pre-dump', EIO], ['pre-dump', KILL], ['dump -R', KILL]] as const) {
  faults(`${verb}: ${errno === KILL ? 'the helper is killed there' : 'the step fails'}`, () => withBallast(async (program, path) => {
    const failures = await everyPoint(program, path, {
      requests: REQUESTS, errno,
      before: async () => {
        rmSync(path('base'), { recursive: true, force: true });
        await link('pre-dump', program.pid, path('base'));
      },
      run: (startHelper) => link(verb, program.pid, path('next'), { parent: '../base', startHelper }),
    });
    assert.ok(failures > 20, `only ${failures} faults made it fail`);
    await rightAfter(program, 'base');
  }));
}

faults.run();

const ahead = suite('a dump that copies ahead and fails at any step');

for (const errno of [EIO, KILL]) {
  ahead(errno === KILL ? 'the helper is killed there' : 'the step fails', () => withBallast(async (program, path) => {
    const precopy = { asked: true, maxPauseMs: 10 };
    const failures = await everyPoint(program, path, {
      requests: ['SEIZE', 'STATE', 'RUN', 'SCAN', 'PAGES', 'DETACH', 'LOCAL', 'CLOSE', 'PUT_FD'], errno,
      run: async (startHelper) => {
        try {
          await link('dump -R', program.pid, path('next'), { track: false, precopy, startHelper });
        } finally {
          await until('nothing tracks it any more', () => !isTracked(program.pid));
        }
      },
    });
    assert.ok(failures > 20, `only ${failures} faults made a dump fail`);
    await changed(program);
    await link('dump', program.pid, path('last'), { track: false, precopy });
    await program.gone();
    await restore(OURS, path('last'));
    await program.verdict();
  }));
}

ahead.run();

const parents = suite('a parent set');

parents('missing, foreign, unfinished, damaged, itself: said, and nothing happens', () => withBallast(async (program, path) => {
  await link('pre-dump', program.pid, path('good'));
  const before = view(program.pid);
  const refused = async (parent: string, why: RegExp): Promise<void> => {
    const error = await rejected(link('dump -R', program.pid, path('next'), { parent }));
    assert.instance(error, StillframeError);
    assert.match(error.message, why);
    assert.equal(images(path('next')), []);
    assert.equal(differences(before, view(program.pid)), []);
  };
  await refused('../nowhere', /there is no .*nowhere.*relative to the images directory/s);
  mkdirSync(path('foreign'));
  await refused('../foreign', /it is not an image set/);
  await refused('.', /it is the images directory itself/);
  const copy = (name: string): string => {
    mkdirSync(path(name));
    for (const file of readdirSync(path('good'))) copyFileSync(join(path('good'), file), join(path(name), file));
    return path(name);
  };
  rmSync(join(copy('unfinished'), 'inventory.img'));
  await refused('../unfinished', /did not finish/);
  truncateSync(join(copy('short'), 'pages-1.img'), 8192);
  await refused('../short', /pages-1.img: it has 8192 bytes.*parent set is damaged/s);
  const map = join(copy('scrambled'), `pagemap-${program.pid}.img`);
  writeFileSync(map, readFileSync(map).subarray(0, -1));
  await refused('../scrambled', /scrambled/);
  symlinkSync('../gone', join(copy('orphan'), 'parent'));
  await refused('../orphan', /orphan\/parent: ENOENT/);
  await rightAfter(program, 'good');
}));

parents('of another process: everything is written, and said to be', () => withBallast(async (program, path) => {
  await withBallast(async (other, theirs) => {
    await link('pre-dump', other.pid, theirs('set'));
    // as if the number had been that one's
    mkdirSync(path('set'));
    for (const file of readdirSync(theirs('set'))) copyFileSync(join(theirs('set'), file), join(path('set'), file.replace(String(other.pid), String(program.pid))));
    const log = listening();
    const stats = await link('dump', program.pid, path('next'), { parent: '../set', log });
    assert.ok(log.lines.some((line) => line.includes('told by comparing contents')), log.lines.join('\n'));
    assert.ok(stats.pages_written > 0n);
    await program.gone();
    await restore(OURS, path('next'));
    await program.verdict();
  });
}));

parents('older than what was tracked since: contents are compared', () => withBallast(async (program, path) => {
  await link('pre-dump', program.pid, path('1'));
  await changed(program);
  await link('pre-dump', program.pid, path('2'), { parent: '../1' });
  const log = listening();
  await link('dump', program.pid, path('3'), { parent: '../1', log });
  assert.ok(log.lines.some((line) => line.includes('told by comparing contents')), log.lines.join('\n'));
  await program.gone();
  rmSync(path('2'), { recursive: true });
  await restore(OURS, path('3'));
  await program.verdict();
}));

parents('whose pages were punched out by dedup: what was there is written again', () => withBallast(async (program, path) => {
  await link('pre-dump', program.pid, path('1'));
  await changed(program);
  await link('pre-dump', program.pid, path('2'), { parent: '../1' });
  const blocks = (): number => Number(spawnSync('du', ['-k', path('1/pages-1.img')], { encoding: 'utf8' }).stdout.split('\t')[0]);
  const full = blocks();
  const helper = Helper.start();
  const set = openSet(path('2'));
  try {
    assert.ok(dedupParents(set, helper) >= 20480n);
  } finally {
    set.close();
    helper.close();
  }
  assert.ok(blocks() < full, 'the parent takes less space');
  await link('dump', program.pid, path('3'), { parent: '../1' });
  await program.gone();
  await restore(OURS, path('3'));
  await program.verdict();
}));

parents('and a full disk: said, unharmed, and the next increment is right', () => withBallast(async (program, path) => {
  await link('pre-dump', program.pid, path('good'));
  await changed(program);
  const before = view(program.pid);
  mkdirSync(path('full'));
  assert.is(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', path('full')]).status, 0, 'mount');
  try {
    for (const verb of ['pre-dump', 'dump -R'] as const) {
      const error = await rejected(link(verb, program.pid, path('full'), { parent: path('good') }));
      assert.instance(error, StillframeError);
      assert.match(error.message, /ENOSPC/);
      assert.equal(images(path('full')), []);
      assert.equal(differences(before, view(program.pid)), []);
    }
  } finally {
    spawnSync('umount', ['-l', path('full')]);
  }
  await rightAfter(program, 'good');
}));

parents.run();

const keepers = suite('a keeper');

keepers('shows nothing in the task, ends with it, and leaves when it executes another program', () => withBallast(async (program, path) => {
  const before = view(program.pid);
  await link('pre-dump', program.pid, path('1'));
  assert.equal(differences(before, view(program.pid)), []);
  const { keeper } = keeperOf(program.pid)!;
  assert.ok(alive(keeper));
  assert.equal(readdirSync(`/proc/${keeper}/fd`).sort(), ['0', '1', '2', '3', '4', '5']);
  // a dump with nothing to track leaves it alone
  await link('dump -R', program.pid, path('2'), { track: false });
  assert.ok(alive(keeper));
  await link('pre-dump', program.pid, path('3'), { parent: '../1' });
  await until('another has taken over', () => !alive(keeper));
  const next = keeperOf(program.pid)!.keeper;
  kill([program.pid]);
  await until('it ended with its task', () => !alive(next));
}));

keepers.run();
