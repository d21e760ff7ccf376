/** File locks: taken again by the task that held them, when all descriptors are there (closing one would drop POSIX locks). */
import type { file_lock_entry } from '../../image/schema/index.ts';
import type { Task } from '../../image/tree.ts';
import { AT_FDCWD, F, O } from '../../kernel/files.ts';
import { F_LOCK, LEASE_BREAKING, LOCK, LOCK_KIND, LOCK_TYPE } from '../../kernel/locks.ts';
import { SIG, SIGSET_SIZE } from '../../kernel/signals.ts';
import { SELF_PID, type Program } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import { tableOf } from '../../restore/descriptors.ts';
import { describeFile } from '../../restore/kinds.ts';
import { addOwner, descriptionOf } from '../../restore/table.ts';

const EAGAIN = 11;
const KNOWN: ReadonlySet<number> = new Set(Object.values(LOCK_KIND));
const REMEDY = {
  EAGAIN: 'Somebody else has a lock on that file, or has it open: \'lslocks\' and \'fuser FILE\' name who. End that process',
  EACCES: 'Somebody else has a lock on that file: \'lslocks\' names who. End that process',
  EBADF: 'The image is damaged: take another',
};

export function checkLocks(context: RestoreContext): void {
  for (const { pid, fd, flag } of context.tree.locks) {
    const task = context.tree.tasks.get(pid);
    const where = `task ${pid}, fd ${fd}`;
    if (task === undefined || !tableOf(context, task).some((entry) => entry.fd === fd)) context.refuse(where, 'a lock is said to be held through it, and it is not open', 'The image is damaged: take another');
    else if (!KNOWN.has(flag)) context.refuse(where, `its lock is of an unknown kind ${flag}`, 'The image is damaged: take another');
  }
}

export function addLocks(p: Program, context: RestoreContext, task: Task): void {
  for (const lock of context.tree.locks) {
    if (lock.pid !== task.pid) continue;
    const id = tableOf(context, task).find(({ fd }) => fd === lock.fd)!.id;
    p.resource(`fd ${lock.fd} (${describeFile(id, context.tree)}), lock`);
    switch (lock.flag) {
      case LOCK_KIND.FLOCK: addFlock(p, lock); break;
      case LOCK_KIND.LEASE: addLease(p, context, lock, id); break;
      default: addRange(p, lock);
    }
  }
}

function addFlock(p: Program, { fd, type }: file_lock_entry): void {
  const command = (type & LOCK.MAND) !== 0 ? type : type === LOCK_TYPE.READ ? LOCK.SH : type === LOCK_TYPE.WRITE ? LOCK.EX : LOCK.UN;
  p.call('flock', [fd, command | LOCK.NB], { keep: false, remedy: REMEDY });
}

function addRange(p: Program, { fd, flag, type, start, len }: file_lock_entry): void {
  const flock = Buffer.alloc(32); // struct flock: type, whence (SEEK_SET), start, length, pid
  flock.writeInt16LE(type, 0);
  flock.writeBigInt64LE(start, 8);
  flock.writeBigInt64LE(len, 16);
  p.call('fcntl', [fd, flag === LOCK_KIND.OFD ? F_LOCK.OFD_SETLK : F_LOCK.SETLK, p.data(flock)], { keep: false, remedy: REMEDY });
}

/** One that is being broken is taken as it was before, and broken again by trying to open the file; the signal of that was sent long ago. */
function addLease(p: Program, context: RestoreContext, { fd, type }: file_lock_entry, id: number): void {
  if ((type & LEASE_BREAKING) === 0) {
    p.call('fcntl', [fd, F_LOCK.SETLEASE, type], { keep: false, remedy: REMEDY });
    return;
  }
  const { flags, fown } = descriptionOf(context.tree.files.get(id)!);
  p.call('fcntl', [fd, F_LOCK.SETLEASE, (flags & O.ACCMODE) === O.RDONLY ? LOCK_TYPE.READ : LOCK_TYPE.WRITE], { keep: false, remedy: REMEDY });
  // the signal of the breaking shall come here, whoever is to get the later ones
  p.call('fcntl', [fd, F.SETOWN, SELF_PID], { keep: false });
  const access = (type & ~LEASE_BREAKING) === LOCK_TYPE.UNLOCK ? O.WRONLY : O.RDONLY;
  p.call('openat', [AT_FDCWD, p.cstring(`/proc/self/fd/${fd}`), access | O.NONBLOCK | O.CLOEXEC, 0], { keep: false, expect: { equals: -EAGAIN } });
  const signal = fown?.signum === undefined || fown.signum === 0 ? SIG.IO : fown.signum;
  const set = p.data(Buffer.from(BigUint64Array.of(1n << BigInt(signal - 1)).buffer));
  p.call('rt_sigtimedwait', [set, 0, p.reserve(16), SIGSET_SIZE], { keep: false, expect: { orErrno: EAGAIN } });
  if ((fown?.pid ?? 0) === 0) p.call('fcntl', [fd, F.SETOWN, 0], { keep: false });
  addOwner(p, context, id, fd);
}
