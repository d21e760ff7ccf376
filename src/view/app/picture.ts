/**
 * A task's memory as a picture: one cell a page, or several pages a cell when there are many. Colours say where a page's bytes are,
 * or how often a page was stored over the chain (heat).
 */
import { PageFlag } from '../../core/core.ts';
import type { AddressSpace, PageRun } from '../../inspect/memory.ts';
import type { Mapping } from '../../inspect/mappings.ts';
import type { OpenSet } from '../../inspect/open.ts';
import { bit, type PageFacts } from '../pages.ts';

export const STATES = ['stored', 'changed', 'zero', 'parent', 'shared', 'lazy', 'missing', 'file', 'empty'] as const;
export type State = (typeof STATES)[number];

export const STATE_TEXTS: Readonly<Record<State, string>> = {
  stored: 'stored in this set', changed: 'stored, and changed since the set before', zero: 'stored, all zero', parent: 'in a parent set', shared: 'shared memory, stored',
  lazy: 'left for lazy pages', missing: 'wanted from a parent that lacks it', file: 'as in the mapped file', empty: 'never touched: zero',
};

export type Facts = ReadonlyMap<string, PageFacts>;

/** Pages of each state in a range. */
export type Tally = Record<State, number>;
const none = (): Tally => ({ stored: 0, changed: 0, zero: 0, parent: 0, shared: 0, lazy: 0, missing: 0, file: 0, empty: 0 });

export interface Cell { readonly start: bigint; readonly end: bigint; readonly mapping: number }

export interface Picture {
  readonly cells: readonly Cell[];
  readonly pagesPerCell: number;
  readonly states: readonly State[];
  /** Times stored over the chain, the most of any page of the cell's; one byte a cell. */
  readonly heat: Uint8Array;
  readonly totals: Tally;
}

/** Cells of a picture at most: as many as there are pixels to tell apart. */
const MAX_CELLS = 60_000;
/** Cells of a stretch without pages: what matters of it is that it is there. Longer ones are drawn as this many. */
const MAX_BARE = 48;

/** Yields to the browser now and then, so that the page does not freeze. */
export async function paintable(space: AddressSpace, set: OpenSet, facts: Facts, signal: AbortSignal): Promise<Picture> {
  const page = space.pageSize;
  const runs: PageRun[][] = [];
  let stored = 0;
  for (const mapping of space.mappings) {
    const own = [...space.runs(mapping.start, mapping.end)];
    runs.push(own);
    if (own.length > 0) stored += Number((mapping.end - mapping.start) / page);
    if (runs.length % 64 === 63) await breath(signal);
  }
  const pagesPerCell = Math.max(1, 2 ** Math.ceil(Math.log2(Math.max(1, stored / MAX_CELLS))));
  const cells: Cell[] = [];
  const states: State[] = [];
  const totals = none();
  for (const [index, mapping] of space.mappings.entries()) {
    paintMapping(mapping, index, runs[index]!, page * BigInt(pagesPerCell), page, facts, cells, states, totals);
    if (index % 16 === 15) await breath(signal);
  }
  return { cells, pagesPerCell, states, heat: heatOf(space, set, cells), totals };
}

export async function breath(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => { setTimeout(resolve, 0); });
  signal.throwIfAborted();
}

function paintMapping(mapping: Mapping, index: number, runs: readonly PageRun[], step: bigint, page: bigint, facts: Facts, cells: Cell[], states: State[], totals: Tally): void {
  let next = 0;
  const rest: State = mapping.zeroFilled ? 'empty' : 'file';
  const bare = { until: 0n, step: 0n };
  let end = mapping.start;
  for (let start = mapping.start; start < mapping.end; start = end) {
    while (next < runs.length && runs[next]!.end <= start) next++;
    end = cellEnd(start, step, page, runs[next]?.start ?? mapping.end, mapping.end, bare);
    const tally = none();
    let covered = 0;
    for (let i = next; i < runs.length && runs[i]!.start < end; i++) covered += count(runs[i]!, start, end, page, mapping.shared, facts, tally);
    const pages = Number((end - start) / page);
    tally[rest] += Math.max(0, pages - covered);
    let best: State = rest;
    // what is stored shows, even where most of a cell is empty
    for (const state of STATES) {
      totals[state] += tally[state];
      if (state !== rest && tally[state] > 0 && (best === rest || tally[state] > tally[best])) best = state;
    }
    cells.push({ start, end, mapping: index });
    states.push(best);
  }
}

/** Where a cell ends. In a long stretch without pages (up to `nextRun`) cells are as large as it takes. */
function cellEnd(start: bigint, step: bigint, page: bigint, nextRun: bigint, limit: bigint, bare: { until: bigint; step: bigint }): bigint {
  const gap = (nextRun < limit ? nextRun : limit) - start;
  if (start >= bare.until && gap > step * BigInt(2 * MAX_BARE)) {
    bare.until = start + gap;
    bare.step = (gap / BigInt(MAX_BARE) + page - 1n) / page * page;
  }
  const end = start < bare.until ? (start + bare.step < bare.until ? start + bare.step : bare.until) : start + step;
  return end < limit ? end : limit;
}

function count(run: PageRun, from: bigint, to: bigint, page: bigint, shared: boolean, facts: Facts, tally: Tally): number {
  const start = run.start > from ? run.start : from;
  const end = run.end < to ? run.end : to;
  const pages = Number((end - start) / page);
  if (run.state !== 'stored') tally[run.state] += pages;
  else if (run.link > 0) tally.parent += pages;
  else {
    const fact = facts.get(`${run.link}/${run.file}`);
    const first = Math.floor((run.offset + Number(start - run.start)) / Number(page));
    for (let i = first; i < first + pages; i++) {
      if (fact !== undefined && i < fact.pages && bit(fact.zero, i)) tally.zero++;
      else if (fact?.changed !== undefined && i < fact.pages && bit(fact.changed, i)) tally.changed++;
      else tally[shared ? 'shared' : 'stored']++;
    }
  }
  return pages;
}

/** In how many sets of the chain each cell's pages were stored. */
function heatOf(space: AddressSpace, set: OpenSet, cells: readonly Cell[]): Uint8Array {
  const heat = new Uint8Array(cells.length);
  const touched = new Uint8Array(cells.length);
  for (const link of set.chain) {
    const map = link.loaded.pageMaps.get(space.mapName);
    if (map === undefined) continue;
    touched.fill(0);
    let cell = 0;
    for (let i = 0; i < map.count; i++) {
      if ((map.flags[i]! & PageFlag.PRESENT) === 0) continue;
      const start = map.vaddr[i]!;
      const end = start + map.nrPages[i]! * space.pageSize;
      while (cell > 0 && cells[cell - 1]!.end > start) cell--;
      while (cell < cells.length && cells[cell]!.end <= start) cell++;
      for (let j = cell; j < cells.length && cells[j]!.start < end; j++) touched[j] = 1;
    }
    for (let j = 0; j < cells.length; j++) if (touched[j] === 1 && heat[j]! < 255) heat[j]!++;
  }
  return heat;
}

/** Where cells are drawn, and which one is at a point. */
export class Grid {
  readonly columns: number;
  readonly rows: number;
  constructor(readonly width: number, readonly count: number, readonly cell: number) {
    this.columns = Math.max(1, Math.floor(width / cell));
    this.rows = Math.ceil(count / this.columns);
  }
  at(x: number, y: number): number | undefined {
    const column = Math.floor(x / this.cell);
    const index = Math.floor(y / this.cell) * this.columns + column;
    return column < 0 || column >= this.columns || index < 0 || index >= this.count ? undefined : index;
  }
  place(index: number): { x: number; y: number } {
    return { x: (index % this.columns) * this.cell, y: Math.floor(index / this.columns) * this.cell };
  }
}

/** Edge of a cell in pixels: large when there are few. */
export function cellSize(width: number, count: number): number {
  for (const edge of [14, 10, 8, 6, 5, 4, 3]) if (Math.ceil(count / Math.floor(width / edge)) * edge <= 620) return edge;
  return 3;
}
