/** Pages files, open in the helper for all tasks. */
import type { Extent } from '../../dump/extents.ts';
import { bytesOf } from '../../image/text.ts';
import { fileNames } from '../../image/tree.ts';
import { AT_FDCWD, O } from '../../kernel/files.ts';
import type { RestoreContext } from '../../restore/context.ts';
import type { HelperFd } from '../../restore/helper-fd.ts';
import type { PageRun } from '../../restore/page-runs.ts';

/** Shorter holes are filled along: each one that is left out is a step. */
const MIN_HOLE = 64n << 10n;

/** For memory that is made anew, of zeros: the runs without the holes of their pages files, where these are known. */
export function withoutHoles(context: RestoreContext, runs: readonly PageRun[]): PageRun[] {
  const { dataOf } = context.options;
  return dataOf === undefined ? [...runs] : runs.flatMap((run) => {
    const extents = dataOf(pagesPath(run));
    return extents === undefined ? [run] : dataIn(run, extents);
  });
}

function dataIn(run: PageRun, extents: readonly Extent[]): PageRun[] {
  const parts: { start: bigint; end: bigint }[] = [];
  const last = run.offset + (run.end - run.start);
  for (let i = firstBehind(extents, run.offset); i < extents.length && extents[i]!.start < last; i++) {
    const start = extents[i]!.start > run.offset ? extents[i]!.start & -PAGE : run.offset;
    const end = extents[i]!.end < last ? extents[i]!.end + PAGE - 1n & -PAGE : last;
    const before = parts.at(-1);
    if (before !== undefined && start - before.end < MIN_HOLE) before.end = end;
    else parts.push({ start, end });
  }
  return parts.map(({ start, end }) => ({ ...run, start: run.start + (start - run.offset), end: run.start + (end - run.offset), offset: start }));
}

/** The first of sorted extents that ends behind an offset. */
function firstBehind(extents: readonly Extent[], offset: bigint): number {
  let low = 0, high = extents.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (extents[middle]!.end > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}

const PAGE = 4096n;
const pagesPath = ({ set, pagesId }: Pick<PageRun, 'set' | 'pagesId'>): string => `${set.name}/${fileNames.pages(pagesId)}`;

/** The pages file a run is in. */
export function pagesFile(context: RestoreContext, run: Pick<PageRun, 'set' | 'pagesId'>): HelperFd {
  const key = `${run.set.name}/${run.pagesId}`;
  const known = context.pages.get(key);
  if (known !== undefined) return known;
  const path = pagesPath(run);
  const p = context.local.program.resource(fileNames.pages(run.pagesId));
  const fd = context.local.open(path, p.call('openat', [AT_FDCWD, p.cstring(bytesOf(path)), O.RDONLY | O.CLOEXEC, 0], {
    remedy: { ENOENT: 'The set is incomplete: copy all of its files' },
  }));
  context.pages.set(key, fd);
  return fd;
}
