/** Grouping by kcmp: against objects whose order is known, in any order of asking; the number of comparisons stays small. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sameObjects, type Candidate } from '../../src/dump/kcmp.ts';
import type { Program, RanBlock } from '../../src/program/program.ts';

interface Item extends Candidate { readonly object: number }

/** A helper whose kernel objects are numbers; counts what it is asked. */
function fakeHelper(objects: ReadonlyMap<number, number>): { local: (program: Program) => RanBlock; asked: number; requests: number } {
  return {
    asked: 0, requests: 0,
    local(program: Program): RanBlock {
      this.requests++;
      this.asked += program.steps.length;
      const results = program.steps.map(({ args }) => {
        const [a, b] = [objects.get(args[3] as number)!, objects.get(args[4] as number)!];
        return BigInt(a === b ? 0 : a < b ? 1 : 2);
      });
      return { check() { return this; }, result: ({ index }: { index: number }) => results[index]! } as unknown as RanBlock;
    },
  };
}

function items(objects: readonly number[]): { items: Item[]; helper: ReturnType<typeof fakeHelper> } {
  const all = objects.map((object, index) => ({ pid: 1, index, object }));
  return { items: all, helper: fakeHelper(new Map(all.map(({ index, object }) => [index, object]))) };
}

function isRight(objects: readonly number[], groups: readonly Item[][]): void {
  assert.is(groups.flat().length, objects.length, 'everybody is in a group');
  assert.is(groups.length, new Set(objects).size, 'a group an object');
  for (const group of groups) assert.is(new Set(group.map(({ object }) => object)).size, 1, 'a group is one object');
}

const random = (n: number, kinds: number): number[] => Array.from({ length: n }, (_, i) => (i * 7919 + (i * i) % 101) % kinds);

const same = suite('sameObjects');
const ROWS: readonly (readonly [string, readonly number[]])[] = [
  ['nobody', []], ['one', [5]], ['two equal', [5, 5]], ['two different', [5, 4]], ['all equal', Array<number>(500).fill(1)],
  ['all different, ascending', Array.from({ length: 500 }, (_, i) => i)], ['all different, descending', Array.from({ length: 500 }, (_, i) => -i)],
  ['a few kinds', random(500, 7)], ['many kinds', random(500, 250)],
];
for (const [name, objects] of ROWS) {
  same(name, () => {
    const { items: all, helper } = items(objects);
    isRight(objects, sameObjects(helper, [{ type: 0, items: all }]));
  });
}
same('members of different buckets are never compared', () => {
  const { items: all, helper } = items([1, 1, 1, 1]);
  assert.is(sameObjects(helper, [{ type: 0, items: all.slice(0, 2) }, { type: 1, items: all.slice(2) }]).length, 2);
  assert.is(helper.asked, 2);
});
same('ten thousand shared by two tasks: one comparison each, one request', () => {
  const objects = Array.from({ length: 20_000 }, (_, i) => i % 10_000);
  const { items: all, helper } = items(objects);
  const buckets = Array.from({ length: 10_000 }, (_, i) => ({ type: 0, items: [all[i]!, all[i + 10_000]!] }));
  isRight(objects, sameObjects(helper, buckets));
  assert.is(helper.asked, 10_000);
  assert.is(helper.requests, 1);
});
same('ten thousand that look the same take no quadratic time', () => {
  const objects = random(10_000, 9973);
  const { items: all, helper } = items(objects);
  isRight(objects, sameObjects(helper, [{ type: 0, items: all }]));
  assert.ok(helper.asked < 10_000 * 60, `${helper.asked} comparisons`);
});
same.run();
