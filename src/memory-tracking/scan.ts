/**
 * Looking through page tables for the pages that go into images. Whether a page is one of a file the kernel only knows from the page itself,
 * which is 80 ms for a GiB where the page tables alone are 1.3 (each look misses the processor's caches). Anonymous memory has no pages of
 * files: it is not asked there.
 */
import { core, flat } from '../core/node.ts';
import type { Helper, ScanOptions } from '../helper/client.ts';
import { PageIs, type Range, type Region } from '../helper/protocol.ts';

/** Pages that go into images: in memory or swapped out, no page of a file, not the zero page. */
const HOLDS = { anyOf: PageIs.PRESENT | PageIs.SWAPPED, noneOf: PageIs.FILE | PageIs.PFNZERO } as const;
const HOLDS_ANONYMOUS = { anyOf: HOLDS.anyOf, noneOf: PageIs.PFNZERO } as const;

/** A range that is mapped from a file (private), or not. */
export interface KindRange extends Range { readonly file: boolean }

/** Mappings without a file, as /proc tells them. */
export const isOfFile = ({ device, inode }: { readonly device: string; readonly inode: bigint }): boolean => device !== '00:00' || inode !== 0n;

/** Regions of pages that go into images, ascending. @param ranges ascending */
export function scanHeld(helper: Helper, pid: number, ranges: readonly KindRange[], options: Omit<ScanOptions, 'anyOf' | 'noneOf'>): Region[] {
  return merge(helper.scan(pid, ranges.filter(({ file }) => !file), { ...options, ...HOLDS_ANONYMOUS }), helper.scan(pid, ranges.filter(({ file }) => file), { ...options, ...HOLDS }));
}

/**
 * The same of a stopped task that a userfaultfd tracks, where few pages were written: half the time (0.6 ms a GiB, not 1.2). Pages of anonymous memory that are present
 * and not written go into images, and the kernel need not tell them: they are what is left of the ranges when it has told the others. Of the others it is asked once more.
 * What lies between mappings it does not tell either: the caller leaves that out. Pages of files vanish from private mappings without a trace
 * (a marker keeps them protected), so there everything is looked at.
 */
export function scanTracked(helper: Helper, pid: number, ranges: readonly KindRange[], options: Pick<ScanOptions, 'report'>): Region[] {
  const anonymous = ranges.filter(({ file }) => !file);
  const others = helper.scan(pid, anonymous, { anyOf: PageIs.WRITTEN, orAbsent: true, report: 0n });
  const rest = core.ranges.subtract(flat(anonymous.map(({ address, size }) => ({ start: address, end: address + size }))), flat(others));
  const unwritten = Array.from({ length: rest.length / 2 }, (_, i): Region => ({ start: rest[2 * i]!, end: rest[2 * i + 1]!, categories: 0n }));
  const written = scanHeld(helper, pid, others.map(({ start, end }) => ({ address: start, size: end - start, file: false })), options);
  return merge(merge(unwritten, written), helper.scan(pid, ranges.filter(({ file }) => file), { ...options, ...HOLDS }));
}

function merge(a: Region[], b: Region[]): Region[] {
  if (a.length === 0 || b.length === 0) return a.length === 0 ? b : a;
  const all: Region[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length;) all.push(j >= b.length || (i < a.length && a[i]!.start < b[j]!.start) ? a[i++]! : b[j++]!);
  return all;
}

/** Regions that are looked at and worked off at once: memory for them is bounded however many there are. */
const MANY = 16_384;

/** The same, part by part, not in the order of addresses. */
export function* scanHeldInParts(helper: Helper, pid: number, ranges: readonly KindRange[], options: Omit<ScanOptions, 'anyOf' | 'noneOf' | 'maxRegions'>): Generator<Region[]> {
  for (const file of [false, true]) {
    let left: readonly Range[] = ranges.filter((range) => range.file === file);
    while (left.length > 0) {
      const regions = helper.scan(pid, left, { ...options, ...(file ? HOLDS : HOLDS_ANONYMOUS), maxRegions: MANY });
      if (regions.length > 0) yield regions;
      if (regions.length < MANY) break;
      const from = regions.at(-1)!.end;
      left = left.filter(({ address, size }) => address + size > from).map((range) => (range.address < from ? { address: from, size: range.address + range.size - from } : range));
    }
  }
}
