/** Page contents through WebAssembly; the hash's quality is tested natively in core/test. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { core, CoreError, DiffKind, PAGE } from '../../src/core/node.ts';
import { pagesFiles } from './fixtures.ts';

const { pages } = core;
const hex = (words: BigUint64Array, i = 0): string => [words[2 * i + 1], words[2 * i]].map((w) => (w ?? 0n).toString(16).padStart(16, '0')).join('');

const hash = suite('hash, hashFrom');
hash('is what xxhsum -H2 prints', () => {
  assert.is(hex(pages.hash(new Uint8Array(PAGE))), '3ee8dc4f9e7ee49593d76fe148c689ba');
  assert.is(hex(pages.hash(Uint8Array.from({ length: PAGE }, (_, i) => i * 7 + 3))), '1546867423105cd5d7428746842be37e');
});
hash('gives the same from a buffer and from a reader that brings it in pieces', () => {
  const bytes = Buffer.concat([...pagesFiles(), ...pagesFiles()].map((file) => file.bytes));
  assert.ok(bytes.length > 100 * PAGE);
  const whole = pages.hash(bytes, 99n);
  for (const piece of [1, 3, 64]) {
    let at = 0;
    const read = (into: Uint8Array): number => {
      const part = bytes.subarray(at, at + Math.min(piece * PAGE, into.length));
      into.set(part);
      at += part.length;
      return part.length;
    };
    assert.equal(pages.hashFrom(read, 99n), whole);
  }
  assert.is.not(hex(pages.hash(bytes, 98n)), hex(whole));
});
hash('refuses what is no whole number of pages', () => {
  assert.throws(() => pages.hash(new Uint8Array(PAGE + 1)), (error: unknown) => error instanceof CoreError && error.code === 'NOT_PAGES' && error.offset === 4096n);
  assert.throws(() => pages.hashFrom(() => 5), /5 bytes are not a whole number of 4096-byte pages/);
});
hash.run();

const compare = suite('zero, differing, differingBytes, ranges');
compare('find single bytes in 200 pages', () => {
  const a = new Uint8Array(200 * PAGE);
  const b = new Uint8Array(200 * PAGE);
  const touched = [0, 63, 64, 65, 130, 199];
  for (const page of touched) b[page * PAGE + (page * 37) % PAGE] = 1;
  const differ = pages.differing(a, b);
  assert.is(differ.count, touched.length);
  assert.equal([...pages.ranges(differ, 1000n)].map(Number), [1000, 1001, 1063, 1066, 1130, 1131, 1199, 1200]);
  assert.is(pages.differingBytes(a, b), touched.length);
  assert.is(pages.zero(a).count, 200);
  const zero = pages.zero(b);
  assert.is(zero.count, 194);
  zero.bits.forEach((byte, i) => assert.is(byte ^ (differ.bits[i] ?? 0), 0xff));
});
compare('the bits behind the last page are 0', () => {
  assert.equal(pages.zero(new Uint8Array(3 * PAGE)), { bits: Uint8Array.of(7), count: 3 });
  assert.equal(pages.zero(new Uint8Array(0)), { bits: new Uint8Array(0), count: 0 });
});
compare('refuse buffers of different length', () => {
  assert.throws(() => pages.differing(new Uint8Array(PAGE), new Uint8Array(2 * PAGE)), /4096 and 8192 bytes/);
});
compare.run();

const snapshots = suite('diff, duplicates');
snapshots('tell same, changed, added and removed pages', () => {
  const content = (n: number): Uint8Array => new Uint8Array(PAGE).fill(n);
  const snapshot = (entries: [number, number][]): { pages: BigUint64Array; hashes: BigUint64Array } => ({
    pages: BigUint64Array.from(entries, ([page]) => BigInt(page)), hashes: pages.hash(Buffer.concat(entries.map(([, n]) => content(n)))),
  });
  const old = snapshot([[1, 1], [2, 2], [3, 3], [9, 9]]);
  const now = snapshot([[1, 1], [2, 7], [3, 8], [4, 1], [10, 9]]);
  const result = pages.diff(old, now);
  assert.equal([...result.ranges].map(Number), [2, 5, 10, 11]);
  assert.equal([result.same, result.changed, result.added, result.removed], [1, 2, 2, 1]);
  assert.equal([...pages.diff(old, now, DiffKind.REMOVED).ranges].map(Number), [9, 10]);
  assert.equal([...pages.duplicates(now.hashes)], [0, 1, 2, 0, 4]);
  assert.throws(() => pages.diff(snapshot([[2, 1], [1, 1]]), now), /entry 1 starts at 0x1/);
});
snapshots('duplicates of many', () => {
  const hashes = BigUint64Array.from({ length: 20_000 }, (_, i) => BigInt(Math.floor(i / 2) % 7000));
  const first = pages.duplicates(hashes);
  first.forEach((value, i) => assert.is(value, i % 7000));
  assert.is(pages.duplicates(new BigUint64Array(0)).length, 0);
});
snapshots.run();
