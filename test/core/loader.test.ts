/** The loader: memory grows, is bounded and comes back; errors of our own are told from refusals; the module is small and quick. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Core, core, CoreError, loadCore, readCoreModule, theCore, useCore } from '../../src/core/node.ts';
import { CoreInstance, MAX_ARENA } from '../../wasm/loader.ts';
import { ROOT } from './fixtures.ts';

const module = new WebAssembly.Module(readCoreModule());

const memory = suite('CoreInstance');
memory('gives back what a run allocated, also when it throws', () => {
  const instance = new CoreInstance(module);
  const first = instance.run((c) => c.alloc(100));
  assert.throws(() => instance.run((c) => { c.alloc(5000); throw new Error('mine'); }), /mine/);
  assert.is(instance.run((c) => c.alloc(1)), first);
  assert.is(instance.run((c) => { c.run((inner) => inner.alloc(64)); return c.alloc(1); }), first);
});
memory('grows, with views that see the new memory, and shrinks when idle', () => {
  const instance = new CoreInstance(module);
  const small = instance.memorySize;
  instance.run((c) => {
    const early = c.place(Uint8Array.of(1, 2, 3));
    c.alloc(100 << 20);
    assert.ok(c.memorySize > 100 << 20);
    assert.equal(c.bytes(early, 3), Uint8Array.of(1, 2, 3));
  });
  assert.is(instance.memorySize, small);
});
memory('refuses what is above its bound, and works on', () => {
  const instance = new CoreInstance(module);
  assert.throws(() => instance.run((c) => c.alloc(MAX_ARENA + 1)), (error: unknown) => error instanceof CoreError && error.code === 'INPUT_TOO_LARGE');
  assert.throws(() => instance.run((c) => c.alloc(-1)), RangeError);
  assert.throws(() => instance.alloc(1), /only inside run/);
  assert.is(new Core(module).wire.checkMessage(Uint8Array.of(8, 1)), 1);
});
memory('starts afresh after a trap', () => {
  const instance = new CoreInstance(module);
  assert.throws(() => instance.run((c) => c.exports.sf_hash_pages(0xfffff000 | 0, 1000, 0n, 0)), WebAssembly.RuntimeError);
  instance.run((c) => assert.is(c.exports.sf_put_header(c.scratch, 0, 5), 4));
});
memory('refuses a module that is not the core', () => {
  const empty = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  assert.throws(() => new CoreInstance(empty), /build it again with make/);
});
memory.run();

const loading = suite('loadCore');
loading('compiles bytes and becomes theCore()', async () => {
  const loaded = await loadCore(readCoreModule());
  assert.is(theCore(), loaded);
  const address = `data:application/wasm;base64,${Buffer.from(readCoreModule()).toString('base64')}`;
  for (const source of [address, new URL(address)]) assert.is((await loadCore(source)).wire.checkMessage(Uint8Array.of(8, 1)), 1);
  useCore(core);
  assert.is(theCore(), core);
});
loading('the module imports nothing, exports what wasm/exports.json lists, and is below 64 KB', () => {
  assert.equal(WebAssembly.Module.imports(module), []);
  const names = WebAssembly.Module.exports(module).map(({ name }) => name);
  const listed = JSON.parse(readFileSync(join(ROOT, 'wasm/exports.json'), 'utf8')) as string[];
  assert.equal(listed.filter((name) => !names.includes(name.slice(1))), []);
  assert.ok(statSync(join(ROOT, 'wasm/stillframe.wasm')).size < 64 << 10);
});
loading('takes below 5 ms (best of five)', () => {
  const times = Array.from({ length: 5 }, () => {
    const start = performance.now();
    new Core(new WebAssembly.Module(readCoreModule()));
    return performance.now() - start;
  });
  assert.ok(Math.min(...times) < 5, `${times}`);
});
loading('what runs in a browser imports nothing of Node', () => {
  for (const file of ['wasm/loader.ts', 'src/core/core.ts', 'src/core/container.ts', 'src/core/wire.ts', 'src/core/pagemap.ts', 'src/core/ranges.ts', 'src/core/pages.ts', 'src/errors.ts']) {
    const text = readFileSync(join(ROOT, file), 'utf8');
    assert.not.match(text, /from ['"]node:|import\(|\bBuffer\b|\bprocess\./);
  }
});
loading.run();
