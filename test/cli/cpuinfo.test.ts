/** cpuinfo dump|check and --cpu-cap: what is recorded of a processor, and what speaks against another. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArguments } from '../../src/cli/arguments.ts';
import { readCpuCaps } from '../../src/cli/cpu-cap.ts';
import { Given } from '../../src/cli/given.ts';
import { OPTION_ROWS } from '../../src/cli/options.ts';
import { openSet } from '../../src/image/node/directory.ts';
import { readImage, writeImage } from '../../src/image/set.ts';
import { cpuinfo_entry, cpuinfo_x86_entry } from '../../src/image/schema/index.ts';
import { create } from '../../src/image/wire.ts';
import { compareProcessors, type CpuCap } from '../../src/resources/processor/compare.ts';
import { identify, type Leaf } from '../../src/resources/processor/identify.ts';
import { TestProgram } from '../support/program.ts';
import { OURS, dump, restore, run } from '../support/tool.ts';

const grammar = suite('--cpu-cap');
for (const [line, caps, image] of [
  ['', 'fpu ins', false], ['--cpu-cap', 'fpu ins cpu', true], ['--cpu-cap=cpu', 'fpu ins cpu', true], ['--cpu-cap=ins', 'fpu ins', true],
  ['--cpu-cap=none', '', false], ['--cpu-cap=none,fpu', 'fpu', true], ['--cpu-cap=^fpu', 'ins', true], ['--cpu-cap=all,^cpu', 'fpu ins', true],
  ['--cpu-cap=^fpuins', '', false], ['--cpu-cap=^none', 'fpu ins cpu', true], ['--cpu-cap=none --cpu-cap=ins', 'ins', true],
] as const) {
  grammar(`'${line}'`, () => {
    const read = readCpuCaps(new Given(parseArguments(line.split(' ').filter(Boolean), OPTION_ROWS).written));
    assert.is([...read.caps].join(' '), caps);
    assert.is(read.image, image);
  });
}
grammar('what it does not know', () => {
  assert.throws(() => readCpuCaps(new Given(parseArguments(['--cpu-cap=fpu,sse'], OPTION_ROWS).written)), /invalid argument for --cpu-cap: sse\. It must be a list of fpu, ins, cpu, all, none/);
});
grammar.run();

/** An Intel processor of family 6, as CPUID would tell. */
const LEAVES: Readonly<Record<string, readonly [number, number, number, number]>> = {
  '0.0': [13, 0x756e6547, 0x6c65746e, 0x49656e69], '1.0': [0x000906ea, 0, 0x1c000001, 0x07000001], '7.0': [0, 0x20, 0, 0],
  '13.0': [7, 832, 832, 0], '13.1': [7, 0, 0, 0], '2147483648.0': [0x80000004, 0, 0, 0], '2147483649.0': [0, 0, 1, 0x20000800],
  '2147483650.0': [0x20202020, 0x54534554, 0, 0],
};
const leaf = (number: number, sub: number): Leaf => {
  const [eax = 0, ebx = 0, ecx = 0, edx = 0] = LEAVES[`${number}.${sub}`] ?? [];
  return { eax, ebx, ecx, edx };
};

const reading = suite('identify');
reading('vendor, family, model, capabilities, extended state', () => {
  const { capability, ...rest } = identify(leaf);
  assert.equal({ ...rest }, {
    vendor_id: 1, cpu_family: 6, model: 0x9e, stepping: 10, capability_ver: 2, model_id: 'TEST', xfeatures_mask: 5n, xsave_size: 832, xsave_size_max: 832,
  });
  assert.equal(capability, [0x07000001, 0x20000800, 0, 0x02110000, 0x1c000001, 0, 1, 0, 0, 0x20, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
});
reading('a vendor without a number is refused', () => {
  assert.throws(() => identify((number, sub) => (number === 0 ? { eax: 1, ebx: 0x746e6543, edx: 0x48727561, ecx: 0x736c7561 } : leaf(number, sub))), /its vendor 'CentaurHauls' has no number/);
});
reading.run();

const comparing = suite('compare');
const HOST = identify(leaf);
const differing = (change: Partial<cpuinfo_x86_entry>): cpuinfo_entry => create(cpuinfo_entry, { x86_entry: [create(cpuinfo_x86_entry, { ...HOST, ...change })] });
const word = (at: number, value: number): Partial<cpuinfo_x86_entry> => ({ capability: HOST.capability.map((old, i) => (i === at ? value : old)) });
for (const [what, image, caps, expected] of [
  ['the same', differing({}), 'fpu ins cpu', []],
  ['nothing recorded', undefined, 'fpu', [/no record of the processor/]],
  ['an instruction is missing', differing(word(9, 0x120)), 'fpu ins', [/it lacks instructions that the processor of the dump had: bmi2/]],
  ['the same when only the extended state counts', differing(word(9, 0x120)), 'fpu', []],
  ['what no program executes', differing(word(9, 0xa0)), 'fpu ins', []],
  ['... in strict mode', differing(word(9, 0xa0)), 'cpu', [/it lacks capabilities .*: smep/]],
  ['more than before', differing(word(9, 0)), 'fpu ins', []],
  ['... in strict mode', differing(word(9, 0)), 'cpu', [/it has capabilities that the processor of the dump lacked: avx2/]],
  ['extended state', differing({ xfeatures_mask: 0xe5n, xsave_size: 2696 }), 'fpu', [/it lacks extended state that the tree has: .*512/, /is 832 bytes, at the dump it was 2696/]],
  ['xsaves', differing(word(10, 15)), 'fpu', [/rests on: xsaves/]],
  ['an old image, 12 words', differing({ capability_ver: 1, capability: HOST.capability.slice(0, 12) }), 'fpu ins cpu', []],
  ['too few words', differing({ capability: HOST.capability.slice(0, 12) }), 'fpu', [/holds 12 words of capabilities, of version 2 there are 19/]],
  ['an unknown version', differing({ capability_ver: 3 }), 'fpu', [/of an unknown version, 3/]],
  ['no vendor', differing({ vendor_id: 0 }), 'fpu', [/unknown vendor, 0/]],
  ['two processors', create(cpuinfo_entry, { x86_entry: [HOST, HOST] }), 'fpu', [/holds 2 x86 processors/]],
] as const) {
  comparing(`${what} (${caps})`, () => {
    const reasons = compareProcessors(image, HOST, new Set(caps.split(' ') as CpuCap[])).map(({ why }) => why);
    assert.is(reasons.length, expected.length, reasons.join('\n'));
    expected.forEach((one, i) => assert.match(reasons[i]!, one));
  });
}
comparing.run();

const verbs = suite('cpuinfo');
const dir = mkdtempSync(join(tmpdir(), 'sf-cpuinfo-'));
/** Gives the recorded processor instructions that no processor has together. */
function improve(images: string): void {
  const set = openSet(images);
  try {
    const entry = readImage(set, 'CPUINFO')!.entries[0]!.message as cpuinfo_entry;
    entry.x86_entry[0]!.capability = entry.x86_entry[0]!.capability.map((old, i) => (i === 6 ? (old | 0x10800) >>> 0 : i === 9 ? (old | 0x0c000000) >>> 0 : old));
    writeImage(set, 'CPUINFO', undefined, [{ message: entry }]);
  } finally {
    set.close();
  }
}
verbs('dump writes what check accepts; another processor is refused by name', async () => {
  assert.is((await run(OURS, ['cpuinfo', 'dump', '-D', dir])).status, 0);
  assert.is(readFileSync(join(dir, 'cpuinfo.img')).readUInt32LE(4), 0x61404013);
  for (const caps of ['--cpu-cap', '--cpu-cap=none', '-v1']) assert.equal(await run(OURS, ['cpuinfo', 'check', '-D', dir, caps]).then(({ status, output }) => [status, output]), [0, '']);
  improve(dir);
  const { status, output } = await run(OURS, ['cpuinfo', 'check', '-D', dir]);
  assert.is(status, 1);
  assert.match(output, /this processor: it lacks instructions that the processor of the dump had: .*avx512pf avx512er/);
});
verbs('check without an image', async () => {
  const empty = join(dir, 'empty');
  mkdirSync(empty);
  const { status, output } = await run(OURS, ['cpuinfo', 'check', '-D', empty]);
  assert.is(status, 1);
  assert.match(output, /cpuinfo\.img: the set has no record of the processor/);
});
verbs('dump --cpu-cap writes it too, restore --cpu-cap compares it before anything is made', async () => {
  const program = new TestProgram('extras');
  try {
    await program.waitFor(/^ready/m);
    await dump(OURS, program.pid, program.images, ['--cpu-cap']);
    await program.gone();
    improve(program.images);
    const refused = await run(OURS, ['restore', '-d', '-D', program.images, '--cpu-cap=ins']);
    assert.is(refused.status, 1);
    assert.match(refused.output, /it lacks instructions .*avx512pf/);
    assert.not(program.output.includes('done'));
    await restore(OURS, program.images, ['--cpu-cap=none']);
    assert.ok(await program.verdict() > 0);
  } finally {
    program.stop();
  }
});
verbs.after(() => rmSync(dir, { recursive: true }));
verbs.run();
