/**
 * Large memory, filled by several threads with UFFDIO_COPY: the kernel puts a copy of each page in its place, without zeroing it first
 * and without a page fault. It takes 0.6 of the processor time that reading the file into the memory takes, and every processor
 * can help. Where the kernel has no userfaultfd for us, or a helping thread cannot be made, the task does it all by itself.
 */
import { MAP, PROT } from '../../kernel/memory.ts';
import { CLONE } from '../../kernel/process.ts';
import { O } from '../../kernel/files.ts';
import { Cond, DataRef, Deferred, Op, Program, ResultRef } from '../../program/program.ts';
import { STACK_SIZE } from '../../restore/arena.ts';
import { BlockPlan } from '../../restore/block.ts';
import type { RestoreContext } from '../../restore/context.ts';
import type { PageRun } from '../../restore/page-runs.ts';
import { addFills, PAGES_REMEDY } from './fill.ts';

/** <linux/userfaultfd.h>: structs of 24, 32 and 40 bytes. */
const UFFD_API = 0xaa;
const UFFDIO_API = 0xc018aa3f, UFFDIO_REGISTER = 0xc020aa00, UFFDIO_COPY = 0xc028aa03;
const UFFD_USER_MODE_ONLY = 1;
const REGISTER_MISSING = 1n, COPY_DONTWAKE = 1n;

/** Bytes of the file that are mapped at a time. */
const WINDOW = 32n << 20n;
/** Windows of the threads lie in the addresses kept free for the arena, behind it. */
const WINDOWS_AT = 8n << 30n;
/** Below this it is not worth it. */
export const COPY_MIN = 16n << 20n;
const PIECE_MIN = 256n << 10n;
const SHARE_MIN = 64n << 20n;

export interface Copy {
  /** Runs copied; the others are for `addFills`. */
  readonly runs: readonly PageRun[];
  readonly rest: readonly PageRun[];
}

/** Which of the runs are worth copying so. */
export function splitLarge(runs: readonly PageRun[]): Copy {
  const large = runs.filter(({ start, end }) => end - start >= PIECE_MIN);
  const bytes = large.reduce((sum, { start, end }) => sum + end - start, 0n);
  return bytes < COPY_MIN ? { runs: [], rest: runs } : { runs: large, rest: runs.filter(({ start, end }) => end - start < PIECE_MIN) };
}

/** @param ranges the mappings the runs are in @param fdOf the task's descriptor of the pages file a run is in */
export function addCopies(p: Program, context: RestoreContext, pid: number, ranges: readonly { start: bigint; end: bigint }[], runs: readonly PageRun[], fdOf: (run: PageRun) => ResultRef): void {
  const resource = 'memory contents';
  p.resource(resource);
  const files = new Map(runs.map((run) => [fileKey(run), fdOf(run)]));
  const uffd = p.call('userfaultfd', [O.CLOEXEC | UFFD_USER_MODE_ONLY], { expect: 'any' });
  const plain = { at: 0 }, end = { at: 0 };
  p.jump(uffd, Cond.LT, 0, () => plain.at);
  p.call('ioctl', [uffd, UFFDIO_API, p.data(quads(BigInt(UFFD_API), 0n, 0n))], { keep: false });
  for (const { start, end: to } of ranges) p.call('ioctl', [uffd, UFFDIO_REGISTER, p.data(quads(start, to - start, REGISTER_MISSING, 0n))], { keep: false });
  const shares = divide(runs, context);
  const helpers = shares.slice(1).map((share, i) => addHelper(p, context, pid, i + 1, share, uffd, files));
  p.resource(resource);
  addWindows(p, context, 0, shares[0]!, uffd, (run) => files.get(fileKey(run))!);
  for (const helper of helpers) helper.finish();
  p.resource(resource);
  p.call('close', [uffd], { keep: false });
  p.jump(0, Cond.EQ, 0, () => end.at);
  plain.at = p.here;
  addFills(p, runs, fdOf);
  end.at = p.here;
}

const fileKey = (run: PageRun): string => `${run.set.name}/${run.pagesId}`;

/** Windows of the runs, dealt out evenly: the task's own share first. */
function divide(runs: readonly PageRun[], context: RestoreContext): PageRun[][] {
  const pieces = runs.flatMap((run) => {
    const parts: PageRun[] = [];
    for (let at = run.start; at < run.end; at += WINDOW) parts.push({ ...run, start: at, end: at + WINDOW < run.end ? at + WINDOW : run.end, offset: run.offset + (at - run.start) });
    return parts;
  });
  const bytes = runs.reduce((sum, { start, end }) => sum + end - start, 0n);
  const wanted = Math.min(context.host.processors, Number(bytes / SHARE_MIN), 8);
  const shares: PageRun[][] = Array.from({ length: Math.max(1, Math.min(wanted, 1 + context.freeWorkers)) }, () => []);
  pieces.forEach((piece, i) => shares[i % shares.length]!.push(piece));
  return shares;
}

function addWindows(p: Program, context: RestoreContext, index: number, pieces: readonly PageRun[], uffd: ResultRef, fdOf: (run: PageRun) => ResultRef): void {
  const window = context.arenaAddress! + WINDOWS_AT + BigInt(index) * WINDOW;
  for (const run of pieces) {
    const size = run.end - run.start;
    p.call('mmap', [window, size, PROT.READ, MAP.SHARED | MAP.FIXED_NOREPLACE | MAP.POPULATE, fdOf(run), run.offset], { keep: false, expect: { equals: window } });
    p.call('ioctl', [uffd, UFFDIO_COPY, p.data(quads(run.start, window, size, COPY_DONTWAKE, 0n))], {
      keep: false, remedy: { ...PAGES_REMEDY, ENOMEM: 'There is not enough memory' },
    });
    p.call('munmap', [window, size], { keep: false });
  }
}

/** A thread that lives only for this. It has a number that nobody else wants, as any other might be one that the tree needs. */
function addHelper(p: Program, context: RestoreContext, pid: number, index: number, pieces: readonly PageRun[], taskUffd: ResultRef, files: ReadonlyMap<string, ResultRef>): { finish(): void } {
  const { tid, barrier } = context.worker();
  const resource = `memory contents, helping thread ${index}`;
  const w = new Program(`task ${pid}`).resource(resource);
  const block = new BlockPlan(w, pid, tid, false);
  context.workers.push(block);
  const cells = new Map<string, DataRef>([['uffd', w.reserve(8)], ...[...files.keys()].map((key) => [key, w.reserve(8)] as const)]);
  const refs = new Map([...cells].map(([key, cell]) => [key, w.load(cell, 8)]));
  addWindows(w, context, index, pieces, refs.get('uffd')!, (run) => refs.get(fileKey(run))!);
  w.barrier(barrier);
  p.resource(resource);
  for (const [key, cell] of cells) {
    const address = new Deferred('number for the helping thread', () => block.address! + BigInt(w.layout(STACK_SIZE).data + cell.offset));
    p.control(Op.STORE, [address, key === 'uffd' ? taskUffd : files.get(key)!, 8], { keep: false });
  }
  const flags = CLONE.VM | CLONE.FS | CLONE.FILES | CLONE.SIGHAND | CLONE.THREAD | CLONE.SYSVSEM;
  const made = p.control(Op.THREAD, [flags, 0, p.data(Buffer.from(Uint32Array.of(tid).buffer)), 1, block.arg, 0], { expect: 'any' });
  return {
    finish(): void {
      const alone = { at: 0 }, end = { at: 0 };
      p.resource(resource);
      p.jump(made, Cond.LT, 0, () => alone.at);
      p.barrier(barrier);
      p.jump(0, Cond.EQ, 0, () => end.at);
      alone.at = p.here;
      addWindows(p, context, index, pieces, taskUffd, (run) => files.get(fileKey(run))!);
      end.at = p.here;
    },
  };
}

function quads(...words: bigint[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(words).buffer);
}
