/**
 * Reading images beside crit: decode of a page map of 100,000 entries, a set of 10,000 files, 1 GiB of memory compared; with the most
 * memory each took. crit is CRIT=/path/crit, else the installed one if there is one. Run: make && node --import tsx bench/images.ts
 */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { core } from '../src/core/node.ts';
import * as s from '../src/image/schema/index.ts';
import { create } from '../src/image/wire.ts';
import { image, linkFiles } from '../test/support/chain.ts';
import { ROOT } from '../test/support/program.ts';

const folder = mkdtempSync('/dev/shm/sf-bench-images-');
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const CRIT = process.env['CRIT'] ?? 'crit';
const hasCrit = spawnSync(CRIT, ['--help'], { stdio: 'ignore' }).status === 0;

interface Cost { readonly ms: number; readonly mib: number }

/** Wall time and peak memory of a command; the best of several runs. */
function cost(command: string, args: readonly string[], runs = 3): Cost | string {
  let best: Cost = { ms: Infinity, mib: 0 };
  for (let i = 0; i < runs; i++) {
    const began = performance.now();
    const ran = spawnSync('/usr/bin/time', ['-f', '%M', command, ...args], { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'], maxBuffer: 1 << 26 });
    const ms = performance.now() - began;
    if (ran.error !== undefined) return ran.error.message;
    if (ran.status !== 0 && ran.status !== 1) return `exit code ${ran.status}`;
    if (ms < best.ms) best = { ms, mib: Number(ran.stderr.trim().split('\n').at(-1)) / 1024 };
  }
  return best;
}

const text = (one: Cost | string): string => (typeof one === 'string' ? one : `${one.ms.toFixed(0)} ms, ${one.mib.toFixed(0)} MiB`);
const image_ = (...args: string[]): readonly [string, readonly string[]] => [process.execPath, [join(ROOT, 'bin/stillframe.js'), 'image', ...args]];

const count = 100_000;
const map = join(folder, 'pagemap-5.img');
writeFileSync(map, core.pagemap.encode(1, { vaddr: BigUint64Array.from({ length: count }, (_, i) => BigInt(i) * 0x3000n), nrPages: new BigUint64Array(count).fill(2n), flags: new Uint32Array(count).fill(4) }));
console.log(`page map of ${count} entries to JSON: ours ${text(cost(...image_('decode', map)))}; bin/crit ${text(cost(join(ROOT, 'bin/crit'), ['decode', '-i', map, '-o', '/dev/null']))}; crit ${hasCrit ? text(cost(CRIT, ['decode', '-i', map, '-o', '/dev/null'])) : 'is not installed'}`);

const many = join(folder, 'many');
mkdirSync(many);
const files = linkFiles({ pages: { 0x1000: 1 } });
const pids = Array.from({ length: 2000 }, (_, i) => 5 + i);
files.set('pstree.img', image('PSTREE', pids.map((pid) => create(s.pstree_entry, { pid, ppid: pid === 5 ? 0 : 5, pgid: 5, sid: 5, threads: [pid] }))));
for (const pid of pids) {
  for (const kind of ['core', 'mm', 'pagemap']) files.set(`${kind}-${pid}.img`, files.get(`${kind}-5.img`)!);
  files.set(`fs-${pid}.img`, image('FS', [create(s.fs_entry, { cwd_id: 1, root_id: 1 })]));
  files.set(`ids-${pid}.img`, image('IDS', [create(s.task_kobj_ids_entry, { vm_id: pid, files_id: 1, fs_id: pid, sighand_id: pid })]));
}
for (const [name, bytes] of files) writeFileSync(join(many, name), bytes);
console.log(`a set of ${files.size} files: show ${text(cost(...image_('show', many)))}; ps ${text(cost(...image_('ps', many)))}; check ${text(cost(...image_('check', many)))}; bin/crit x ps ${text(cost(join(ROOT, 'bin/crit'), ['x', many, 'ps']))}; crit x ps (process tree and cores only) ${hasCrit ? text(cost(CRIT, ['x', many, 'ps'])) : 'is not installed'}`);

const pages = Number(process.env['BENCH_PAGES'] ?? 262_144);
for (const [i, name] of ['a', 'b'].entries()) {
  const path = join(folder, name);
  mkdirSync(path);
  const link = linkFiles({ pages: { 0x1000: 1 } });
  link.set('pagemap-5.img', core.pagemap.encode(1, { vaddr: BigUint64Array.of(0x1000n), nrPages: BigUint64Array.of(BigInt(pages)), flags: Uint32Array.of(4) }));
  link.delete('pages-1.img');
  for (const [file, bytes] of link) writeFileSync(join(path, file), bytes);
  const fd = openSync(join(path, 'pages-1.img'), 'w');
  const piece = new Uint8Array(16 << 20);
  for (let at = 0; at < pages * 4096; at += piece.length) {
    for (let j = 0; j < piece.length; j += 64) piece[j] = at + j;
    piece[777] = i;
    writeSync(fd, piece);
  }
  closeSync(fd);
}
const diff = cost(...image_('diff', join(folder, 'a'), join(folder, 'b')));
const cmp = cost('cmp', ['-s', '-n', String(pages * 4096 - 1), '-i', '1024', join(folder, 'a', 'pages-1.img'), join(folder, 'a', 'pages-1.img')]);
console.log(`1 GiB against 1 GiB: ${text(diff)}${typeof diff === 'string' ? '' : `, ${(2 * pages * 4096 / diff.ms / 1e6).toFixed(2)} GB/s of both`}; cmp(1) of equal files ${text(cmp)}`);
const find = cost(...image_('find', join(folder, 'a'), 'nowhere in there'));
console.log(`1 GiB searched for text: ${text(find)}${typeof find === 'string' ? '' : `, ${(pages * 4096 / find.ms / 1e6).toFixed(2)} GB/s`}`);
