/**
 * What the next dump of a chain costs: a program with MIB of memory (default 1024) of which 1 % changes between dumps. All by the command, its start
 * included; images in /dev/shm; medians of RUNS (5). With CRIU=/path/criu its full dump, which is all it can do on a kernel without soft-dirty bits,
 * takes turns with ours. `frozen` is what each tool writes into its statistics.
 * Run: node --import tsx bench/chains.ts [MIB]
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { decodeImage } from '../src/image/codec.ts';
import '../src/core/node.ts';
import type { stats_entry } from '../src/image/schema/index.ts';
import { openSet } from '../src/image/node/directory.ts';
import { TestProgram } from '../test/support/program.ts';
import { OURS, THEIRS, run, tail } from '../test/support/tool.ts';
import { touchMemory } from './support.ts';

// as in ./run.ts
delete process.env['NODE_EXTRA_CA_CERTS'];

const mib = Number(process.argv[2] ?? 1024);
const runs = Number(process.env['RUNS'] ?? 5);
const shm = mkdtempSync('/dev/shm/sf-chains-');
process.on('exit', () => rmSync(shm, { recursive: true, force: true }));

interface Sample { readonly ms: number; readonly frozen: number; readonly written: number }
const samples = new Map<string, Sample[]>();

async function take(what: string, bin: string, verb: string, program: TestProgram, dir: string, options: readonly string[]): Promise<void> {
  mkdirSync(join(shm, dir));
  const ran = await run(bin, [verb, '-t', String(program.pid), '-D', join(shm, dir), '-o', 'log', '-v1', ...options]);
  if (ran.status !== 0) throw new Error(`${what}: ${ran.output}\n${tail(join(shm, dir, 'log'))}`);
  const set = openSet(join(shm, dir));
  const stats = (decodeImage(set.open('stats-dump')!).entries[0]!.message as stats_entry).dump!;
  set.close();
  const pages = readdirSync(join(shm, dir)).filter((name) => name.startsWith('pages-')).reduce((sum, name) => sum + statSync(join(shm, dir, name)).size / 4096, 0);
  samples.set(what, [...samples.get(what) ?? [], { ms: ran.ms, frozen: stats.frozen_time / 1000, written: pages }]);
}

for (let i = 0; i < runs; i++) {
  // each time another one: what a dump tracks already, none copies ahead
  const program = new TestProgram('ballast', { args: [String(mib)] });
  try {
    await program.waitFor(/^ready$/m, 120_000);
    await touchMemory(mib * 2.5);
    await take('full dump -R', OURS, 'dump', program, 'full', ['-R']);
    rmSync(join(shm, 'full'), { recursive: true });
    if (THEIRS !== undefined) {
      await take('criu: full dump -R', THEIRS, 'dump', program, 'criu', ['-R']);
      rmSync(join(shm, 'criu'), { recursive: true });
    }
    await take('pre-dump, the first', OURS, 'pre-dump', program, '1', []);
    await program.ask('change', 60_000);
    await take('pre-dump on it', OURS, 'pre-dump', program, '2', ['--prev-images-dir', '../1']);
    await program.ask('change', 60_000);
    await take('dump -R on that', OURS, 'dump', program, '3', ['-R', '--track-mem', '--prev-images-dir', '../2']);
    for (const dir of ['1', '2', '3']) rmSync(join(shm, dir), { recursive: true });
  } finally {
    await program.stop();
  }
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
const of = (what: string, key: keyof Sample): number => median((samples.get(what) ?? []).map((sample) => sample[key]));
const total = mib * 256;
console.log(`${`${mib} MiB, 1 % changed between dumps`.padEnd(36)}${'ms'.padStart(9)}${'of full'.padStart(9)}${'frozen ms'.padStart(11)}${'pages %'.padStart(9)}`);
for (const what of samples.keys()) {
  console.log(`${what.padEnd(36)}${of(what, 'ms').toFixed(0).padStart(9)}${(of(what, 'ms') / of('full dump -R', 'ms')).toFixed(2).padStart(9)}${of(what, 'frozen').toFixed(1).padStart(11)}${(of(what, 'written') / total * 100).toFixed(2).padStart(9)}`);
}
if (THEIRS !== undefined) console.log(`final freeze of the chain to criu's full dump: ${(of('dump -R on that', 'frozen') / of('criu: full dump -R', 'frozen')).toFixed(3)} (at most 0.1)`);
