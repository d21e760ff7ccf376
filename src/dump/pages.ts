/**
 * Page contents: which pages of a task belong in the image (the page tables say), copied by the helper into `pages-N.img`; likewise memory
 * files. The page maps that tell what lies where go into the model.
 */
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import type { pagemap_entry } from '../image/schema/index.ts';
import { fileNames, PE_LAZY, PE_PARENT, PE_PRESENT, type PageMap } from '../image/tree.ts';
import { PageIs, type Range, type Region } from '../helper/protocol.ts';
import { canBeLazy, dumpsWhole, guardEntry, holdsPages, type DumpedMapping } from '../resources/memory/dump.ts';
import { PAGE_SIZE, TASK_SIZE } from '../resources/memory/kinds.ts';
import { memoryContents } from '../resources/shared-memory/dump.ts';
import type { vma_entry } from '../image/schema/index.ts';
import { VMA } from '../resources/memory/status.ts';
import type { MemoryChain, Part } from '../memory-tracking/chain.ts';
import { scanHeld, scanTracked, type KindRange } from '../memory-tracking/scan.ts';
import type { DumpContext } from './context.ts';

/** Pages of one task, chosen but not copied. */
export interface ChosenPages {
  readonly ranges: readonly { readonly start: bigint; readonly end: bigint; readonly lazy: boolean }[];
  /** Of these, what is marked as written (with `bit`). */
  readonly written: readonly { readonly start: bigint; readonly end: bigint }[];
  readonly guards: readonly vma_entry[];
  /** Pages the choice was made among. */
  readonly scanned: bigint;
}

/** What is counted for the statistics. */
export interface PageCounts {
  scanned: bigint; written: bigint; skipped: bigint; lazy: bigint;
  sharedScanned: bigint; sharedWritten: bigint; sharedSkipped: bigint;
  copyMs: number;
}

export const noPages = (): PageCounts => ({ scanned: 0n, written: 0n, skipped: 0n, lazy: 0n, sharedScanned: 0n, sharedWritten: 0n, sharedSkipped: 0n, copyMs: 0 });

/**
 * Chooses a task's pages. Private memory of its own is what is present or swapped out, is not a page of a file, and is not the zero page.
 * @param guards whether this kernel tells guard pages
 * @param bit the `PageIs` bit by which a tracker marks what was written; 0n: none
 */
export function choosePages(pid: number, mappings: readonly DumpedMapping[], guards: boolean, { helper }: Pick<DumpContext, 'helper'>, bit = 0n): ChosenPages {
  const wanted = mappings.filter(holdsPages);
  const scanned = wanted.reduce((sum, { entry }) => sum + (entry.end - entry.start) / PAGE_SIZE, 0n);
  const regions = (bit === PageIs.WRITTEN ? scanTracked : scanHeld)(helper, pid, scanRanges(wanted), {
    report: (guards ? PageIs.GUARD : bit === 0n ? PageIs.PRESENT : 0n) | bit,
  });
  const guarded = guards ? regions.filter((r) => (r.categories & PageIs.GUARD) !== 0n) : [];
  const ranges: { start: bigint; end: bigint; lazy: boolean }[] = [];
  const add = (start: bigint, end: bigint, lazy: boolean): void => {
    const last = ranges.at(-1);
    if (last !== undefined && last.end === start && last.lazy === lazy) last.end = end;
    else ranges.push({ start, end, lazy });
  };
  const written: { start: bigint; end: bigint }[] = [];
  let at = 0;
  for (const dumped of wanted) {
    const { entry } = dumped;
    if (dumpsWhole(dumped)) {
      add(entry.start, entry.end, false);
      if (bit !== 0n) written.push({ start: entry.start, end: entry.end });
      continue;
    }
    while (at < regions.length && regions[at]!.end <= entry.start) at++;
    for (let i = at; i < regions.length && regions[i]!.start < entry.end; i++) {
      const region = regions[i]!;
      if (guards && (region.categories & PageIs.GUARD) !== 0n) continue;
      const [start, end] = [max(region.start, entry.start), min(region.end, entry.end)];
      add(start, end, canBeLazy(dumped));
      if (bit !== 0n && (region.categories & bit) !== 0n) written.push({ start, end });
    }
  }
  return { ranges, written, guards: joined(guarded).map(({ start, end }) => guardEntry(start, end)), scanned };
}

/** Holes smaller than this are scanned along: page tables have nothing there, and an older kernel's way is slow only in large ones. */
const SMALL_HOLE = 64n << 20n;

/** What to scan: few ranges that cover the mappings. */
function scanRanges(mappings: readonly DumpedMapping[]): KindRange[] {
  const ranges: { start: bigint; end: bigint; file: boolean }[] = [];
  for (const dumped of mappings) {
    const { start, end, status } = dumped.entry;
    if (start >= TASK_SIZE || dumpsWhole(dumped)) continue;
    const file = (status & VMA.ANON_PRIVATE) === 0;
    const last = ranges.at(-1);
    if (last !== undefined && last.file === file && start - last.end < SMALL_HOLE) last.end = end;
    else ranges.push({ start, end, file });
  }
  return ranges.map(({ start, end, file }) => ({ address: start, size: end - start, file }));
}

function joined(regions: readonly Region[]): { start: bigint; end: bigint }[] {
  const out: { start: bigint; end: bigint }[] = [];
  for (const { start, end } of regions) {
    const last = out.at(-1);
    if (last !== undefined && last.end === start) last.end = end;
    else out.push({ start, end });
  }
  return out;
}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** What copying needs to know of the set. */
export interface Target {
  /** Path of a file of the set by its name. */
  readonly path: (name: string) => string;
  readonly chain: Pick<MemoryChain, 'divideFile' | 'wrote'>;
}

/**
 * Copies those that are not left to the parent set.
 * @param mayVanish the task runs
 * @returns the task's page map
 */
export function copyPages(pid: number, parts: readonly Part[], { path, chain }: Target, context: DumpContext, counts: PageCounts, mayVanish = false): PageMap {
  const pagesId = context.newPagesId();
  const started = performance.now();
  const file = path(fileNames.pages(pagesId));
  const ranges = parts.filter(({ parent }) => !parent).map(({ start, end }) => ({ address: start, size: end - start }));
  copyTo(file, ranges, (fd, all) => copyRanges(context, pid, fd, 0n, all, { mayVanish }, `memory of task ${pid}`));
  chain.wrote(pagesId, file);
  counts.copyMs += performance.now() - started;
  const entries = parts.map(({ start, end, lazy, parent }) => {
    const pages = (end - start) / PAGE_SIZE;
    if (parent) counts.skipped += pages;
    else counts.written += pages;
    return pageMapEntry(start, pages, parent ? PE_PARENT : PE_PRESENT | (lazy ? PE_LAZY : 0));
  });
  return { pages_id: pagesId, entries };
}

/** Copies what memory files hold. */
export function copyMemoryFiles({ path, chain }: Target, context: DumpContext, counts: PageCounts): void {
  for (const { shmid, held, extents, size, mapped } of memoryContents(context)) {
    counts.sharedScanned += roundUp(size) / PAGE_SIZE;
    if (size === 0n) continue;
    const parts = chain.divideFile(shmid, held, size, extents.map(({ start, end }) => ({ start, end: roundUp(end) })));
    const ranges = parts.filter(({ parent }) => !parent).map(({ start, end }) => ({ address: start, size: end - start }));
    const pagesId = context.newPagesId();
    const started = performance.now();
    copyTo(path(fileNames.pages(pagesId)), ranges, (fd, all) => {
      if (mapped !== undefined) return context.helper.pages(mapped.pid, fd, 0n, all.map(({ address, size: bytes }) => ({ address: address + mapped.address, size: bytes })));
      const to = context.helper.putFd(fd);
      try {
        // what the last page has behind the file's end is zeros
        const copied = context.helper.filePages(held, to, 0n, all.map(({ address, size: bytes }) => ({ address, size: min(address + bytes, size) - address })));
        const whole = roundUp(copied);
        ftruncateSync(fd, Number(whole));
        return whole;
      } finally {
        context.helper.closeFds([to]);
      }
    });
    counts.copyMs += performance.now() - started;
    chain.wrote(pagesId, path(fileNames.pages(pagesId)));
    const entries = parts.map(({ start, end, parent }) => {
      const pages = (end - start) / PAGE_SIZE;
      if (parent) counts.sharedSkipped += pages;
      else counts.sharedWritten += pages;
      return pageMapEntry(start, pages, parent ? PE_PARENT : PE_PRESENT);
    });
    context.tree.shmem.set(shmid, { pages_id: pagesId, entries });
  }
}

const roundUp = (n: bigint): bigint => (n + PAGE_SIZE - 1n) / PAGE_SIZE * PAGE_SIZE;

export function pageMapEntry(vaddr: bigint, pages: bigint, flags: number): pagemap_entry {
  return { vaddr, compat_nr_pages: 0, in_parent: undefined, flags, nr_pages: pages };
}

/** Bytes copied between two reports. */
const SLICE = 128n << 20n;

/** Copies ranges of a task's memory, laid end to end, to a file at `offset`; where somebody watches, a slice after the other. */
export function copyRanges({ helper, options: { progress } }: { readonly helper: DumpContext['helper']; readonly options: Pick<DumpContext['options'], 'progress'> }, pid: number, fd: number, offset: bigint, ranges: readonly Range[],
  options: { readonly mayVanish?: boolean; readonly workers?: number }, what: string): bigint {
  const total = ranges.reduce((sum, { size }) => sum + size, 0n);
  if (progress === undefined || total <= SLICE) return helper.pages(pid, fd, offset, ranges, options);
  let done = 0n;
  let slice: Range[] = [], room = SLICE;
  const flush = (): void => {
    done += helper.pages(pid, fd, offset + done, slice, options);
    progress.report(what, Number(done), Number(total));
    [slice, room] = [[], SLICE];
  };
  for (const { address, size } of ranges) {
    for (let at = 0n; at < size;) {
      const part = min(room, size - at);
      slice.push({ address: address + at, size: part });
      at += part;
      room -= part;
      if (room === 0n) flush();
    }
  }
  if (slice.length > 0) flush();
  return done;
}

function copyTo(path: string, ranges: readonly Range[], copy: (fd: number, ranges: readonly Range[]) => bigint): void {
  const fd = openSync(path, 'w+', 0o644); // read as well: the helper may map it
  try {
    const wanted = ranges.reduce((sum, { size }) => sum + size, 0n);
    const got = wanted === 0n ? 0n : copy(fd, ranges);
    if (got !== wanted) throw new RangeError(`${path}: ${got} of ${wanted} bytes were copied`);
  } finally {
    closeSync(fd);
  }
}
