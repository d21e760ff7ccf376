/**
 * The core's speed in WebAssembly, each beside the same C built natively with -O3 (best of several, in cache), and what moving the
 * bytes in and out of the module costs. Run: node --import tsx bench/core.ts
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { core, Core, PAGE, readCoreModule } from '../src/core/node.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGES = 64;

/** Best of `turns` in milliseconds. */
function best(turns: number, run: () => void): number {
  let least = Infinity;
  for (let i = 0; i < turns; i++) {
    const start = performance.now();
    run();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}
const speed = (bytes: number, ms: number): string => `${(bytes / ms / 1e6).toFixed(1)} GB/s`;

execFileSync('make', ['-s', 'build/core/bench'], { cwd: ROOT, env: { ...process.env, SF_READY: '1' }, stdio: 'inherit' });
const native = new Map(execFileSync(`${ROOT}build/core/bench`, { encoding: 'utf8' }).trim().split('\n').map((line) => {
  const [name = '', gbs = ''] = line.split(' ');
  return [name, Number(gbs)] as const;
}));

core.instance.run((instance) => {
  const { exports } = instance;
  const [a, b, out] = [instance.alloc(PAGES * PAGE, 64), instance.alloc(PAGES * PAGE, 64), instance.alloc(PAGES * 16)];
  instance.bytes(a, 2 * PAGES * PAGE).fill(0);
  const kernels: [string, () => unknown][] = [
    ['hash', () => exports.sf_hash_pages(a, PAGES, 5n, out)],
    ['zero', () => exports.sf_zero_pages(a, PAGES, out)],
    ['differing', () => exports.sf_differing_pages(a, b, PAGES, out)],
  ];
  for (const [name, kernel] of kernels) {
    const gbs = (PAGES * PAGE * 1024) / best(25, () => { for (let i = 0; i < 1024; i++) kernel(); }) / 1e6;
    const beside = native.get(name) ?? NaN;
    console.log(`${name.padEnd(10)} wasm ${gbs.toFixed(1)} GB/s, native ${beside.toFixed(1)} GB/s: ${(gbs / beside).toFixed(2)} of it`);
  }
});

const buffer = Buffer.alloc(64 << 20, 7);
const other = Buffer.from(buffer);
console.log(`from a 64 MiB buffer: hash ${speed(buffer.length, best(5, () => core.pages.hash(buffer)))}, `
  + `compare ${speed(2 * buffer.length, best(5, () => core.pages.differing(buffer, other)))} (both sides counted)`);

const count = 100_000;
const columns = { vaddr: BigUint64Array.from({ length: count }, (_, i) => BigInt(i) * 0x3000n), nrPages: new BigUint64Array(count).fill(2n), flags: new Uint32Array(count).fill(4) };
const file = core.pagemap.encode(1, columns);
console.log(`page map of ${count} entries: decode ${best(9, () => core.pagemap.decode(file)).toFixed(1)} ms, encode ${best(9, () => core.pagemap.encode(1, columns)).toFixed(1)} ms`);
console.log(`load: ${best(5, () => new Core(new WebAssembly.Module(readCoreModule()))).toFixed(2)} ms, ${readCoreModule().length} bytes`);
