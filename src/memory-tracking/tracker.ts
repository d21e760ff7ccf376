/**
 * Tracking of a tree's memory for one dump: takes over what the dump before has left (a keeper a task), starts where nothing is, says which
 * pages were written since a given set, and leaves keepers behind for the next dump. While this runs the helper holds what a keeper
 * held: when the helper dies, the kernel ends the tracking and the next dump compares contents.
 */
import type { Helper, RunOptions } from '../helper/client.ts';
import { PageIs, type Range } from '../helper/protocol.ts';
import { errnoName } from '../kernel/errno.ts';
import type { Log } from '../log.ts';
import type { Mapping } from '../proc/smaps.ts';
import { Program, type ResultRef } from '../program/program.ts';
import { dismiss, findKeepers, leaveKeeper, takeFrom, type Keeper, type Method } from './keeper.ts';
import { isOfFile, scanHeld, type KindRange } from './scan.ts';
import { makeUffd, register } from './uffd.ts';

/** What tracking has to know of a frozen task. */
export interface TrackedTask { readonly pid: number; readonly start: bigint; readonly mappings: readonly Mapping[] }

/** A task tracked from now on. */
interface Held { readonly pid: number; readonly start: bigint; readonly method: Method; readonly uffd: number | undefined; readonly space: number; readonly ranges: readonly KindRange[]; old: Keeper | undefined }

const isWatched = ({ flags }: Mapping): boolean => flags.includes('uw');

export class Tracker {
  #keepers: Map<number, Keeper> | undefined;
  readonly #held = new Map<number, Held>();
  #uffdMissing = false;

  constructor(readonly helper: Helper, readonly log: Log, readonly features: { readonly softDirty: () => boolean } = { softDirty: () => hasSoftDirty(helper) }) {}

  /** Looks for keepers now, rather than while the tree waits. */
  look(): void { this.#keepers = findKeepers(); }

  #keeperOf({ pid, start }: Pick<TrackedTask, 'pid' | 'start'>): Keeper | undefined {
    const keeper = (this.#keepers ??= findKeepers()).get(pid);
    return keeper?.start === start ? keeper : undefined;
  }

  /** Whether a mapping that is registered with a userfaultfd is so for us, and not for the program. */
  isOurs(task: Pick<TrackedTask, 'pid' | 'start'>): boolean {
    return this.#keeperOf(task)?.method === 'userfaultfd';
  }

  /**
   * The mappings of a task in which every page that was written since `set` is marked so. Undefined: nobody has tracked that.
   * Of a mapping that is not among them (it is newer, or was moved) all pages count as written.
   */
  since(task: TrackedTask, set: string | undefined): { readonly method: Method; readonly ranges: readonly Range[] } | undefined {
    const keeper = this.#keeperOf(task);
    if (keeper === undefined || set === undefined || keeper.set !== set) return undefined;
    const known = keeper.method === 'userfaultfd' ? task.mappings.filter(isWatched) : task.mappings.filter(({ start }) => start < USER_END);
    return { method: keeper.method, ranges: known.map(rangeOf) };
  }

  /** The `PageIs` bit that says "written" in scans for a method. */
  static bit(method: Method): bigint { return method === 'userfaultfd' ? PageIs.WRITTEN : PageIs.SOFT_DIRTY; }

  /**
   * Makes sure that a task is tracked. Its pages are not yet marked as clean: `restart` does that.
   * @param eligible its mappings whose private pages go into images
   * @param enter how its main thread runs a program
   */
  start(task: TrackedTask, eligible: readonly Mapping[], enter: () => RunOptions): Method | undefined {
    const { helper } = this;
    const old = this.#keeperOf(task);
    const watched = task.mappings.some(isWatched);
    let uffd = old?.method === 'userfaultfd' && watched ? takeFrom(old, helper) : undefined;
    if (uffd === undefined && !this.#uffdMissing && !watched) {
      const made = makeUffd(helper, task.pid, enter());
      if ('held' in made) uffd = made.held;
      else {
        this.#uffdMissing = true;
        this.log.debug(`Task ${task.pid}: no asynchronous userfaultfd (${errnoName(made.errno) ?? made.errno})`);
      }
    }
    const method: Method | undefined = uffd !== undefined ? 'userfaultfd' : this.features.softDirty() ? 'soft-dirty' : undefined;
    if (method === undefined) return undefined;
    const fresh = eligible.filter((mapping) => !isWatched(mapping)).map(rangeOf);
    const ranges = uffd === undefined ? [] : [...eligible.filter(isWatched).map(rangeOf), ...register(helper, uffd, fresh)].sort((a, b) => (a.address < b.address ? -1 : 1));
    const program = new Program('helper').resource('memory tracking');
    const space = program.call('openat', [-100, program.cstring(`/proc/${task.pid}/pagemap`), 0o2000000, 0]);
    this.#held.set(task.pid, { pid: task.pid, start: task.start, method, uffd, ranges, space: Number(helper.local(program).check('dump').result(space)), old });
    return method;
  }

  /** From here on "written" is what is written after this. While the task is frozen, after its pages were looked at. */
  restart(pid: number): void {
    const held = this.#held.get(pid);
    if (held === undefined) return;
    // what the keeper says is true no longer; the helper has a copy of its descriptor
    if (held.old !== undefined) dismiss(held.old);
    held.old = undefined;
    if (held.method === 'userfaultfd') {
      scanHeld(this.helper, pid, held.ranges, { allOf: PageIs.WRITTEN, report: 0n, protect: 'tracked', quiet: true });
      return;
    }
    const program = new Program('helper').resource(`soft-dirty bits of task ${pid}`);
    const fd = program.call('openat', [-100, program.cstring(`/proc/${pid}/clear_refs`), 0o2000001, 0]);
    program.call('write', [fd, program.data(Buffer.from('4')), 1], { keep: false });
    program.call('close', [fd], { keep: false });
    this.helper.local(program).check('dump');
  }

  /** A keeper for each task that was restarted. @param set the finished set that has the pages as they were then */
  leave(set: string): void {
    for (const { pid, start, method, uffd, space } of this.#held.values()) {
      try {
        const keeper = leaveKeeper(this.helper, pid, start, method, set, uffd, space);
        this.log.debug(`Task ${pid} is tracked by ${method} from now on (keeper ${keeper})`);
      } catch (error) {
        // it may have ended by now
        this.log.debug(`Task ${pid} is not tracked: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    this.end();
  }

  /** Lets go of what the helper holds. */
  end(): void {
    const fds = [...this.#held.values()].flatMap(({ uffd, space }) => (uffd === undefined ? [space] : [uffd, space]));
    this.#held.clear();
    if (fds.length > 0) this.helper.closeFds(fds);
  }
}

/** Everything of the user's; the vsyscall page has no page tables of its own. */
const USER_END = 1n << 47n;
const rangeOf = ({ start, end, device, inode }: Mapping): KindRange => ({ address: start, size: end - start, file: isOfFile({ device, inode }) });

/** A place that is free in the helper, and flags of mmap (<linux/mman.h>). */
const PLACE = 0x1000_0000n, PAGE = 4096n, PROT_RW = 3, MAP_PRIVATE_ANONYMOUS_FIXED = 0x32;
/** Bit 55 of a pagemap entry, as a bit of one of its bytes (Documentation/admin-guide/mm/soft-dirty.rst). */
const SOFT_DIRTY_BYTE = 6, SOFT_DIRTY_BIT = 0x80;

/** Whether this kernel keeps soft-dirty bits (CONFIG_MEM_SOFT_DIRTY): asked with a page of the helper's, which the kernel writes to. */
export function hasSoftDirty(helper: Helper): boolean {
  const program = new Program('helper').resource('soft-dirty bits');
  const open = (path: string, flags: number): ResultRef => program.call('openat', [-100, program.cstring(path), flags, 0], { expect: 'any' });
  const any = { expect: 'any', keep: false } as const;
  program.call('mmap', [PLACE, PAGE, PROT_RW, MAP_PRIVATE_ANONYMOUS_FIXED, -1, 0], any);
  const fds = [open('/proc/self/clear_refs', 1), open('/dev/zero', 0), open('/proc/self/pagemap', 0)] as const;
  program.call('write', [fds[0], program.data(Buffer.from('4')), 1], any);
  program.call('pread64', [fds[1], PLACE, 1, 0], any);
  const entry = program.reserve(8);
  program.call('pread64', [fds[2], entry, 8, PLACE / PAGE * 8n], any);
  for (const fd of fds) program.call('close', [fd], any);
  program.call('munmap', [PLACE, PAGE], any);
  return (helper.local(program).check('dump').data(entry).readUInt8(SOFT_DIRTY_BYTE) & SOFT_DIRTY_BIT) !== 0;
}
