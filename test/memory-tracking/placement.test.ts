/** Pages copied in rounds end up in the order of the page map, each with its newest contents: played through with numbers for pages. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LATER, PAGES, lay, moves, overlay, sizeOf, within, without, type Piece, type Span } from '../../src/memory-tracking/placement.ts';

/** A small generator of numbers that come out the same each time. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Sorted spans of some of the pages below `top`. */
function some(pick: (below: number) => number, top: number, chance: number): Span[] {
  const spans: { start: number; end: number }[] = [];
  for (let page = 0; page < top; page++) {
    if (pick(100) >= chance) continue;
    const last = spans.at(-1);
    if (last !== undefined && last.end === page && pick(4) > 0) last.end++;
    else spans.push({ start: page, end: page + 1 });
  }
  return spans;
}

const pagesIn = (spans: readonly Span[]): number[] => spans.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i));

const spans = suite('spans');

spans('without and within, page by page', () => {
  const pick = random(7);
  for (let turn = 0; turn < 200; turn++) {
    const [a, b] = [some(pick, 60, 50), some(pick, 60, 30)];
    const there = new Set(pagesIn(b));
    assert.equal(pagesIn(without(a, b)), pagesIn(a).filter((page) => !there.has(page)));
    assert.equal(pagesIn(within(lay(a, PAGES, 0), b)), pagesIn(a).filter((page) => there.has(page)));
  }
});

spans.run();

const rounds = suite('rounds');

rounds('every page of the end is in its place with its last contents', () => {
  const pick = random(42);
  for (let turn = 0; turn < 500; turn++) {
    const top = 1 + pick(80);
    const files: [string[], string[]] = [[], []];
    let pieces: Piece[] = [];
    const contents = new Map<number, string>();
    const copy = (what: readonly Span[], file: typeof PAGES | typeof LATER, round: number): void => {
      const laid = lay(what, file, files[file].length);
      for (const page of pagesIn(what)) {
        contents.set(page, `${page}.${round}`);
        files[file].push(`${page}.${round}`);
      }
      pieces = overlay(pieces, laid);
    };
    copy(some(pick, top, 70), PAGES, 0);
    for (let round = 1; round < 4; round++) copy(some(pick, top, 20), LATER, round);
    // what is there in the end: some pages are gone, and none is new
    const chosen = some(pick, top, 80);
    const end = within(pieces, chosen);
    const before = [...files[PAGES]];
    for (const { file, from, to, size } of moves(end)) {
      const moved = (file === PAGES ? files[PAGES] : files[LATER]).slice(from, from + size);
      moved.forEach((page, i) => { files[PAGES][to + i] = page; });
    }
    const want = pagesIn(end).map((page) => contents.get(page));
    assert.equal(files[PAGES].slice(0, sizeOf(end)), want, `turn ${turn}: ${JSON.stringify({ before, end })}`);
  }
});

rounds('nothing moves when nothing changed', () => {
  assert.equal(moves(lay([{ start: 3, end: 9 }, { start: 20, end: 21 }], PAGES, 0)), []);
});

rounds('a page that is new in the middle moves the rest up, as one piece', () => {
  const pieces = overlay(lay([{ start: 0, end: 10 }, { start: 12, end: 20 }], PAGES, 0), lay([{ start: 11, end: 12 }], LATER, 5));
  assert.equal(moves(pieces), [{ file: PAGES, from: 10, to: 11, size: 8 }, { file: LATER, from: 5, to: 10, size: 1 }]);
});

rounds.run();
