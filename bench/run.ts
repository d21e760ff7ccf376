/**
 * What a checkpoint costs, beside CRIU where it is given: CRIU=/path/criu make bench [ONLY=part of a name]. Runs of the tools take
 * turns, each number is the median; images go to /dev/shm. Milliseconds of wall time, the start of the command included. `pause` is
 * the longest time that the program itself did not run while it was dumped with -R; it has the highest priority then, or it would be the
 * scheduler's time slices that are measured. Runs in which a virtual machine's host took the processor away are made again. BENCH_REPEATS=N overrides how often.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { ROOT, TestProgram, alive, treeOf } from '../test/support/program.ts';
import { kill } from '../test/support/round-trip.ts';
import { OURS, THEIRS, dump, restore } from '../test/support/tool.ts';
import { touchMemory } from './support.ts';

interface Case { readonly name: string; readonly args: readonly string[]; readonly repeats: number; readonly pause?: boolean; readonly options?: readonly string[]; readonly clients?: number }

const CASES: readonly Case[] = [
  { name: 'small process', args: ['memory', '0'], repeats: 15 },
  { name: 'small process, -R', args: ['pause', '0'], repeats: 15, pause: true },
  { name: '64 MiB', args: ['memory', '64'], repeats: 9 },
  { name: '64 MiB, -R', args: ['pause', '64'], repeats: 7, pause: true },
  { name: '1 GiB', args: ['memory', '1024'], repeats: 5 },
  { name: '1 GiB, -R', args: ['pause', '1024'], repeats: 3, pause: true },
  { name: '1 GiB of which 50 MiB/s are written, -R', args: ['write', '1024'], repeats: 5, pause: true },
  { name: '4 GiB of which 50 MiB/s are written, -R', args: ['write', '4096'], repeats: 3, pause: true },
  { name: '4,000 mappings', args: ['maps', '4000'], repeats: 7 },
  { name: '300 threads', args: ['threads', '300'], repeats: 7 },
  { name: '100 processes', args: ['processes', '100'], repeats: 5 },
  { name: '10,000 descriptors', args: ['fds', '10000'], repeats: 5 },
  // CRIU runs iptables four times a connection: a minute and more. With nftables it ends at the 1,024th descriptor (FD_SETSIZE), hence the smaller case
  { name: '1,000 connections', args: ['connections', '1000'], repeats: 3, options: ['--tcp-established'], clients: 1000 },
  { name: '1,000 connections, no lock', args: ['connections', '1000'], repeats: 5, options: ['--tcp-established', '--network-lock', 'skip'], clients: 1000 },
  { name: '500 connections, nftables', args: ['connections', '500'], repeats: 5, options: ['--tcp-established', '--network-lock', 'nftables'], clients: 500 },
];

// with it every start of Node reads a bundle of certificates: a third of the time of `node -e 0`, and none of it ours
delete process.env['NODE_EXTRA_CA_CERTS'];

const tools = [{ name: 'ours', bin: OURS }, ...(THEIRS === undefined ? [] : [{ name: 'criu', bin: THEIRS }])];
/** Part of a name, or the whole of one. */
const filter = process.argv[2] ?? '';
/** Of one run of a tool. */
const SECONDS = 600;
const shm = mkdtempSync('/dev/shm/sf-bench-');
process.on('exit', () => rmSync(shm, { recursive: true, force: true }));

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

type Sample = Record<string, number>;

/** Clients out of the tree, who stay. */
async function connectAll(program: TestProgram, count: number): Promise<Socket[]> {
  if (count === 0) return [];
  const port = Number((await program.waitFor(/^port (\d+)$/m))[1]);
  return Promise.all(Array.from({ length: count }, () => new Promise<Socket>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => { resolve(socket); });
    socket.on('error', reject);
  })));
}

/** MiB that a program's images or its restored self take, and half as much again. */
const memoryOf = ([kind, mib]: readonly string[]): number => (['memory', 'pause', 'write'].includes(kind!) ? Number(mib) * 1.5 : 0);

/** `disturbed`: the host took the processor from the machine meanwhile. */
interface Run { readonly sample: Sample; readonly disturbed: boolean }

/** What this virtual machine's host took from it, in ticks: `steal` of proc_stat(5). */
const stolenTicks = (): number => Number(/^cpu +(?:\d+ +){7}(\d+)/u.exec(readFileSync('/proc/stat', 'latin1'))?.[1] ?? 0);

async function watched<T>(run: () => Promise<T>): Promise<{ readonly result: T; readonly disturbed: boolean }> {
  const before = stolenTicks();
  const result = await run();
  return { result, disturbed: stolenTicks() > before };
}

async function once(bin: string, { args, pause, options = [], clients = 0 }: Case): Promise<Run> {
  const program = new TestProgram('load', { args });
  const images = join(shm, 'img');
  let sockets: readonly Socket[] = [];
  try {
    sockets = await connectAll(program, clients);
    await program.waitFor(/^ready$/m, 60_000);
    const pids = treeOf(program.pid);
    await touchMemory(memoryOf(args));
    if (pause) {
      setPriority(program.pid, -20);
      const from = program.output.length;
      const { result: { ms }, disturbed } = await watched(() => dump(bin, program.pid, images, ['-R', '-v1']));
      const gaps = [...program.output.slice(from).matchAll(/^gap ([\d.]+)$/gm)].map((match) => Number(match[1]));
      return { sample: { 'dump -R': ms, pause: Math.max(...gaps) }, disturbed };
    }
    const dumped = await watched(() => dump(bin, program.pid, images, ['-v1', ...options], SECONDS));
    await program.gone(pids);
    await touchMemory(memoryOf(args));
    const restored = await watched(() => restore(bin, images, ['-v1', ...clients > 0 ? ['--tcp-established'] : []], SECONDS));
    if (!pids.every(alive)) throw new Error('not every task came back');
    if (sockets.some((socket) => socket.readableEnded || socket.destroyed)) throw new Error('a connection is gone');
    return { sample: { dump: dumped.result.ms, restore: restored.result.ms }, disturbed: dumped.disturbed || restored.disturbed };
  } finally {
    for (const socket of sockets) socket.destroy();
    kill(treeOf(program.pid));
    await program.stop();
    rmSync(images, { recursive: true, force: true });
  }
}

/** Runs at most, until one is not disturbed; if none is, the shortest. A host that limits what we take needs a moment. */
const TRIES = 5, BREATH_MS = 1500;

async function undisturbed(run: () => Promise<Run>): Promise<Sample> {
  const samples: Sample[] = [];
  while (samples.length < TRIES) {
    const { sample, disturbed } = await run();
    if (!disturbed) return sample;
    samples.push(sample);
    await new Promise((done) => setTimeout(done, BREATH_MS));
  }
  const weight = (sample: Sample): number => sample['pause'] ?? Object.values(sample).reduce((sum, ms) => sum + ms, 0);
  return samples.reduce((best, sample) => (weight(sample) < weight(best) ? sample : best));
}

const show = (ms: number): string => (ms >= 100 ? ms.toFixed(0) : ms.toFixed(1)).padStart(9);
console.log(`${'median of interleaved runs, ms'.padEnd(40)}${tools.map(({ name }) => name.padStart(9)).join('')}${tools.length > 1 ? '    ratio' : ''}   runs`);

const chosen = CASES.filter(({ name }) => name === filter || (name.includes(filter) && !CASES.some((other) => other.name === filter)));
for (const one of chosen) {
  const samples = new Map<string, Sample[]>(tools.map(({ name }) => [name, []]));
  const repeats = Number(process.env['BENCH_REPEATS'] ?? one.repeats);
  const broken = new Map<string, string>();
  for (let i = 0; i < repeats; i++) {
    for (const { name, bin } of tools) {
      if (broken.has(name)) continue;
      try {
        const sample = await undisturbed(() => once(bin, one));
        samples.get(name)!.push(sample);
      } catch (error) {
        broken.set(name, (error as Error).message);
      }
    }
  }
  const first = [...samples.values()].find((list) => list.length > 0)?.[0] ?? {};
  for (const what of Object.keys(first)) {
    const medians = tools.map(({ name }) => median(samples.get(name)!.map((sample) => sample[what]!)));
    const ratio = medians.length > 1 ? (medians[0]! / medians[1]!).toFixed(2).padStart(9) : '';
    console.log(`${`${one.name}: ${what}`.padEnd(40)}${medians.map(show).join('')}${ratio}   ${repeats}`);
  }
  for (const [name, message] of broken) console.log(`${one.name}: ${name} failed: ${message.split('\n').slice(0, 3).join(' / ')}`);
}

if ('start'.includes(filter)) {
  mkdirSync(shm, { recursive: true });
  const commands: [string, string, string[]][] = [
    ['start: stillframe version', process.execPath, [join(ROOT, 'bin/stillframe.js'), 'version']],
    ['start: bin/criu --version', process.execPath, [join(ROOT, 'bin/criu'), '--version']],
    ['start: node -e 0', process.execPath, ['-e', '0']],
    ...(THEIRS === undefined ? [] : [['start: criu --version', THEIRS, ['--version']] as [string, string, string[]]]),
  ];
  const times = new Map<string, number[]>(commands.map(([name]) => [name, []]));
  for (let i = 0; i < 21; i++) {
    for (const [name, command, args] of commands) {
      const start = performance.now();
      const { status } = spawnSync(command, args, { stdio: 'ignore' });
      if (status === 0) times.get(name)!.push(performance.now() - start);
    }
  }
  for (const [name, values] of times) console.log(`${name.padEnd(40)}${show(median(values))}`);
}
