/**
 * Dumps that copy memory while the program runs are of one moment: a program that never stands still is dumped again and again, killed, and
 * restored from the images; it notices every page that is not as it was at the stop. Whatever fails, it runs on and nothing stays.
 */
// timeout: 300 s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { TestProgram, treeOf, until } from '../support/program.ts';
import { kill } from '../support/round-trip.ts';
import { OURS, THEIRS, dump, restore, run } from '../support/tool.ts';

const tracked = (pid: number): boolean => /^VmFlags:.* uw/m.test(readFileSync(`/proc/${pid}/smaps`, 'latin1'));

/** Dumps the writer `times` times while it writes; each time it goes on from the images. */
async function underFire(args: readonly string[], options: readonly string[], times: number, restoreWith = OURS): Promise<void> {
  const program = new TestProgram('writer', { args });
  let good = false;
  try {
    await program.waitFor(/^ready$/m);
    for (let i = 0; i < times; i++) {
      const images = `${program.images}${i}`;
      await new Promise((resolve) => setTimeout(resolve, 20 + 37 * (i % 3)));
      await dump(OURS, program.pid, images, options);
      const log = readFileSync(join(images, 'dump.log'), 'latin1');
      assert.match(log, /Round 1: \d{7,} bytes/, 'memory was copied while it ran');
      if (options.includes('-R')) {
        assert.not.ok(tracked(program.pid), 'nothing of ours is left in it');
        kill(treeOf(program.pid));
      }
      await program.gone();
      assert.not.ok(readdirSync(images).some((name) => name.endsWith('.tmp')));
      await restore(restoreWith, images);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    await program.verdict();
    good = true;
  } catch (error) {
    (error as Error).message += `\n(images and logs: ${program.dir})`;
    throw error;
  } finally {
    await program.stop(!good);
  }
}

const fire = suite('a program that writes all the time');

fire('-R, many times', () => underFire(['32', '12'], ['-R'], 5));
fire('--precopy, then killed by the dump', () => underFire(['32', '12'], ['--precopy'], 3));
fire('faster than it can be copied', () => underFire(['48', '4000'], ['-R'], 2));
if (THEIRS !== undefined) fire('restored by CRIU', () => underFire(['32', '12'], ['-R'], 3, THEIRS));

fire.run();

const still = suite('what is copied ahead');

still('-R with --no-precopy copies all of it in the frozen window; both ways give the same pages', async () => {
  const program = new TestProgram('load', { args: ['memory', '24'] });
  try {
    await program.waitFor(/^ready$/m);
    const [ahead, plain] = [`${program.images}1`, `${program.images}2`];
    await dump(OURS, program.pid, ahead, ['-R']);
    await dump(OURS, program.pid, plain, ['-R', '--no-precopy']);
    assert.match(readFileSync(join(ahead, 'dump.log'), 'latin1'), /Round 1/);
    assert.not.match(readFileSync(join(plain, 'dump.log'), 'latin1'), /Round 1/);
    assert.equal(readFileSync(join(ahead, `pagemap-${program.pid}.img`)), readFileSync(join(plain, `pagemap-${program.pid}.img`)));
    const [one, other] = [ahead, plain].map((dir) => readFileSync(join(dir, 'pages-1.img'))) as [Buffer, Buffer];
    assert.is(one.length, other.length);
    const pages = one.length / 4096;
    const differ = Array.from({ length: pages }, (_, i) => i).filter((i) => one.compare(other, i * 4096, (i + 1) * 4096, i * 4096, (i + 1) * 4096) !== 0);
    // the program sleeps, and its stack (the last mapping but the vDSO) says for how long
    assert.ok(differ.length <= 1 && differ.every((i) => i > pages - 48), `the same bytes, but in pages ${differ.join(' ')} of ${pages}`);
    assert.ok(statSync(join(ahead, 'pages-1.img')).size > 24 * 2 ** 20);
  } finally {
    await program.stop();
  }
});

still('a program with less memory than that is dumped as ever', async () => {
  const program = new TestProgram('load', { args: ['memory', '1'] });
  try {
    await program.waitFor(/^ready$/m);
    await dump(OURS, program.pid, program.images, ['-R']);
    assert.not.match(readFileSync(join(program.images, 'dump.log'), 'latin1'), /Round 1/);
  } finally {
    await program.stop();
  }
});

still('--precopy with a chain is refused', async () => {
  const ran = await run(OURS, ['dump', '-t', '1', '-D', '/tmp', '--precopy', '--track-mem']);
  assert.is.not(ran.status, 0);
  assert.match(ran.output, /--precopy and --track-mem do not go together/);
});

still.run();

const killed = suite('killed at any moment');

killed('the dump or its helper, while it copies: the program runs on, nothing is left', async () => {
  const program = new TestProgram('writer', { args: ['64', '12'] });
  let good = false;
  try {
    await program.waitFor(/^ready$/m);
    for (let i = 0; i < 12; i++) {
      const images = `${program.images}${i}`;
      mkdirSync(images, { recursive: true });
      const dumping = run(OURS, ['dump', '-t', String(program.pid), '-D', images, '-o', 'dump.log', '-v4', '-R', '--precopy']);
      // who holds the descriptor: from there on there is something to leave behind
      const victims = await until('the helper', () => helpersBelow(process.pid), 20_000);
      await new Promise((resolve) => setTimeout(resolve, i * 25));
      const victim = i % 2 === 0 ? victims.helper : victims.supervisor;
      try { process.kill(victim, 'SIGKILL'); } catch { /* it was done before */ }
      await dumping;
      await until('no tracking is left', () => !tracked(program.pid));
    }
    await program.verdict();
    good = true;
  } finally {
    await program.stop(!good);
  }
});

/** The helper and the supervisor of a dump that this process has started. */
function helpersBelow(root: number): { helper: number; supervisor: number } | undefined {
  for (const supervisor of treeOf(root)) {
    for (const helper of treeOf(supervisor).slice(1)) {
      try {
        if (readFileSync(`/proc/${helper}/cmdline`, 'latin1').includes('stillframe-helper')) {
          const parent = Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${helper}/status`, 'latin1'))?.[1]);
          return { helper, supervisor: parent };
        }
      } catch { /* gone */ }
    }
  }
  return undefined;
}

killed.run();
