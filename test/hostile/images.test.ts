/**
 * Damaged and made-up images through every command that reads them: each time an error that says what and where, or an answer; never a
 * crash of ours, a hang, or memory beyond 256 MiB plus twice the largest message. Damage: bits flipped, files cut, pieces spliced
 * in from other files, sizes made large, files swapped. Reproducible: the seed is printed with a failure. SF_HOSTILE_RUNS sets how often.
 */
// timeout: 300 s
import '../../src/core/node.ts';
import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { anonymise } from '../../src/anonymise/anonymise.ts';
import { compareSets } from '../../src/compare/compare.ts';
import { imageToJson } from '../../src/crit/convert.ts';
import { writeJson } from '../../src/crit/json.ts';
import { StillframeError } from '../../src/errors.ts';
import { checkSet } from '../../src/inspect/check/check.ts';
import { FORMATS, formatReport } from '../../src/inspect/check/report.ts';
import { coreDump } from '../../src/inspect/coredump/coredump.ts';
import { fdRows, mountRows, socketRows } from '../../src/inspect/files.ts';
import { open, openStore, type OpenSet } from '../../src/inspect/open.ts';
import { readImageFile } from '../../src/inspect/read.ts';
import { findIn, parsePattern, stringsIn } from '../../src/inspect/search.ts';
import { summaryOf } from '../../src/inspect/summary.ts';
import { environmentOf, taskRows } from '../../src/inspect/tasks.ts';
import { liveTasks, mappingRows } from '../../src/inspect/usage.ts';
import { MemorySource } from '../../src/image/source/source.ts';
import { MemoryStore } from '../../src/image/source/store.ts';
import { graphNodes } from '../../src/view/app/graph.ts';
import { paintable } from '../../src/view/app/picture.ts';
import { analysePages } from '../../src/view/pages.ts';
import { packView } from '../../src/view/data.ts';

const RUNS = Number(process.env['SF_HOSTILE_RUNS'] ?? 80);
const SECONDS_A_RUN = 10;
const MEMORY = 256 << 20;

const fixtures = ['counter', 'family', 'tcp'].map((name) => new Map(readdirSync(`test/fixtures/${name}`, { withFileTypes: true }).filter((entry) => entry.isFile())
  .map((entry) => [entry.name, new Uint8Array(readFileSync(`test/fixtures/${name}/${entry.name}`))] as const)));
const archive = new Uint8Array(readFileSync('test/fixtures/podman-counter.tar.gz'));

/** mulberry32 */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = state + 0x6d2b79f5 | 0;
    let t = Math.imul(state ^ state >>> 15, 1 | state);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) % below;
  };
}

type Draw = ReturnType<typeof random>;

function damage(bytes: Uint8Array, other: Uint8Array, draw: Draw): Uint8Array {
  if (bytes.length === 0) return other.slice(0, draw(64));
  const copy = bytes.slice();
  switch (draw(7)) {
    case 0: for (let i = 0; i <= draw(8); i++) copy[draw(copy.length)]! ^= 1 << draw(8); return copy;
    case 1: return copy.subarray(0, draw(copy.length));
    case 2: { // a piece of another file
      const at = draw(copy.length);
      copy.set(other.subarray(0, Math.min(other.length, copy.length - at, 1 + draw(200))), at);
      return copy;
    }
    case 3: { // a piece taken out
      const at = draw(copy.length);
      return Uint8Array.from([...copy.subarray(0, at), ...copy.subarray(Math.min(copy.length, at + 1 + draw(40)))]);
    }
    case 4: { // a number made large
      const at = draw(copy.length);
      copy.fill(0xff, at, Math.min(copy.length, at + 1 + draw(9)));
      return copy;
    }
    case 5: { // a piece twice
      const at = draw(copy.length);
      const piece = copy.subarray(at, at + 1 + draw(60));
      return Uint8Array.from([...copy.subarray(0, at), ...piece, ...copy.subarray(at)]);
    }
    default: return other.slice();
  }
}

/** Every reader of a set; what each may throw is a StillframeError. */
const READERS: Readonly<Record<string, (set: OpenSet) => Promise<unknown>>> = {
  show: summaryOf,
  ps: taskRows,
  fds: (set) => Promise.resolve(fdRows(set)),
  sockets: (set) => Promise.resolve(socketRows(set)),
  mounts: (set) => Promise.resolve(mountRows(set)),
  mem: (set) => Promise.resolve(liveTasks(set).map((task) => mappingRows(set, task.pid).length)),
  env: async (set) => { for (const task of liveTasks(set)) await environmentOf(set, task); },
  find: async (set) => { for (const task of liveTasks(set)) for await (const _ of findIn(set.memory(task.pid), parsePattern('/lib.*/'))) break; },
  strings: async (set) => { for (const task of liveTasks(set)) for await (const _ of stringsIn(set.memory(task.pid), 4)) { /* counted by nobody */ } },
  hexdump: async (set) => { for (const task of liveTasks(set)) await set.memory(task.pid).read(task.mm!.mm_start_stack, 4096); },
  check: async (set) => {
    const findings = await checkSet(set, { target: 'criu-3.17' });
    for (const format of FORMATS) formatReport({ target: 'x', links: set.chain.map((link) => link.name), findings, version: '0' }, format, (text) => text);
  },
  decode: async (set) => {
    for (const { name, kind } of set.loaded.files) {
      if (kind === undefined || kind.framing === 'raw') continue;
      const source = (await set.store.source(name))!;
      await readImageFile(source, name, kind, (image) => { writeJson(imageToJson(image, { pretty: true })); }).catch(expected);
    }
  },
  core: async (set) => {
    for (const task of set.tree.tasks.values()) {
      const dump = await coreDump(set, task.pid).catch(expected);
      let left = 64;
      if (dump !== undefined) for await (const _ of dump.parts()) if (left-- === 0) break;
    }
  },
  diff: async (set) => compareSets(set, await openStore(new MemoryStore('sound', fixtures[1]!)), { memory: true }),
  anonymise: async (set) => { for (const { parts } of anonymise(set, [])) for await (const _ of parts()) { /* thrown away */ } },
  view: async (set) => {
    const facts = await analysePages(set, 0);
    for (const task of liveTasks(set)) await paintable(set.memory(task.pid), set, new Map([...facts].map(([name, fact]) => [`0/${name}`, fact])), new AbortController().signal);
    graphNodes(set, true);
    await packView(set, { version: '0', pagesLimit: 1 << 20 });
  },
};

function expected(error: unknown): undefined {
  if (!(error instanceof StillframeError)) throw error;
  assert.ok(error.message.length < 4000 && error.parts.why !== '', error.message.slice(0, 200));
  return undefined;
}

const hostile = suite('hostile images');

async function withLimits(seed: number, what: string, run: () => Promise<unknown>): Promise<void> {
  const began = performance.now();
  try {
    await run();
  } catch (error) {
    if (!(error instanceof StillframeError)) {
      const text = error instanceof Error ? error.stack : String(error);
      assert.unreachable(`seed ${seed}, ${what}: ${text}`);
    }
    expected(error);
  }
  const took = performance.now() - began;
  assert.ok(took < SECONDS_A_RUN * 1000, `seed ${seed}, ${what}: it took ${Math.round(took)} ms`);
}

hostile(`${RUNS} damaged sets through every reader`, async () => {
  const largest = Math.max(...fixtures.flatMap((files) => [...files.values()].map((bytes) => bytes.length)));
  const start = process.memoryUsage().rss;
  let most = 0;
  for (let seed = 1; seed <= RUNS; seed++) {
    const draw = random(seed);
    const files = new Map<string, Uint8Array>(fixtures[draw(fixtures.length)]!);
    const names = [...files.keys()];
    for (let i = 0; i <= draw(4); i++) {
      const name = names[draw(names.length)]!;
      files.set(name, damage(files.get(name)!, files.get(names[draw(names.length)]!)!, draw));
    }
    let set: OpenSet | undefined;
    await withLimits(seed, 'open', async () => { set = await openStore(new MemoryStore('damaged', files)); });
    if (set === undefined) continue;
    for (const [name, read] of Object.entries(READERS)) await withLimits(seed, name, () => read(set!));
    most = Math.max(most, process.memoryUsage().rss);
  }
  assert.ok(most - start < MEMORY + 2 * largest, `memory grew by ${most - start >> 20} MiB`);
});

hostile(`${RUNS * 2} damaged archives`, async () => {
  const { gunzipSync, zlibSync } = await import('fflate');
  const tar: Uint8Array = gunzipSync(archive as Uint8Array<ArrayBuffer>);
  for (let seed = 1; seed <= RUNS * 2; seed++) {
    const draw = random(seed * 7919);
    const bytes: Uint8Array = draw(2) === 0 ? damage(archive, zlibSync(tar.subarray(0, 4096)), draw) : damage(tar, archive, draw);
    await withLimits(seed, 'archive', async () => {
      const set = await open(new MemorySource('damaged.tar', bytes));
      await summaryOf(set);
      await checkSet(set);
    });
  }
});

hostile('numbers that would take all memory or all time', async () => {
  const set = await openStore(new MemoryStore('damaged', fixtures[1]!));
  const { mm } = set.task(14596);
  mm!.mm_arg_end = mm!.mm_arg_start + (1n << 60n);
  mm!.vmas[0]!.end = (1n << 64n) - 1n;
  mm!.vmas.push({ ...mm!.vmas[3]!, start: 0n, end: 1n << 63n, status: 0x201, flags: 0x22 });
  for (const [name, read] of Object.entries(READERS)) await withLimits(0, name, () => read(set));
});

hostile.run();
