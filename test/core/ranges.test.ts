/** Range algebra through WebAssembly (its laws are tested natively in core/test). */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { core, CoreError, NO_MAPPING } from '../../src/core/node.ts';

const { ranges } = core;
const list = (...numbers: number[]): BigUint64Array => BigUint64Array.from(numbers, (n) => BigInt(n));
const plain = (result: BigUint64Array): number[] => [...result].map(Number);

const operations = suite('union, intersect, subtract, normalise');
const ROWS: [string, number[], number[], number[], number[], number[]][] = [
  // name, a, b, union, intersection, a less b
  ['nothing', [], [], [], [], []],
  ['one empty', [1, 2], [], [1, 2], [], [1, 2]],
  ['apart', [1, 2], [3, 4], [1, 2, 3, 4], [], [1, 2]],
  ['touching', [1, 3], [3, 4], [1, 4], [], [1, 3]],
  ['inside', [0, 10], [2, 3, 5, 7], [0, 10], [2, 3, 5, 7], [0, 2, 3, 5, 7, 10]],
  ['around', [2, 3], [0, 10], [0, 10], [2, 3], []],
  ['touching mappings', [0, 10], [0, 5, 5, 10], [0, 10], [0, 10], []],
];
for (const [name, a, b, union, intersection, less] of ROWS) {
  operations(name, () => {
    assert.equal(plain(ranges.union(list(...a), list(...b))), union);
    assert.equal(plain(ranges.intersect(list(...a), list(...b))), intersection);
    assert.equal(plain(ranges.subtract(list(...a), list(...b))), less);
  });
}
operations('normalise sorts, joins and drops', () => {
  assert.equal(plain(ranges.normalise(list(8, 9, 1, 3, 5, 5, 2, 4, 4, 6))), [1, 6, 8, 9]);
  assert.equal(plain(ranges.normalise(list())), []);
});
operations('refuse lists that are not sorted, with entry and addresses', () => {
  assert.throws(() => ranges.union(list(1, 2), list(0x1000, 0x3000, 0x2000, 0x4000)), (error: unknown) => error instanceof CoreError
    && error.code === 'RANGE_ORDER' && error.record === 2
    && error.text === 'entry 2 starts at 0x2000, before the one ahead of it ends (0x3000): the list is not sorted and disjoint');
  assert.throws(() => ranges.subtract(list(5, 4), list()), /range 0 is empty or ends before it starts: 0x5 to 0x4/);
  assert.throws(() => ranges.union(list(1), list()), /a start and an end for each/);
});
operations.run();

const split = suite('split');
split('cuts at mappings, and says which', () => {
  assert.equal(ranges.split(list(0, 10, 20, 25), list(2, 4, 4, 22)), [
    { start: 0n, end: 2n, range: 0, mapping: NO_MAPPING },
    { start: 2n, end: 4n, range: 0, mapping: 0 },
    { start: 4n, end: 10n, range: 0, mapping: 1 },
    { start: 20n, end: 22n, range: 1, mapping: 1 },
    { start: 22n, end: 25n, range: 1, mapping: NO_MAPPING },
  ]);
});
split.run();
