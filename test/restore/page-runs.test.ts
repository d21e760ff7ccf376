/** Ranges and runs of pages; page maps through chains of sets. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { emptyTree, type FrozenTree, type PageMap, type Task } from '../../src/image/tree.ts';
import { cut, join, pageRuns, subtract, total, type Range, type SourceSet } from '../../src/restore/page-runs.ts';
import { batches } from '../../src/resources/memory/fill.ts';

const range = (start: number, end: number): Range => ({ start: BigInt(start), end: BigInt(end) });
const plain = (ranges: readonly Range[]): number[][] => ranges.map(({ start, end }) => [Number(start), Number(end)]);

/** A set with one task, pid 1, whose page map is [first page, pages, flags] triples. */
function setOf(name: string, entries: readonly [number, number, number][], parent?: SourceSet): SourceSet {
  const tree: FrozenTree = emptyTree({ img_version: 2 } as FrozenTree['inventory']);
  const pagemap: PageMap = { pages_id: 1, entries: entries.map(([page, count, flags]) => ({ vaddr: BigInt(page) * 4096n, compat_nr_pages: 0, nr_pages: BigInt(count), flags })) };
  tree.tasks.set(1, { pid: 1, pagemap } as Task);
  return { tree, name, pageMap: () => pagemap, ...(parent === undefined ? {} : { parent }) };
}
const pagesIn = (set: SourceSet): [string, number, number, number][] =>
  pageRuns(set, { pid: 1 }).map((run) => [run.set.name, Number(run.start / 4096n), Number(run.end / 4096n), Number(run.offset / 4096n)]);

const ranges = suite('subtract, join, cut');

ranges('against every page one by one', () => {
  let seed = 1;
  const random = (n: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
  const some = (): Range[] => join(Array.from({ length: random(6) }, () => { const at = random(40); return range(at, at + 1 + random(8)); }));
  const has = (list: readonly Range[], at: number): boolean => list.some(({ start, end }) => BigInt(at) >= start && BigInt(at) < end);
  for (let round = 0; round < 2000; round++) {
    const [a, b] = [some(), some()];
    const left = subtract(a, b);
    for (let at = 0; at < 50; at++) assert.is(has(left, at), has(a, at) && !has(b, at), `${plain(a)} without ${plain(b)} at ${at}: ${plain(left)}`);
    const runs = a.map(({ start, end }) => ({ start, end, set: setOf('s', []), pagesId: 1, offset: start * 2n }));
    const inside = cut(runs, b);
    for (let at = 0; at < 50; at++) assert.is(has(inside, at), has(a, at) && has(b, at), `${plain(a)} inside ${plain(b)} at ${at}: ${plain(inside)}`);
    assert.ok(inside.every(({ start, offset }) => a.some((r) => r.start <= start && r.end > start && offset === r.start * 2n + (start - r.start))));
  }
});

ranges('join', () => {
  assert.equal(plain(join([range(5, 6), range(1, 3), range(3, 5), range(8, 9)])), [[1, 6], [8, 9]]);
  assert.is(total([range(1, 3), range(5, 6)]), 3n);
});

const maps = suite('pageRuns');

maps('present pages follow each other in the file', () => {
  assert.equal(pagesIn(setOf('a', [[10, 2, 4], [20, 3, 6], [30, 1, 0], [40, 1, 4]])), [['a', 10, 12, 0], ['a', 20, 23, 2], ['a', 40, 41, 5]]);
});

maps('pages of the parent set, and of its parent', () => {
  const oldest = setOf('oldest', [[10, 8, 4]]);
  const middle = setOf('middle', [[10, 2, 1], [12, 1, 4], [13, 5, 1]], oldest);
  const newest = setOf('newest', [[10, 4, 1], [16, 1, 4]], middle);
  assert.equal(pagesIn(newest), [['oldest', 10, 12, 0], ['middle', 12, 13, 0], ['oldest', 13, 14, 3], ['newest', 16, 17, 0]]);
});

maps('a page that is said to be in the parent and is not', () => {
  assert.throws(() => pagesIn(setOf('child', [[10, 2, 1]], setOf('parent', [[10, 1, 4]]))), /0xa000-0xc000.*parent/s);
  assert.throws(() => pagesIn(setOf('child', [[10, 2, 1]])), /no 'parent' link/);
});

const reading = suite('batches');

reading('what lies together in a file is read by one call', () => {
  const set = setOf('a', [[10, 2, 4], [12, 1, 4], [20, 3, 4]]);
  const [batch, ...more] = batches(pageRuns(set, { pid: 1 }));
  assert.equal(plain(batch!), [[10 * 4096, 13 * 4096], [20 * 4096, 23 * 4096]]);
  assert.is(more.length, 0);
  const apart = batches([...pageRuns(set, { pid: 1 })].filter((_, i) => i !== 1));
  assert.is(apart.length, 2, 'not across a hole in the file');
});

ranges.run();
maps.run();
reading.run();
