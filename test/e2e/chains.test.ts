// timeout: 300 s
/**
 * Memory over time: chains of pre-dumps and dumps of a program that writes, maps, moves, protects and discards memory at random, and knows what each
 * page must hold. Whichever way tells what changed, what is restored is the program as it was at the last dump.
 * CHAINS=N makes N rounds instead of a few; SEED=N others.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { TestProgram, alive, treeOf, until, type StartOptions } from '../support/program.ts';
import { keeperOf, link, listening, type Verb } from '../support/chain-of-dumps.ts';
import { kill } from '../support/round-trip.ts';
import { restore, OURS } from '../support/tool.ts';

const ROUNDS = Number(process.env['CHAINS'] ?? 3);
const SEED = Number(process.env['SEED'] ?? 1);

async function withProgram(name: string, options: StartOptions, body: (program: TestProgram) => Promise<void>): Promise<void> {
  const program = new TestProgram(name, options);
  let good = false;
  try {
    await program.waitFor(/^ready$/m);
    await body(program);
    good = true;
  } catch (error) {
    (error as Error).message += `\n(images and logs: ${program.dir}; the program printed: ${program.output.slice(-400)})`;
    throw error;
  } finally {
    await program.stop(!good);
  }
}

/** Once it is gone, or a zombie, the kernel has ended its tracking. */
async function endKeeper({ pid }: TestProgram): Promise<void> {
  const { keeper } = keeperOf(pid)!;
  kill([keeper]);
  await until(`keeper ${keeper} has ended`, () => !alive(keeper));
}

/** Numbers that are the same each time. */
function dice(seed: number): (n: number) => number {
  let state = seed * 2654435761 % 2 ** 31 + 1;
  return (n) => (state = (state * 1103515245 + 12345) % 2 ** 31) % n;
}

/** Chains of `length`, each restored by us, over and over with the same program. */
async function chains(program: TestProgram, rounds: number, length: number, seed: number, between: (n: number) => void | Promise<void> = () => {}): Promise<void> {
  const roll = dice(seed);
  for (let round = 0; round < rounds; round++) {
    const dir = (i: number): string => join(program.dir, `${round}-${i}`);
    for (let i = 0; i < length; i++) {
      const verb: Verb = i === length - 1 ? 'dump' : roll(3) === 0 ? 'dump -R' : 'pre-dump';
      const pids = treeOf(program.pid);
      await link(verb, program.pid, dir(i), { parent: i === 0 ? undefined : `../${round}-${i - 1}`, track: verb !== 'dump' || roll(2) === 0, autoDedup: roll(2) === 0 });
      if (verb === 'dump') await program.gone(pids);
      else await between(i);
      await new Promise((resolve) => setTimeout(resolve, roll(20)));
    }
    await restore(OURS, dir(length - 1));
    assert.ok(alive(program.pid), 'it runs after the restore');
    assert.not.match(program.output, /FAIL/, `round ${round}`);
    for (let i = 0; i < length; i++) rmSync(dir(i), { recursive: true });
  }
}

const tracking = suite('chains');

tracking('tracked by the kernel', () => withProgram('tracked', { args: [String(SEED)] }, async (program) => {
  await chains(program, ROUNDS, 5, SEED, () => assert.is(keeperOf(program.pid)?.method, 'userfaultfd', 'a keeper is left'));
  await program.verdict();
}));

tracking('a tree whose tasks fork', () => withProgram('tracked', { args: [String(SEED + 1), '2'] }, async (program) => {
  await chains(program, ROUNDS, 4, SEED + 1);
  await program.verdict();
}));

tracking('with its keeper killed now and then: contents are compared', () => withProgram('tracked', { args: [String(SEED + 2)] }, async (program) => {
  await chains(program, ROUNDS, 4, SEED + 2, async (i) => { if (i % 2 === 0) await endKeeper(program); });
  await program.verdict();
}));

tracking.run();

const one = suite('one chain');

const MIB = 1 << 20;
const pagesIn = (dir: string): number => readdirSync(dir).filter((name) => name.startsWith('pages-')).reduce((sum, name) => sum + statSync(join(dir, name)).size / 4096, 0);

/** Of the ballast's shared memory, in which it keeps what it has written. */
const SHARED_PAGES = 8;

for (const [way, length] of [['tracked', 10], ['by contents', 4], ['after a restore', 4]] as const) {
  one(`of ${length}, 1 % changed each time: 1.2 % are written at most (${way})`, () => withProgram('ballast', { args: ['16'] }, async (program) => {
    const total = 16 * MIB / 4096;
    const sets = Array.from({ length }, (_, i) => `link${i}`);
    for (const [i, name] of sets.entries()) {
      await program.ask('change');
      const log = listening();
      const stats = await link(i === length - 1 ? 'dump' : i % 2 === 0 ? 'pre-dump' : 'dump -R', program.pid, join(program.dir, name), { parent: i === 0 ? undefined : `../${sets[i - 1]}`, log });
      if (i > 0) {
        assert.ok(log.lines.some((line) => line.includes(way === 'tracked' || (way === 'after a restore' && i % 2 === 1) ? 'told by userfaultfd' : 'told by comparing contents')), log.lines.join('\n'));
        assert.ok(stats.pages_written <= BigInt(Math.ceil(total * 0.012)), `${stats.pages_written} of ${total} pages are written`);
        assert.ok(stats.pages_skipped_parent >= BigInt(total - Math.ceil(total * 0.012)), `${stats.pages_skipped_parent} pages are left to the parent`);
        assert.ok(pagesIn(join(program.dir, name)) <= total * 0.012 + SHARED_PAGES);
      }
      if (i === length - 1) break;
      if (way === 'by contents') await endKeeper(program);
      if (way === 'after a restore' && i % 2 === 1) {
        kill([program.pid]);
        await program.gone();
        await restore(OURS, join(program.dir, name));
      }
    }
    await program.gone();
    await restore(OURS, join(program.dir, sets.at(-1)!));
    await program.verdict();
  }));
}

one.run();
