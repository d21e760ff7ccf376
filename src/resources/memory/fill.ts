/** Steps that bring page contents from pages files into a task's memory. */
import { Op, type Program, type ResultRef } from '../../program/program.ts';
import type { PageRun } from '../../restore/page-runs.ts';

/** Parts of one preadv: the kernel's UIO_MAXIOV. */
const MAX_PARTS = 1024;
/** Bytes of one call; the kernel's limit is just under 2 GiB. */
const MAX_BYTES = 1n << 30n;

export const PAGES_REMEDY = {
  ENODATA: 'The pages file is shorter than the page map says: the image set is damaged or incomplete',
  EIO: 'The pages file cannot be read: the disk it is on fails',
  EFAULT: 'The mapping is shorter than the page map says: the image set is damaged',
};

/** Runs that lie one after the other in one pages file, few enough for one call. */
export function batches(runs: readonly PageRun[]): PageRun[][] {
  const out: PageRun[][] = [];
  let bytes = 0n;
  for (const run of runs) {
    const batch = out.at(-1);
    const last = batch?.at(-1);
    const size = run.end - run.start;
    const follows = last !== undefined && last.set === run.set && last.pagesId === run.pagesId && last.offset + (last.end - last.start) === run.offset;
    if (batch === undefined || last === undefined || !follows || batch.length === MAX_PARTS || bytes + size > MAX_BYTES) {
      out.push([run]);
      bytes = size;
    } else if (last.end === run.start) {
      batch[batch.length - 1] = { ...last, end: run.end };
      bytes += size;
    } else {
      batch.push(run);
      bytes += size;
    }
  }
  return out;
}

/** @param fdOf the task's descriptor of the pages file a run is in */
export function addFills(p: Program, runs: readonly PageRun[], fdOf: (run: PageRun) => ResultRef): void {
  for (const batch of batches(runs)) {
    const first = batch[0]!;
    const fd = fdOf(first);
    if (batch.length === 1) {
      p.control(Op.FILL, [fd, first.start, first.end - first.start, first.offset, 0, 0], { keep: false, remedy: PAGES_REMEDY });
      continue;
    }
    const parts = new BigUint64Array(batch.length * 2);
    let bytes = 0n;
    batch.forEach(({ start, end }, i) => {
      parts[2 * i] = start;
      parts[2 * i + 1] = end - start;
      bytes += end - start;
    });
    p.call('preadv', [fd, p.data(new Uint8Array(parts.buffer)), batch.length, first.offset, 0], { keep: false, expect: { equals: bytes }, remedy: { ...PAGES_REMEDY, '*': PAGES_REMEDY.ENODATA } });
  }
}

/** Fills memory that was inherited: only pages that differ are written, so the others stay shared with the parent. */
export function addCompares(p: Program, runs: readonly PageRun[], fdOf: (run: PageRun) => ResultRef): void {
  if (runs.length === 0) return;
  const scratch = p.reserve(SCRATCH_SIZE, 64);
  for (const run of runs) {
    p.control(Op.FILL, [fdOf(run), run.start, run.end - run.start, run.offset, scratch, SCRATCH_SIZE], { keep: false, remedy: PAGES_REMEDY });
  }
}

const SCRATCH_SIZE = 65536;
