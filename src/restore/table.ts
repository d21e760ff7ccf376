/** Filling the descriptor table of one task, by its own program. Nothing but the helper's pidfd is open in it before. */
import type { fdinfo_entry, file_entry, fown_entry } from '../image/schema/index.ts';
import type { Task } from '../image/tree.ts';
import { F, FD_CLOEXEC, O } from '../kernel/files.ts';
import { Cond, Op, type Program } from '../program/program.ts';
import type { RestoreContext } from './context.ts';
import { firstPlaces, openedAlone, stageOf, tableOf, type Place } from './descriptors.ts';
import { describeFile, kindOf, type Stage } from './kinds.ts';

const EBADF = 9;
const REMEDY = { EBADF: 'The descriptor number is above the limit of open files (nofile): raise it', EMFILE: 'The limit of open files (nofile) is too low here: raise it' };

export class DescriptorTable {
  readonly #entries: readonly fdinfo_entry[];
  readonly #placed: Set<number>;
  /** No number below is free. */
  #free = 0;
  /** Where a description was put first. */
  readonly #first = new Map<number, number>();

  constructor(readonly p: Program, readonly context: RestoreContext, readonly task: Task) {
    this.#entries = [...tableOf(context, task)].sort((a, b) => a.fd - b.fd);
    this.#placed = new Set([context.pidfd]);
  }

  /** Opens what nobody else has, and takes what the helper opened. */
  takeOpened(): void {
    const { context, p } = this;
    const alone = openedAlone(context);
    this.#fill((id) => stageOf(context, id) === undefined, (id, closeOnExec) => {
      if (alone.has(id)) {
        const file = context.tree.files.get(id)!;
        kindOf(file.type)!.openAlone!(p, file, this.#lowest(), closeOnExec);
        return closeOnExec;
      }
      p.call('pidfd_getfd', [context.pidfd, context.files.get(id)!.arg, 0], { keep: false, expect: { equals: this.#lowest() }, remedy: REMEDY });
      return true;
    });
  }

  /** Opens what this task has first and only a task can open. */
  openOwn(stage: Stage): void {
    const { context, task, p } = this;
    this.#fill((id) => stageOf(context, id) === stage && this.#place(id).pid === task.pid, (id) => {
      const file = context.tree.files.get(id)!;
      const ref = kindOf(file.type)!.openIn!(p, file, context, task);
      p.control(Op.EXPECT, [ref, Cond.EQ, this.#lowest(), EBADF], { keep: false });
      return true;
    });
  }

  /** Fetches what other tasks opened. */
  takeShared(stage: Stage): void {
    const { context, task, p } = this;
    const opener = (id: number): number => this.#place(id).pid;
    const pids = new Set(this.#entries.filter(({ id }) => stageOf(context, id) === stage && opener(id) !== task.pid).map(({ id }) => opener(id)));
    for (const pid of pids) {
      this.#fill((id) => stageOf(context, id) === stage && opener(id) === pid, (id) => {
        const at = this.#lowest();
        const other = p.call('pidfd_open', [pid, 0]);
        const spare = p.call('pidfd_getfd', [other, this.#place(id).fd, 0], { remedy: REMEDY });
        p.call('dup3', [spare, other, O.CLOEXEC], { keep: false });
        p.call('close', [spare], { keep: false });
        p.control(Op.EXPECT, [other, Cond.EQ, at, EBADF], { keep: false });
        return true;
      });
    }
  }

  /** What can only be said once all descriptors, processes and threads are there: members of epolls, timers, signal owners. */
  finish(): void {
    const { p, context, task } = this;
    const mine: { readonly id: number; readonly fd: number; readonly file: file_entry }[] = [];
    this.#first.forEach((fd, id) => {
      const file = context.tree.files.get(id)!;
      // nearly all are plain files that need neither
      if (kindOf(file.type)?.finish === undefined && !hasOwner(context, file)) return;
      const place = this.#place(id);
      if (place.pid === task.pid && place.fd === fd) mine.push({ id, fd, file });
    });
    for (const { id, fd, file } of mine) {
      const kind = kindOf(file.type);
      if (kind?.finish === undefined) continue;
      p.resource(`fd ${fd} (${describeFile(id, context.tree)})`);
      kind.finish(p, file, fd, context, task);
    }
    for (const { id, fd } of mine) addOwner(p, context, id, fd);
  }

  #place(id: number): Place {
    const place = firstPlaces(this.context).get(id);
    if (place === undefined) throw new RangeError(`description ${id} is in no table`);
    return place;
  }

  /** The number the kernel gives to the next description. */
  #lowest(): number {
    while (this.#placed.has(this.#free)) this.#free++;
    return this.#free;
  }

  /**
   * Puts some descriptions under all their numbers.
   * @param open opens one at the lowest free number, if it can as is wanted; returns whether it is close-on-exec
   */
  #fill(which: (id: number) => boolean, open: (id: number, closeOnExec: boolean) => boolean): void {
    const { p, context } = this;
    for (const { id, fd, flags } of this.#entries) {
      if (!which(id)) continue;
      const cloexec = (flags & FD_CLOEXEC) !== 0;
      p.resource(`fd ${fd} (${describeFile(id, context.tree)})`);
      const same = this.#first.get(id);
      if (same !== undefined) {
        p.call('dup3', [same, fd, cloexec ? O.CLOEXEC : 0], { keep: false, remedy: REMEDY });
      } else {
        const lowest = this.#lowest();
        const closes = open(id, cloexec);
        if (lowest === fd) {
          if (closes && !cloexec) p.call('fcntl', [fd, F.SETFD, 0], { keep: false });
        } else {
          p.call('dup3', [lowest, fd, cloexec ? O.CLOEXEC : 0], { keep: false, remedy: REMEDY });
          p.call('close', [lowest], { keep: false });
        }
        this.#first.set(id, fd);
      }
      this.#placed.add(fd);
    }
  }
}

/** Status flags and signal owner of a description, whatever its kind. */
export function descriptionOf(file: file_entry): { readonly flags: number; readonly fown: fown_entry | undefined } {
  if (file.reg !== undefined) return file.reg;
  for (const value of Object.values(file)) {
    if (typeof value === 'object' && value !== null && 'fown' in value) {
      const { flags, fown } = value as { flags?: number; fown?: fown_entry };
      return { flags: flags ?? 0, fown };
    }
  }
  return { flags: 0, fown: undefined };
}

/** Who gets the signals of a description (F_SETOWN), which one (F_SETSIG), and whether it sends any (O_ASYNC, which remembers the descriptor). */
export function addOwner(p: Program, context: RestoreContext, id: number, fd: number): void {
  const file = context.tree.files.get(id)!;
  const { flags, fown } = descriptionOf(describedBy(context, file));
  if (fown === undefined || !hasOwner(context, file)) return;
  p.resource(`fd ${fd} (${describeFile(id, context.tree)}), signal owner`);
  if (fown.signum !== 0) p.call('fcntl', [fd, F.SETSIG, fown.signum], { keep: false });
  if (fown.pid !== 0) {
    const owner = p.data(Buffer.from(Int32Array.of(fown.pid_type, fown.pid).buffer));
    const foreign = fown.uid !== 0 || fown.euid !== 0;
    if (foreign) p.call('setresuid', [fown.uid, fown.euid, -1], { keep: false });
    p.call('fcntl', [fd, F.SETOWN_EX, owner], { keep: false, remedy: { ESRCH: `Process ${fown.pid}, which got its signals, is not part of the tree` } });
    if (foreign) p.call('setresuid', [0, 0, -1], { keep: false });
  }
  if ((flags & O.ASYNC) === 0) return;
  const settable = flags & (O.APPEND | O.NONBLOCK | O.DIRECT | O.NOATIME);
  for (const status of [settable, settable | O.ASYNC]) p.call('fcntl', [fd, F.SETFL, status], { keep: false });
}

/** Whether there is anything to say of its signals. */
function hasOwner(context: RestoreContext, file: file_entry): boolean {
  const { flags, fown } = descriptionOf(describedBy(context, file));
  return fown !== undefined && (flags & O.PATH) === 0 && (fown.signum !== 0 || fown.pid !== 0 || (flags & O.ASYNC) !== 0);
}

/** The record with a description's flags: a fifo's are in the one of its path. */
function describedBy({ tree }: RestoreContext, file: file_entry): file_entry {
  return file.fifo?.regf_id === undefined ? file : tree.files.get(file.fifo.regf_id) ?? file;
}
