/** Pages of zeros: they are holes of the pages files, and take no memory after a restore where nothing else makes them zeros. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { TestProgram, treeOf } from '../support/program.ts';
import { kill, roundTrip } from '../support/round-trip.ts';
import { OURS, dump, restore, run } from '../support/tool.ts';

const MIB = 1 << 20;
const status = (pid: number): string => readFileSync(`/proc/${pid}/status`, 'latin1');
const ownMemory = (pid: number): number => Number(/^RssAnon:\s+(\d+) kB$/m.exec(status(pid))![1]) * 1024;

/** Bytes that the pages files of a set have, and that they take. */
function sizes(images: string): { whole: number; stored: number } {
  const files = readdirSync(images).filter((name) => name.startsWith('pages-')).map((name) => statSync(join(images, name)));
  return { whole: files.reduce((sum, { size }) => sum + size, 0), stored: files.reduce((sum, { blocks }) => sum + blocks * 512, 0) };
}

/** Of the two processes with 64 MiB each, half is zeros, and a fifth of the other half. */
function assertHoles(images: string): void {
  const { whole, stored } = sizes(images);
  assert.ok(whole >= 128 * MIB, `the pages files have all pages: ${whole} bytes`);
  assert.ok(stored < 56 * MIB, `and take room for those that are not zeros: ${stored} bytes`);
  assert.match(readFileSync(join(images, 'dump.log'), 'latin1'), /\d+ of \d+ pages are zeros: they take no space/);
}

const zeros = suite('pages of zeros');

for (const [how, dumpOptions, leaveRunning] of [['dump', [], false], ['dump -R, copied ahead', [], true], ['dump -R --no-precopy', ['--no-precopy'], true]] as const) {
  zeros(`${how}: holes in the images, no memory after the restore`, async () => {
    await roundTrip('zeros', {
      dumpOptions, leaveRunning,
      afterDump: async (_, images) => {
        assertHoles(images);
        const checked = await run(OURS.replace(/criu$/u, 'stillframe.js'), ['image', 'check', images]);
        assert.is(checked.status, 0, checked.output);
      },
      meanwhile: ({ pid }) => { assert.ok(ownMemory(pid) < 40 * MIB, `the restored program has ${ownMemory(pid)} bytes of its own`); },
    });
  });
}

zeros('in an increment they hide what the parent has', async () => {
  const program = new TestProgram('zeros', { args: ['chain'] });
  try {
    await program.waitFor(/^ready$/m);
    const [first, second] = [`${program.images}1`, `${program.images}2`];
    await dump(OURS, program.pid, first, ['-R', '--track-mem']);
    await program.ask('change');
    await dump(OURS, program.pid, second, ['-R', '--prev-images-dir', first]);
    const { whole, stored } = sizes(second);
    assert.ok(stored < whole, `${stored} bytes of ${whole} are stored`);
    kill(treeOf(program.pid));
    await program.gone();
    await restore(OURS, second);
    await program.verdict();
  } finally {
    await program.stop();
  }
});

zeros.run();
