/**
 * What a dump has to do with the dumps before and after it: which pages are in the parent set already (said by the tracker, or found by
 * comparing contents), the `parent` link, and afterwards hashes and keepers for the dump that follows. Ranges are the core's work.
 */
import { closeSync, unlinkSync } from 'node:fs';
import { core, DiffKind, flat, NO_MAPPING, PAGE, type Ranges } from '../core/node.ts';
import type { Helper, RunOptions } from '../helper/client.ts';
import type { Range } from '../helper/protocol.ts';
import { openSet } from '../image/node/directory.ts';
import type { ImageSet } from '../image/set.ts';
import type { Log } from '../log.ts';
import { Program } from '../program/program.ts';
import { dedupParents } from './dedup.ts';
import { hashFd, hashFile, writeHashes } from './hashes.ts';
import type { Method } from './keeper.ts';
import { ParentSet, type Owner } from './parent.ts';
import { Tracker, type TrackedTask } from './tracker.ts';
import type { Mapping } from '../proc/smaps.ts';

export interface ChainOptions {
  /** --prev-images-dir, as given: relative to the images directory. */
  readonly parent: string | undefined;
  /** --track-mem, or a pre-dump: another dump will build on this one. */
  readonly track: boolean;
  /** --auto-dedup: what this set replaces is freed in those below. */
  readonly dedup?: boolean;
}

/** Pages that go into an image, or are left to the parent set. */
export interface Part { readonly start: bigint; readonly end: bigint; readonly lazy: boolean; readonly parent: boolean }

/** What divide() has to know of a task's pages. */
export interface Chosen {
  readonly ranges: readonly { readonly start: bigint; readonly end: bigint; readonly lazy: boolean }[];
  /** Of these, what the tracker says was written, when it was asked (`bitFor`). */
  readonly written: readonly { readonly start: bigint; readonly end: bigint }[];
}

/** Memory is compared in pieces that stay in the processor's cache. */
const PIECE = 4n << 20n;
const SIZE = BigInt(PAGE);

export class MemoryChain {
  readonly tracker: Tracker;
  readonly parent: ParentSet | undefined;
  /** Pages files written, for their hashes. */
  readonly #files: { readonly id: number; readonly path: string }[] = [];
  #window: number | undefined;

  /** Before anything is frozen. @throws StillframeError when the parent set cannot be used */
  constructor(imagesDir: string, readonly options: ChainOptions, readonly helper: Helper, readonly log: Log, tracker = new Tracker(helper, log)) {
    this.tracker = tracker;
    this.parent = options.parent === undefined ? undefined : ParentSet.open(imagesDir, options.parent);
    if (options.track || this.parent !== undefined) tracker.look();
  }

  /** How what was written since the parent set is known of a task: undefined, and its contents are compared. */
  #since(task: TrackedTask): ReturnType<Tracker['since']> {
    return this.parent === undefined ? undefined : this.tracker.since(task, this.parent.runId);
  }

  /** The `PageIs` bit that the scan of a task is to tell apart: 0n, none. */
  bitFor(task: TrackedTask): bigint {
    const since = this.#since(task);
    return since === undefined ? 0n : Tracker.bit(since.method);
  }

  /** Starts tracking a frozen task, when asked for. */
  track(task: TrackedTask, eligible: readonly Mapping[], enter: () => RunOptions): Method | undefined {
    return this.options.track ? this.tracker.start(task, eligible, enter) : undefined;
  }

  /**
   * What of a task's pages the parent set has already.
   * @param mayVanish the task runs
   */
  divide(task: TrackedTask, { ranges, written }: Chosen, mayVanish = false): Part[] {
    const { parent } = this;
    if (parent === undefined || ranges.length === 0) return whole(ranges);
    const owner = { pid: task.pid };
    if (!parent.has(owner)) {
      this.log.info(`Task ${task.pid} is not in the parent set: all of its pages are written`);
      return whole(ranges);
    }
    const present = flat(ranges);
    const candidates = core.ranges.intersect(core.ranges.normalise(present), parent.coverage(owner));
    const since = this.#since(task);
    this.log.debug(`Task ${task.pid}: what changed since ${parent.label} is told by ${since?.method ?? 'comparing contents'}`);
    const kept = since === undefined
      ? this.#unchanged(owner, candidates, (part, to) => this.helper.pages(task.pid, { held: to }, 0n, part, { mayVanish }))
      : core.ranges.subtract(core.ranges.intersect(candidates, normal(since.ranges)), core.ranges.normalise(flat(written)));
    if (kept.length === 0 && candidates.length > 0 && !parent.mayKnow(task.start)) {
      this.log.warn(`task ${task.pid}`, `the parent set ${parent.label} is of another process that had this number: all pages are written`);
    }
    return split(ranges, present, kept);
  }

  /** The same of a memory file that the helper holds: only its contents tell, as anybody may write to it in any way. */
  divideFile(shmid: bigint, held: number, size: bigint, extents: readonly { readonly start: bigint; readonly end: bigint }[]): Part[] {
    const ranges = extents.map(({ start, end }) => ({ start, end, lazy: false }));
    if (this.parent === undefined || !this.parent.has({ shmid }) || ranges.length === 0) return whole(ranges);
    const present = flat(ranges);
    const candidates = core.ranges.intersect(core.ranges.normalise(present), this.parent.coverage({ shmid }));
    const kept = this.#unchanged({ shmid }, candidates, (part, to) => {
      let at = 0n;
      for (const { address, size: bytes } of part) {
        const end = address + bytes < size ? address + bytes : size;
        this.helper.filePages(held, to, at, [{ address, size: end - address }]);
        // what the last page has behind the end of the file
        if (end < address + bytes) this.#clear(to, at + (end - address), address + bytes - end);
        at += bytes;
      }
    });
    return split(ranges, present, kept);
  }

  #clear(to: number, from: bigint, size: bigint): void {
    const program = new Program('helper').resource('window');
    program.call('pwrite64', [to, program.data(new Uint8Array(Number(size))), Number(size), from], { keep: false });
    this.helper.local(program).check('dump');
  }

  /** Those of the candidates whose contents are what the parent set has. @param copy brings pages into the window file */
  #unchanged(owner: Owner, candidates: Ranges, copy: (part: readonly Range[], to: number) => void): Ranges {
    if (candidates.length === 0) return candidates;
    const old = this.parent!.snapshot(owner, candidates, this.helper);
    const now = new BigUint64Array(old.hashes.length);
    const window = this.#window ??= this.#makeWindow();
    const fd = this.helper.getFd(window);
    try {
      let done = 0;
      for (const part of pieces(candidates)) {
        copy(part, window);
        const hashes = hashFd(fd, Number(part.reduce((sum, { size }) => sum + size, 0n)));
        now.set(hashes, done);
        done += hashes.length;
      }
    } finally {
      closeSync(fd);
    }
    const { ranges } = core.pages.diff(old, { pages: old.pages, hashes: now }, DiffKind.SAME);
    return ranges.map((page) => page * SIZE);
  }

  #makeWindow(): number {
    const program = new Program('helper').resource('window');
    const made = program.call('memfd_create', [program.cstring('window'), 1]);
    program.call('ftruncate', [made, PIECE], { keep: false });
    return Number(this.helper.local(program).check('dump').result(made));
  }

  /** A pages file of this set: hashes of it will be wanted. */
  wrote(id: number, path: string): void {
    if (this.options.track) this.#files.push({ id, path });
  }

  /**
   * For the dump that follows, when the set is finished. Nothing of this can make the set worse, so nothing fails.
   * @param runId of the finished set @param alive the tasks go on: keepers are left behind
   */
  finish(set: ImageSet & { path(name: string): string }, runId: string | undefined, alive: boolean): void {
    if (this.options.dedup === true && this.parent !== undefined) this.#dedup(set.label);
    for (const { id, path } of this.#files) {
      try {
        writeHashes(set, id, hashFile(path));
      } catch (error) {
        this.log.warn('hashes', `hashes-${id}.img was not written (${error instanceof Error ? error.message : String(error)}): without tracking, the next dump has to read this one's pages`);
        removeQuietly(set.path(`hashes-${id}.img`));
      }
    }
    if (alive && runId !== undefined) this.tracker.leave(runId);
  }

  #dedup(directory: string): void {
    const set = openSet(directory);
    try {
      this.log.info(`--auto-dedup: ${dedupParents(set, this.helper) / SIZE} pages of earlier sets are freed`);
    } catch (error) {
      this.log.warn('--auto-dedup', `earlier sets keep what this one replaces: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      set.close();
    }
  }

  close(): void {
    this.parent?.close();
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // it was never made
  }
}

const whole = (ranges: Chosen['ranges']): Part[] => ranges.map((range) => ({ ...range, parent: false }));

const normal = (ranges: readonly Range[]): Ranges => core.ranges.normalise(flat(ranges.map(({ address, size }) => ({ start: address, end: address + size }))));

/** Cuts ranges where they go over into what is kept in the parent. */
function split(ranges: Chosen['ranges'], present: Ranges, kept: Ranges): Part[] {
  return core.ranges.split(present, kept).map(({ start, end, range, mapping }) => ({ start, end, lazy: ranges[range]!.lazy, parent: mapping !== NO_MAPPING }));
}

/** Flat ranges in parts of at most PIECE bytes together. */
function* pieces(ranges: Ranges): Generator<Range[]> {
  let part: Range[] = [];
  let room = PIECE;
  for (let i = 0; i < ranges.length; i += 2) {
    for (let at = ranges[i]!; at < ranges[i + 1]!;) {
      const left = ranges[i + 1]! - at, size = left < room ? left : room;
      part.push({ address: at, size });
      at += size;
      room -= size;
      if (room > 0n) continue;
      yield part;
      part = [];
      room = PIECE;
    }
  }
  if (part.length > 0) yield part;
}
