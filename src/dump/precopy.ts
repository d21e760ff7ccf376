/**
 * Copying memory before the tree is frozen, so that what must be copied while it stands is small however large the tree is. A first,
 * short stop makes a userfaultfd in every task that has much memory; then, while the tree runs, rounds: what was written since the round
 * before is write-protected again and copied again, over what was there. They end when little is left, or when it does not get less. In
 * the frozen window only the page tables are looked at and the last pages copied; `settle`, when the tree runs again, makes the file
 * what the page map says. Nobody else sees anything of it: it all ends with the helper's descriptors.
 *
 * A page counts as unchanged only while its mapping is registered and the page is protected: what was unmapped, moved, executed or forked
 * meanwhile has lost that, and is copied. Devices that write to memory do not fault: `writtenByDevices`.
 */
import { closeSync, ftruncateSync, openSync, unlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Helper } from '../helper/client.ts';
import { PageIs, type Range } from '../helper/protocol.ts';
import { fileNames, PE_LAZY, PE_PRESENT, type PageMap } from '../image/tree.ts';
import { O } from '../kernel/files.ts';
import type { Log } from '../log.ts';
import { LATER, lay, moves, overlay, PAGES, sizeOf, within, without, type Piece, type Span } from '../memory-tracking/placement.ts';
import { isOfFile, scanHeld, scanHeldInParts, type KindRange } from '../memory-tracking/scan.ts';
import type { TrackedTask } from '../memory-tracking/tracker.ts';
import { makeUffd, register } from '../memory-tracking/uffd.ts';
import type { Progress } from '../progress.ts';
import { parseFdInfo } from '../proc/fdinfo.ts';
import { isGone, readProcChildren, readProcNumbers, readProcRecord, readProcText } from '../proc/read.ts';
import { parseMapsLine, type Mapping } from '../proc/smaps.ts';
import { parseStatus } from '../proc/status.ts';
import { describeMappings } from '../resources/memory/dump.ts';
import { isCompat } from '../resources/registers/dump.ts';
import { isAioRing } from '../resources/aio/dump.ts';
import { enterLeader } from './collect.ts';
import type { FrozenTask } from './frozen.ts';
import type { ImageDirectory } from './image-directory.ts';
import { KnownMappings } from './known-mappings.ts';
import { copyRanges, pageMapEntry, type ChosenPages, type PageCounts } from './pages.ts';
import { hasEnded, seizeTree } from './seize.ts';
import { eligible } from './tracked.ts';

/** Below this a task's memory is copied in about the time that its being looked at takes. */
const MIN_BYTES = 16 * 2 ** 20, MIN_BYTES_ASKED = 2 ** 20;
const MAX_ROUNDS = 30;
/** A round that leaves more than this part of what the one before left is not worth another like it. */
const SHRINKS = 0.7;
/** Bytes of a round that take no time to speak of. */
const LITTLE = 256 * 1024;
const PAGE = 4096;

export interface PrecopyOptions {
  /** How long the last copying, in the frozen window, may take: ms. */
  readonly maxPauseMs: number;
  /** --precopy: also for memory that is copied quickly, and said when it cannot be done. */
  readonly asked: boolean;
  readonly timeoutMs: number;
  readonly progress?: Progress | undefined;
}

interface Tracked { readonly pid: number; readonly start: bigint; readonly uffd: number; readonly ranges: readonly KindRange[]; readonly id: number; readonly fd: number; pieces: Piece[]; known: KnownMappings | undefined }

export class Precopy {
  readonly #tasks = new Map<number, Tracked>();
  #later: number | undefined;
  #laterPages = 0;
  /** Bytes a millisecond, as the first round went. */
  #rate = 1e6;

  /** @param newPagesId the next N of `pages-N.img` */
  constructor(readonly helper: Helper, readonly images: Pick<ImageDirectory, 'make'>, readonly log: Log, readonly options: PrecopyOptions, readonly newPagesId: () => number) {}

  /** Copies all it can; the tree runs. Whatever stands in the way of one task leaves its memory to the frozen window. */
  run(root: number): void {
    const large = treeOf(root).filter((pid) => privateBytes(pid) >= (this.options.asked ? MIN_BYTES_ASKED : MIN_BYTES));
    if (large.length === 0) return;
    const direct = treeOf(root).find(hasDirectFile);
    if (direct !== undefined) return this.#cannot(`task ${direct}`, 'it has a file open with O_DIRECT: what a disk writes to memory is not noticed');
    this.#start(root, new Set(large));
    this.#rounds();
    for (const task of this.#tasks.values()) {
      try {
        task.known = new KnownMappings(task.pid);
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    }
    // what was written during all that
    this.#round();
  }

  #cannot(where: string, why: string): void {
    const text = `${why}; its memory is copied while it is stopped`;
    if (this.options.asked) this.log.warn(where, text);
    else this.log.debug(`${where}: ${text}`);
  }

  /** The first stop: a descriptor from each task. */
  #start(root: number, large: ReadonlySet<number>): void {
    const { helper, log } = this;
    const stopped = performance.now();
    const tasks = seizeTree(helper, root, this.options.timeoutMs).filter(({ zombie }) => !zombie);
    const made: { task: FrozenTask; uffd: number; ranges: readonly KindRange[] }[] = [];
    try {
      for (const task of tasks) if (large.has(task.pid)) this.#enter(task, (uffd) => made.push({ task, uffd, ranges: register(helper, uffd, tracked(task.mappings)) }));
    } finally {
      helper.detach(tasks.flatMap(({ tids }) => tids));
    }
    log.debug(`Stopped for ${(performance.now() - stopped).toFixed(2)} ms to start tracking ${made.length} tasks`);
    for (const { task: { pid, stat }, uffd, ranges } of made) {
      const id = this.newPagesId();
      this.#tasks.set(pid, { pid, start: stat.startTime, uffd, ranges, id, fd: openSync(this.images.make(fileNames.pages(id)), 'w+', 0o644), pieces: [], known: undefined });
    }
  }

  #enter(task: FrozenTask, take: (uffd: number) => void): void {
    const { pid, stopSignal } = task;
    const state = this.helper.state([pid])[0]!;
    const status = parseStatus(readProcRecord(`/proc/${pid}/status`));
    if (stopSignal !== 0 || isCompat(state)) return;
    if (status.seccomp !== 0 && !task.seccompSuspended) return this.#cannot(`task ${pid}`, 'seccomp forbids to look into it');
    const maps = readProcText(`/proc/${pid}/maps`).trimEnd().split('\n').map(parseMapsLine);
    if (maps.some(isAioRing)) return this.#cannot(`task ${pid}`, 'it has asynchronous I/O going on, which is not noticed when it writes to memory');
    task.threads = [{ tid: pid, state, stat: task.stat, status }];
    task.mappings = maps;
    const uffd = makeUffd(this.helper, pid, enterLeader(task, this));
    if ('held' in uffd) take(uffd.held);
    else this.#cannot(`task ${pid}`, 'this kernel has no asynchronous userfaultfd for it');
  }

  #rounds(): void {
    let before = Infinity;
    for (let round = 1; round <= MAX_ROUNDS && this.#tasks.size > 0; round++) {
      const started = performance.now();
      const bytes = this.#round();
      const ms = performance.now() - started;
      if (round === 1) this.#rate = Math.max(bytes / Math.max(ms, 0.1), 1e5);
      this.log.debug(`Round ${round}: ${bytes} bytes in ${ms.toFixed(1)} ms`);
      if (bytes <= Math.max(LITTLE, this.#rate * this.options.maxPauseMs / 8)) return;
      if (bytes > before * SHRINKS) {
        this.log.info(`Memory is written about as fast as it is copied: after ${round} rounds the tree is stopped with up to ${bytes} bytes to copy`);
        return;
      }
      before = bytes;
    }
  }

  /** @returns bytes copied */
  #round(): number {
    let bytes = 0;
    for (const task of this.#tasks.values()) {
      const { pid, ranges } = task;
      const changed = { allOf: PageIs.WRITTEN, report: 0n, protect: 'tracked' } as const;
      try {
        // pages that go into the image and were written since they were last protected, which they are now
        if (task.pieces.length === 0) bytes += this.#copyAll(task, scanHeld(this.helper, pid, ranges, changed).map(spanOf));
        else for (const regions of scanHeldInParts(this.helper, pid, ranges, changed)) bytes += this.#copy(task, regions.map(spanOf), RUNNING);
      } catch (error) {
        if (!hasEnded(pid, task.start)) throw error;
        // and if that was a mistake: what is protected by now and was not copied must not be taken for unchanged
        task.pieces = [];
      }
    }
    return bytes;
  }

  /** Pages of a place in a file go there again; those of none go to the end of the second file. @returns bytes */
  #copy(task: Tracked, spans: readonly Span[], options: { readonly mayVanish?: boolean; readonly workers?: number }): number {
    const again = within(task.pieces, spans);
    for (const file of [PAGES, LATER] as const) {
      const pieces = again.filter((piece) => piece.file === file);
      if (pieces.length > 0) this.helper.pages(task.pid, file === PAGES ? task.fd : this.#laterFile(), 0n, pieces.map(rangeOf), { ...options, places: pieces.map(({ at }) => BigInt(at * PAGE)) });
    }
    const fresh = again.length === 0 ? spans : without(spans, again);
    if (fresh.length > 0) {
      copyRanges(this, task.pid, this.#laterFile(), BigInt(this.#laterPages * PAGE), fresh.map(rangeOf), options, `memory of task ${task.pid}`);
      task.pieces = overlay(task.pieces, lay(fresh, LATER, this.#laterPages));
      this.#laterPages += sizeOf(fresh);
    }
    return sizeOf(spans) * PAGE;
  }

  /** The first copy of a task's memory. @returns bytes */
  #copyAll(task: Tracked, spans: readonly Span[]): number {
    copyRanges(this, task.pid, task.fd, 0n, spans.map(rangeOf), RUNNING, `memory of task ${task.pid}`);
    task.pieces = lay(spans, PAGES, 0);
    return sizeOf(spans) * PAGE;
  }

  #laterFile(): number {
    if (this.#later === undefined) {
      const path = this.images.make('pages-later.tmp');
      this.#later = openSync(path, 'w+', 0o600);
      unlinkSync(path);
    }
    return this.#later;
  }

  #find({ pid, start }: Pick<TrackedTask, 'pid' | 'start'>): Tracked | undefined {
    const task = this.#tasks.get(pid);
    return task?.start === start ? task : undefined;
  }

  /** Whether write-protection by a userfaultfd is ours. */
  isOurs(task: Pick<TrackedTask, 'pid' | 'start'>): boolean { return this.#find(task) !== undefined; }

  /** The mappings of a frozen task, when they are known without smaps. */
  mappings(task: Pick<TrackedTask, 'pid' | 'start'>): Mapping[] | undefined { return this.#find(task)?.known?.now(); }

  /**
   * In the frozen window: copies what of a task is not copied yet, or was written since.
   * @param chosen with what is written (PageIs.WRITTEN)
   * @param all nothing that was copied can be trusted
   * @returns its page map; undefined when nothing was copied before
   */
  finish(task: Pick<TrackedTask, 'pid' | 'start'>, chosen: ChosenPages, all: boolean, counts: PageCounts): PageMap | undefined {
    const found = this.#find(task);
    const started = performance.now();
    if (found === undefined) return undefined;
    const ranges = chosen.ranges.map(({ start, end }) => spanOf({ start, end }));
    const clean = all ? [] : within(found.pieces, without(ranges, chosen.written.map(spanOf)));
    this.log.debug(`Task ${found.pid}: ${sizeOf(ranges) - sizeOf(clean)} of ${sizeOf(ranges)} pages to copy while it is stopped`);
    this.#copy(found, without(ranges, clean), {});
    found.pieces = within(found.pieces, ranges);
    counts.written += BigInt(sizeOf(ranges));
    counts.copyMs += performance.now() - started;
    return {
      pages_id: found.id,
      entries: chosen.ranges.map(({ start, end, lazy }) => pageMapEntry(start, (end - start) / 4096n, PE_PRESENT | (lazy ? PE_LAZY : 0))),
    };
  }

  /** Puts all pages where they belong, and ends the tracking: when the tree runs again, or before it is killed. */
  settle(pids: ReadonlySet<number>): void {
    const started = performance.now();
    let moved = 0;
    const later = this.#later === undefined ? -1 : this.helper.putFd(this.#later);
    for (const task of this.#tasks.values()) {
      if (!pids.has(task.pid)) {
        closeSync(task.fd);
        continue;
      }
      const held = this.helper.putFd(task.fd);
      for (const { file, from, to, size } of moves(task.pieces)) {
        this.helper.filePages(file === PAGES ? held : later, held, BigInt(to * PAGE), [{ address: BigInt(from * PAGE), size: BigInt(size * PAGE) }]);
        moved += size;
      }
      ftruncateSync(task.fd, sizeOf(task.pieces) * PAGE);
      this.helper.closeFds([held]);
    }
    this.log.debug(`${moved} pages put into their places in ${(performance.now() - started).toFixed(1)} ms`);
    this.close();
  }

  /** Ends the tracking, whatever came of it. */
  close(): void {
    for (const { uffd, fd } of this.#tasks.values()) {
      try {
        this.helper.closeFds([uffd]);
      } catch {
        // it ends with the helper
      }
      try { closeSync(fd); } catch { /* settled before */ }
    }
    this.#tasks.clear();
    if (this.#later !== undefined) closeSync(this.#later);
    this.#later = undefined;
  }
}

/** Copying while the program runs, which wants processors too: a quarter of them is for us. (Reasoned; with two processors it is one thread, as everything here was measured.) */
const RUNNING = { mayVanish: true, workers: Math.max(1, Math.min(4, availableParallelism() >> 2)) } as const;

const spanOf = ({ start, end }: { readonly start: bigint; readonly end: bigint }): Span => ({ start: Number(start >> 12n), end: Number(end >> 12n) });
const rangeOf = ({ start, end }: Span): Range => ({ address: BigInt(start * PAGE), size: BigInt((end - start) * PAGE) });

/** A task and all below it, as they are now. */
export function treeOf(root: number): number[] {
  const all = [root];
  for (const pid of all) {
    try {
      for (const tid of readProcNumbers(`/proc/${pid}/task`)) {
        all.push(...readProcChildren(pid, tid));
      }
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
  return all;
}

/** Memory of a task's own, in memory or swapped out: bytes. */
function privateBytes(pid: number): number {
  try {
    const status = readProcRecord(`/proc/${pid}/status`);
    return ['RssAnon', 'VmSwap'].reduce((sum, name) => sum + Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'mu').exec(status)?.[1] ?? 0) * 1024, 0);
  } catch (error) {
    if (isGone(error)) return 0;
    throw error;
  }
}

/** Whether a disk may write into its memory behind the processor's back. */
function hasDirectFile(pid: number): boolean {
  try {
    return readProcNumbers(`/proc/${pid}/fdinfo`).some((fd) => {
      try {
        return (parseFdInfo(readProcRecord(`/proc/${pid}/fdinfo/${fd}`)).flags & O.DIRECT) !== 0;
      } catch (error) {
        if (isGone(error)) return false;
        throw error;
      }
    });
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** What of a task is to be tracked. */
function tracked(mappings: readonly Mapping[]): KindRange[] {
  return eligible(describeMappings(mappings, () => ({ id: 0, memfd: false, access: 0 })))
    .filter(({ name }) => !name.startsWith('[v') && !name.startsWith('/anon_hugepage') && !name.startsWith('/memfd:'))
    .map(({ start, end, device, inode }) => ({ address: start, size: end - start, file: isOfFile({ device, inode }) }));
}
