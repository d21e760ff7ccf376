/** Which parts of a page map's entries are in none of a list of ranges. */
import type { PageMapColumns } from '../../core/core.ts';

interface Range { readonly start: bigint; readonly end: bigint }

export function* pageMapRanges(map: PageMapColumns & { readonly count: number }, pageSize: bigint, ranges: readonly Range[]): Generator<Range & { entry: number }> {
  const merged: { start: bigint; end: bigint }[] = [];
  for (const { start, end } of [...ranges].sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0))) {
    const last = merged.at(-1);
    if (last !== undefined && start <= last.end) last.end = end > last.end ? end : last.end;
    else if (end > start) merged.push({ start, end });
  }
  for (let entry = 0; entry < map.count; entry++) {
    let at = map.vaddr[entry]!;
    const end = at + map.nrPages[entry]! * pageSize;
    for (let i = firstEndingAfter(merged, at); at < end; i++) {
      const range = merged[i];
      const stop = range === undefined || range.start > end ? end : range.start;
      if (stop > at) yield { entry, start: at, end: stop };
      if (range === undefined) break;
      at = range.end > at ? range.end : at;
    }
  }
}

function firstEndingAfter(ranges: readonly Range[], at: bigint): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle]!.end <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}
