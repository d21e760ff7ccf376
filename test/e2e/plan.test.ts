/** `stillframe dump --plan`: what would be refused and what would let it pass, of a tree that goes on as if nothing had been. */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DumpPlan } from '../../src/dump/plan.ts';
import { ROOT, TestProgram } from '../support/program.ts';
import { differences, snapshot } from '../support/snapshot.ts';
import { OURS, run } from '../support/tool.ts';

const STILLFRAME = join(ROOT, 'bin/stillframe.js');
const plan = suite('dump --plan');

async function planned(program: TestProgram, options: readonly string[] = []): Promise<{ status: number | null; plan: DumpPlan; text: string }> {
  mkdirSync(program.images, { recursive: true });
  const before = snapshot(program.pid);
  const [json, text] = [await run(STILLFRAME, ['dump', '-t', String(program.pid), '-D', program.images, '--plan', '--json', ...options]),
    await run(STILLFRAME, ['dump', '-t', String(program.pid), '-D', program.images, '--plan', ...options])];
  assert.is(text.status, json.status, text.output);
  assert.equal(differences(before, snapshot(program.pid)), [], 'nothing of it has changed');
  assert.equal(readdirSync(program.images), [], 'nothing was written');
  return { status: json.status, plan: JSON.parse(json.output) as DumpPlan, text: text.output };
}

async function withProgram(name: string, args: readonly string[], check: (program: TestProgram) => Promise<void>): Promise<void> {
  const program = new TestProgram(name, { args });
  try {
    await program.waitFor(/^ready$/m);
    await check(program);
  } finally {
    await program.stop();
  }
}

plan('nothing stands in the way', () => withProgram('tree', [], async (program) => {
  const { status, plan: found, text } = await planned(program);
  assert.is(status, 0);
  assert.ok(found.ok);
  assert.ok(found.tasks.some(({ pid }) => pid === program.pid) && found.tasks.length > 2 && found.openFiles >= 2);
  assert.match(text, /Nothing stands in the way/);
  await program.verdict();
}));

plan('what options let pass; with these the dump goes through', () => withProgram('external', [], async (program) => {
  const { status, plan: found, text } = await planned(program);
  assert.is(status, 1);
  assert.not.ok(found.ok);
  const options = found.refusals.flatMap((refusal) => refusal.options);
  assert.ok(options.includes('--shell-job'), text);
  assert.ok(options.some((option) => /^--external unix\[\d+\]$/.test(option)), text);
  assert.ok(found.refusals.every((refusal) => refusal.options.length > 0 && refusal.where.includes(`task ${program.pid} (external), fd `)), text);
  assert.match(text, /All of it passes with: /);
  const words = options.flatMap((option) => option.split(' '));
  const again = await planned(program, words);
  assert.is(again.status, 0, again.text);
  const dumped = await run(OURS, ['dump', '-R', '-t', String(program.pid), '-D', program.images, ...words]);
  assert.is(dumped.status, 0, dumped.output);
}));

plan('what no option lets pass', () => withProgram('unix-refused', ['urgent'], async (program) => {
  const { status, plan: found, text } = await planned(program);
  assert.is(status, 1);
  assert.is(found.refusals.length, 1);
  assert.match(found.refusals[0]!.why, /urgent byte/);
  assert.equal(found.refusals[0]!.options, []);
  assert.match(text, /passes with no option/);
  await program.verdict();
}));

plan('no such task', async () => {
  const { status, output } = await run(STILLFRAME, ['dump', '-t', '4194300', '--plan', '-D', '/']);
  assert.is(status, 1);
  assert.match(output, /no such process/);
});
plan.run();
