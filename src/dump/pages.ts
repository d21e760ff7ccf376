/**
 * Page contents: which pages of a task belong in the image (the page tables say), copied by the helper into `pages-N.img`; likewise memory
 * files. The page maps that tell what lies where go into the model.
 */
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import type { pagemap_entry } from '../image/schema/index.ts';
import { fileNames, PE_LAZY, PE_PRESENT, type PageMap } from '../image/tree.ts';
import { PageIs, type Range, type Region } from '../helper/protocol.ts';
import { canBeLazy, dumpsWhole, guardEntry, holdsPages, type DumpedMapping } from '../resources/memory/dump.ts';
import { PAGE_SIZE, TASK_SIZE } from '../resources/memory/kinds.ts';
import { memoryContents } from '../resources/shared-memory/dump.ts';
import type { vma_entry } from '../image/schema/index.ts';
import type { DumpContext } from './context.ts';

/** Pages of one task, chosen but not copied. */
export interface ChosenPages {
  readonly ranges: readonly { readonly start: bigint; readonly end: bigint; readonly lazy: boolean }[];
  readonly guards: readonly vma_entry[];
  /** Pages the choice was made among. */
  readonly scanned: bigint;
}

/** What is counted for the statistics. */
export interface PageCounts { scanned: bigint; written: bigint; lazy: bigint; sharedScanned: bigint; sharedWritten: bigint; copyMs: number }

/**
 * Chooses a task's pages. Private memory of its own is what is present or swapped out, is not a page of a file, and is not the zero page.
 * @param guards whether this kernel tells guard pages
 */
export function choosePages(pid: number, mappings: readonly DumpedMapping[], guards: boolean, { helper }: DumpContext): ChosenPages {
  const wanted = mappings.filter(holdsPages);
  const scanned = wanted.reduce((sum, { entry }) => sum + (entry.end - entry.start) / PAGE_SIZE, 0n);
  const regions = helper.scan(pid, scanRanges(mappings), {
    anyOf: PageIs.PRESENT | PageIs.SWAPPED, noneOf: PageIs.FILE | PageIs.PFNZERO, report: guards ? PageIs.GUARD : PageIs.PRESENT,
  });
  const guarded = guards ? regions.filter((r) => (r.categories & PageIs.GUARD) !== 0n) : [];
  const ranges: { start: bigint; end: bigint; lazy: boolean }[] = [];
  const add = (start: bigint, end: bigint, lazy: boolean): void => {
    const last = ranges.at(-1);
    if (last !== undefined && last.end === start && last.lazy === lazy) last.end = end;
    else ranges.push({ start, end, lazy });
  };
  let at = 0;
  for (const dumped of wanted) {
    const { entry } = dumped;
    if (dumpsWhole(dumped)) {
      add(entry.start, entry.end, false);
      continue;
    }
    while (at < regions.length && regions[at]!.end <= entry.start) at++;
    for (let i = at; i < regions.length && regions[i]!.start < entry.end; i++) {
      const region = regions[i]!;
      if (guards && (region.categories & PageIs.GUARD) !== 0n) continue;
      add(max(region.start, entry.start), min(region.end, entry.end), canBeLazy(dumped));
    }
  }
  return { ranges, guards: joined(guarded).map(({ start, end }) => guardEntry(start, end)), scanned };
}

/** Holes smaller than this are scanned along: page tables have nothing there, and an older kernel's way is slow only in large ones. */
const SMALL_HOLE = 64n << 20n;

/** What to scan: few ranges that cover the mappings. */
function scanRanges(mappings: readonly DumpedMapping[]): Range[] {
  const ranges: { start: bigint; end: bigint }[] = [];
  for (const { entry: { start, end } } of mappings) {
    if (start >= TASK_SIZE) continue;
    const last = ranges.at(-1);
    if (last !== undefined && start - last.end < SMALL_HOLE) last.end = end;
    else ranges.push({ start, end });
  }
  return ranges.map(({ start, end }) => ({ address: start, size: end - start }));
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

/** Copies them. @param path of a file of the set by its name @returns the task's page map */
export function copyPages(pid: number, { ranges }: ChosenPages, path: (name: string) => string, context: DumpContext, counts: PageCounts): PageMap {
  const pagesId = context.newPagesId();
  const started = performance.now();
  copyTo(path(fileNames.pages(pagesId)), ranges.map(({ start, end }) => ({ address: start, size: end - start })), (fd, all) => context.helper.pages(pid, fd, 0n, all));
  counts.copyMs += performance.now() - started;
  const entries = ranges.map(({ start, end, lazy }) => {
    const pages = (end - start) / PAGE_SIZE;
    counts.written += pages;
    return pageMapEntry(start, pages, PE_PRESENT | (lazy ? PE_LAZY : 0));
  });
  return { pages_id: pagesId, entries };
}

/** Copies what memory files hold. */
export function copyMemoryFiles(path: (name: string) => string, context: DumpContext, counts: PageCounts): void {
  for (const { shmid, held, extents, size, mapped } of memoryContents(context)) {
    const ranges = extents.map(({ start, end }) => ({ address: start, size: roundUp(end) - start }));
    counts.sharedScanned += roundUp(size) / PAGE_SIZE;
    if (size === 0n) continue;
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
    const entries = ranges.map(({ address, size: bytes }) => {
      counts.sharedWritten += bytes / PAGE_SIZE;
      return pageMapEntry(address, bytes / PAGE_SIZE, PE_PRESENT);
    });
    context.tree.shmem.set(shmid, { pages_id: pagesId, entries });
  }
}

const roundUp = (n: bigint): bigint => (n + PAGE_SIZE - 1n) / PAGE_SIZE * PAGE_SIZE;

function pageMapEntry(vaddr: bigint, pages: bigint, flags: number): pagemap_entry {
  return { vaddr, compat_nr_pages: 0, in_parent: undefined, flags, nr_pages: pages };
}

function copyTo(path: string, ranges: readonly Range[], copy: (fd: number, ranges: readonly Range[]) => bigint): void {
  const fd = openSync(path, 'w', 0o644);
  try {
    const wanted = ranges.reduce((sum, { size }) => sum + size, 0n);
    const got = wanted === 0n ? 0n : copy(fd, ranges);
    if (got !== wanted) throw new RangeError(`${path}: ${got} of ${wanted} bytes were copied`);
  } finally {
    closeSync(fd);
  }
}
