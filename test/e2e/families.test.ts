/**
 * dump --dedup-pages: what forked tasks have in common is in the images once, every task gets exactly its own back, and whatever fails leaves a
 * complete set.
 */
// timeout: 180 s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openSet } from '../../src/image/node/directory.ts';
import { readTree } from '../../src/image/tree-read.ts';
import { checkSet } from '../../src/inspect/check/check.ts';
import { openPath } from '../../src/inspect/node/open.ts';
import { sharePages, type Relative } from '../../src/memory-tracking/shared-pages.ts';
import { TestProgram, treeOf } from '../support/program.ts';
import { kill, roundTrip } from '../support/round-trip.ts';
import { OURS, THEIRS, dump, restore, run, tail } from '../support/tool.ts';

const MIB = 1 << 20;
const pageFiles = (directory: string): string[] => readdirSync(directory).filter((name) => name.startsWith('pages-'));
const bytesOfPages = (directory: string): number => pageFiles(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);

/** Nine tasks with 4 MiB of one family or the other, of which each worker has changed a sixteenth. */
async function holdsOnce(images: string): Promise<void> {
  assert.is(pageFiles(join(images, 'shared')).length, 2, 'an origin for each family');
  const [own, shared] = [bytesOfPages(images), bytesOfPages(join(images, 'shared'))];
  // 2 x 4 MiB of the origins, a sixteenth of it for each other, 2 MiB that were moved; libraries' data
  assert.ok(shared > 8 * MIB && shared < 11 * MIB && own < 7 * MIB, `${own} bytes of pages, ${shared} shared ones`);
  assert.not.ok(readdirSync(images).some((name) => name.endsWith('.new')));
  const set = await openPath(images);
  assert.equal((await checkSet(set)).filter(({ severity }) => severity === 'error'), []);
  await set.close();
}

const families = suite('--dedup-pages');

families('dumped twice over', async () => { await roundTrip('families', { times: 2, dumpOptions: ['--dedup-pages'], afterDump: async (_, images) => { await holdsOnce(images); } }); });
families('with -R', async () => { await roundTrip('families', { leaveRunning: true, dumpOptions: ['--dedup-pages'], afterDump: async (_, images) => { await holdsOnce(images); } }); });
families('with --precopy', async () => { await roundTrip('families', { dumpOptions: ['--dedup-pages', '--precopy'], afterDump: async (_, images) => { await holdsOnce(images); } }); });
families('a single task has nothing in common with anybody', async () => {
  await roundTrip('threads', { dumpOptions: ['--dedup-pages'], afterDump: (_, images) => { assert.not.ok(existsSync(join(images, 'parent'))); } });
});
if (THEIRS !== undefined) families('restored by CRIU', async () => { await roundTrip('families', { restoreWith: THEIRS!, dumpOptions: ['--dedup-pages'] }); });

families('a dump that builds on it, and frees what it replaces, harms neither set', async () => {
  const program = new TestProgram('families');
  let good = false;
  try {
    await program.waitFor(/^ready$/m);
    const [base, next] = [program.images, `${program.images}-next`];
    await dump(OURS, program.pid, base, ['-R', '--dedup-pages']);
    await dump(OURS, program.pid, next, ['--prev-images-dir', '../img', '--auto-dedup']);
    await program.gone();
    const { status, output } = await run(OURS, ['dedup', '-D', base]);
    assert.is(status, 0, output);
    await restore(OURS, base);
    kill(treeOf(program.pid));
    await program.gone();
    await restore(OURS, next, ['--auto-dedup']);
    await program.verdict();
    good = true;
  } finally {
    await program.stop(!good);
  }
});

families('what an earlier dump left is not taken for its own', async () => {
  const program = new TestProgram('families');
  try {
    await program.waitFor(/^ready$/m);
    mkdirSync(join(program.images, 'shared'), { recursive: true });
    const { status } = await run(OURS, ['dump', '-t', String(program.pid), '-D', program.images, '-o', 'dump.log', '--dedup-pages']);
    assert.is(status, 1);
    assert.match(tail(join(program.images, 'dump.log')), /img\/shared: it is there already, and --dedup-pages makes it/);
    writeFileSync(join(program.dir, 'go'), '');
    await program.verdict();
  } finally {
    await program.stop();
  }
});

families.run();

const failing = suite('a set that cannot be rewritten');

/** Every file of a set and of those below it. */
const everything = (images: string): Record<string, string> =>
  Object.fromEntries(readdirSync(images, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name), 'base64')]));

failing('at each file in turn: it stays as it was; a missing part is named at the restore', async () => {
  const program = new TestProgram('families');
  let good = false;
  try {
    await program.waitFor(/^ready$/m);
    const { images } = program;
    await dump(OURS, program.pid, images);
    await program.gone();
    const before = everything(images);
    const set = openSet(images);
    const tasks: Relative[] = [...readTree(set).tasks.values()].map(({ pid, item: { ppid } }) => ({ pid, ppid }));
    let ids = 1000, failed = 0;
    for (let nth = 1; ; nth++) {
      // the nth new pages file is there already
      const taken = ids + nth;
      writeFileSync(join(images, `pages-${taken}.img`), '');
      try {
        sharePages(set, tasks, () => ++ids);
        break;
      } catch (error) {
        assert.match((error as Error).message, /EEXIST/);
        failed++;
      }
      assert.equal(everything(images), before, `failure ${nth}`);
    }
    set.close();
    assert.is(failed, 9, 'a new pages file for each task of the two families');
    renameSync(join(images, 'shared'), join(images, 'elsewhere'));
    const refused = await run(OURS, ['restore', '-d', '-D', images, '-o', 'restore.log']);
    assert.is(refused.status, 1);
    assert.match(tail(join(images, 'restore.log')), /img\/parent: ENOENT/);
    cpSync(join(images, 'elsewhere'), join(images, 'shared'), { recursive: true });
    await restore(OURS, images);
    await program.verdict();
    good = true;
  } finally {
    await program.stop(!good);
  }
});

failing.run();
