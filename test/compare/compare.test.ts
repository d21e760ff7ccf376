/** Comparing sets: each kind of difference is found where it is, equal sets are equal, links of a chain are compared by their pages. */
import '../../src/core/node.ts';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compareSets } from '../../src/compare/compare.ts';
import { compareMemory } from '../../src/compare/memory.ts';
import { changesOf } from '../../src/compare/values.ts';
import { MemoryStore } from '../../src/image/source/store.ts';
import { openPath } from '../../src/inspect/node/open.ts';
import { openStore } from '../../src/inspect/open.ts';
import { chainOf, linkFiles } from '../support/chain.ts';

const values = suite('changesOf');

values('names the field and both values', () => {
  assert.equal(changesOf({ a: 1, b: [1n, { c: 'x' }], d: Uint8Array.of(1) }, { a: 1, b: [0x20000n, { c: 'y' }], d: Uint8Array.of(2), e: true }), [
    { path: 'b[0]', a: '1', b: '0x20000' }, { path: 'b[1].c', a: 'x', b: 'y' }, { path: 'd', a: '01', b: '02' }, { path: 'e', b: 'true' },
  ]);
});

values.run();

const memory = suite('compareMemory');

memory('counts pages and bytes, and tells ranges', async () => {
  const [a, b] = [await chainOf({ pages: { 0x1000: 1, 0x2000: 1, 0x4000: 1 } }), await chainOf({ pages: { 0x1000: 1, 0x2000: 2, 0x3000: 5 } })];
  assert.equal(await compareMemory(a.memory(5), b.memory(5)), {
    changedPages: 1, changedBytes: 4096, onlyA: 1, onlyB: 1, same: 1, more: 0,
    ranges: [{ start: 0x2000n, end: 0x3000n, kind: 'changed', bytes: 4096 }, { start: 0x3000n, end: 0x4000n, kind: 'added', bytes: 0 }, { start: 0x4000n, end: 0x5000n, kind: 'removed', bytes: 0 }],
  });
});

memory('links of a chain: pages left in the parent are the same pages', async () => {
  const young = await chainOf({ pages: { 0x1000: 1, 0x2000: 1 } }, { pages: { 0x2000: 9 }, parent: [0x1000] });
  const change = await compareMemory(young.parent!.memory(5), young.memory(5));
  assert.equal([change.same, change.changedPages, change.onlyA, change.onlyB], [1, 1, 0, 0]);
});

memory.run();

const sets = suite('compareSets');

sets('a set equals itself', async () => {
  const [a, b] = [await openPath('test/fixtures/family'), await openPath('test/fixtures/family')];
  assert.ok((await compareSets(a, b, { memory: true })).equal);
  await Promise.all([a.close(), b.close()]);
});

sets('finds a changed register, descriptor, mapping and socket', async () => {
  const [a, b] = [await openPath('test/fixtures/family'), await openPath('test/fixtures/family')];
  b.tree.tasks.get(14602)!.core.thread_info!.gpregs.ax = 0x77777n;
  b.tree.fdinfo.get(3)!.pop();
  b.tree.files.get(4)!.reg!.name = '/other';
  b.tree.tasks.get(14603)!.mm!.vmas.pop();
  b.tree.files.get(17)!.usk!.state = 1;
  const result = await compareSets(a, b, { memory: false });
  const task = result.tasks.changed.find((one) => one.pid === 14602)!;
  assert.equal(task.threads.changed[0]!.registers.map((change) => [change.path, change.b]), [['gpregs.ax', '0x77777']]);
  assert.is(task.files.removed[0], '251: pipe pipe:[462048]');
  assert.is(result.tasks.changed.find((one) => one.pid === 14603)!.mappings.removed.length, 1);
  assert.equal(result.sockets, { added: ['unix stream family.sock ESTABLISHED'], removed: ['unix stream family.sock LISTEN'] });
  await Promise.all([a.close(), b.close()]);
});

sets('a pre-dump is compared by its pages', async () => {
  const old = linkFiles({ pages: { 0x1000: 1, 0x2000: 1 } });
  for (const name of ['pstree.img', 'core-5.img', 'mm-5.img']) old.delete(name);
  const young = await openStore(new MemoryStore('young', linkFiles({ pages: { 0x2000: 2 }, parent: [0x1000] }), new MemoryStore('old', old)));
  const result = await compareSets(young.parent!, young, { memory: true });
  assert.equal(result.tasks.changed.map((task) => [task.pid, task.memory?.changedPages, task.memory?.same]), [[5, 1, 1]]);
});

sets.run();
