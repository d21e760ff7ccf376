/**
 * System V shared memory. The helper makes each segment with the number it had, or takes the one that is still there and that nobody is attached
 * to, and fills it; tasks attach it where they had it. A segment that a failed restore made is removed again.
 */
import type { ipc_shm_entry, vma_entry } from '../../image/schema/index.ts';
import type { Task } from '../../image/tree.ts';
import { ERRNO } from '../../kernel/errno.ts';
import { AT_FDCWD, O } from '../../kernel/files.ts';
import { MADV, PROT } from '../../kernel/memory.ts';
import { Cond, Op, type Program } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import { fillWindow, WINDOW } from '../shared-memory/restore.ts';
import { VMA } from '../memory/status.ts';
import { IPC, pageBytes, pages, SHM, SHM_DEST, SHM_EXEC, SHM_HUGETLB, SHM_LOCK, SHM_LOCKED, SHM_RDONLY, SHMID_DS_SIZE } from './segment.ts';

const NEXT_ID = '/proc/sys/kernel/shm_next_id';
/** Bits of hugetlb_flag that shmget takes: which pages, and their size. */
const HUGE_BITS = SHM_HUGETLB | (0x3f << 26);

/** The segment behind a mapping. */
function segmentOf(context: RestoreContext, task: Task, shmid: bigint): ipc_shm_entry | undefined {
  return context.tree.ipcns.get(task.ids?.ipc_ns_id ?? -1)?.shm.find(({ entry }) => BigInt(entry.desc.id) === shmid)?.entry;
}

const sizeOf = (entry: ipc_shm_entry): bigint => pages(entry.size, pageBytes(entry.hugetlb_flag));

/** Pieces of the attachment a mapping is a part of. */
function piecesOf(task: Task, vma: vma_entry): vma_entry[] {
  return (task.mm?.vmas ?? []).filter((other) => (other.status & VMA.SYSVIPC) !== 0 && other.shmid === vma.shmid && other.start - other.pgoff === vma.start - vma.pgoff);
}

export function checkSegment(context: RestoreContext, task: Task, vma: vma_entry, where: string): void {
  const entry = segmentOf(context, task, vma.shmid);
  if (entry === undefined) return context.refuse(where, `it is System V shared memory, and the set does not have segment ${vma.shmid}`, 'Take a set that was dumped with it: one of CRIU has it only when the tree had an IPC namespace of its own');
  if (entry.in_pagemaps !== true) return context.refuse(where, `the contents of System V shared memory ${vma.shmid} are kept in a way of old versions`, 'Dump it again');
  const covered = piecesOf(task, vma).reduce((sum, { start, end }) => sum + end - start, 0n);
  if (covered !== sizeOf(entry) || vma.pgoff < 0n || vma.pgoff + (vma.end - vma.start) > sizeOf(entry)) {
    context.refuse(where, `it is a part of System V shared memory ${vma.shmid}: ${covered} of ${sizeOf(entry)} bytes`, 'Segments can only be attached whole');
  }
}

/** Whether an attachment is inherited as a whole: it is one piece. */
export const isWhole = (context: RestoreContext, task: Task, vma: vma_entry): boolean => {
  const entry = segmentOf(context, task, vma.shmid);
  return entry !== undefined && vma.end - vma.start === sizeOf(entry);
};

/** Attaches a segment, when this is the first piece of it; gives the piece its protection. */
export function addAttachment(p: Program, context: RestoreContext, task: Task, vma: vma_entry): void {
  const entry = segmentOf(context, task, vma.shmid)!;
  prepareSegment(context, entry);
  const pieces = piecesOf(task, vma);
  const prot = pieces.reduce((all, piece) => all | piece.prot, 0);
  const writes = (prot & PROT.WRITE) !== 0;
  if (pieces.every(({ start }) => start >= vma.start)) {
    const flags = (writes ? 0 : SHM_RDONLY) | ((prot & PROT.EXEC) !== 0 ? SHM_EXEC : 0);
    p.call('shmat', [vma.shmid, vma.start - vma.pgoff, flags], { keep: false, expect: { equals: vma.start - vma.pgoff } });
  }
  p.call('mprotect', [vma.start, vma.end - vma.start, vma.prot], { keep: false });
}

/** Makes or finds the segment, in the helper, once. */
export function prepareSegment(context: RestoreContext, entry: ipc_shm_entry): void {
  const { desc } = entry;
  const key = `sysv:${desc.id}`;
  if (context.prepared.has(key)) return;
  context.prepared.add(key);
  const label = `System V shared memory ${desc.id}`;
  const p = context.local.program.resource(label);
  const stat = p.reserve(SHMID_DS_SIZE);
  const made = p.reserve(8);
  const [found, filled] = [{ at: 0 }, { at: 0 }];
  const there = p.call('shmctl', [desc.id, IPC.STAT, stat], { expect: 'any' });
  p.jump(there, Cond.GE, 0, () => found.at);
  const from = p.here;
  context.local.undo(from, Infinity, (undo, ran) => {
    if (ran.data(made).readInt32LE(0) === 1) undo.resource(label).call('shmctl', [desc.id, IPC.RMID, 0], { expect: 'any' });
  });
  addNew(p, entry, made);
  p.jump(0, Cond.EQ, 0, () => filled.at);
  found.at = p.here;
  const taken = { EEXIST: `Another segment has the number ${desc.id}: 'ipcs -m -i ${desc.id}' shows it. Remove it: ipcrm -m ${desc.id}` };
  const expect = (at: number, width: 4 | 8, value: number | bigint): void => p.control(Op.EXPECT, [p.load(stat.at(at), width), Cond.EQ, value, ERRNO.EEXIST], { keep: false, remedy: taken }) as unknown as void;
  expect(SHM.KEY, 4, desc.key);
  expect(SHM.SIZE, 8, entry.size);
  p.control(Op.EXPECT, [p.load(stat.at(SHM.ATTACHED), 8), Cond.EQ, 0, ERRNO.EBUSY], { keep: false, remedy: { EBUSY: `The segment is still there and other processes use it: 'grep -l "${desc.id} */SYSV" /proc/*/maps' finds them` } });
  filled.at = p.here;
  addContents(p, context, entry, label);
  if ((desc.mode & SHM_DEST) !== 0) context.late.resource(label).call('shmctl', [desc.id, IPC.RMID, 0], { keep: false });
}

function addNew(p: Program, { desc, size, hugetlb_flag }: ipc_shm_entry, made: ReturnType<Program['reserve']>): void {
  const number = String(desc.id);
  const fd = p.call('openat', [AT_FDCWD, p.cstring(NEXT_ID), O.WRONLY | O.CLOEXEC, 0], { remedy: { ENOENT: 'Choosing the number of a segment needs CONFIG_CHECKPOINT_RESTORE', EACCES: 'Choosing the number of a segment needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN: run the restore as root' } });
  p.call('write', [fd, p.data(Buffer.from(number), 1), number.length], { keep: false, expect: { equals: number.length } });
  p.call('close', [fd], { keep: false });
  const huge = hugetlb_flag === undefined ? 0 : hugetlb_flag & HUGE_BITS;
  const got = p.call('shmget', [(desc.mode & SHM_DEST) !== 0 ? 0 : desc.key, size, IPC.CREAT | IPC.EXCL | huge | (desc.mode & 0o777)], {
    remedy: {
      EEXIST: `Another segment has its key: 'ipcs -m' shows it`, ENOSPC: 'There are too many segments (kernel.shmmni, kernel.shmall)', EINVAL: 'The segment is larger than kernel.shmmax allows',
      ENOMEM: 'There is not enough memory, or not enough huge pages',
    },
  });
  // when its number was not to be had it is another one's, which must not stay
  const right = { at: 0 };
  p.jump(got, Cond.EQ, desc.id, () => right.at);
  p.call('shmctl', [got, IPC.RMID, 0], { keep: false });
  right.at = p.here;
  p.control(Op.EXPECT, [got, Cond.EQ, desc.id, ERRNO.EEXIST], { keep: false, remedy: { EEXIST: `Its number ${desc.id} cannot be had: the place is another segment's` } });
  p.store(made, 1, 4);
}

function addContents(p: Program, context: RestoreContext, entry: ipc_shm_entry, label: string): void {
  const { desc } = entry;
  const set = p.reserve(SHMID_DS_SIZE);
  p.store(set.at(SHM.UID), desc.uid, 4);
  p.store(set.at(SHM.GID), desc.gid, 4);
  p.store(set.at(SHM.MODE), desc.mode & 0o777, 4);
  p.call('shmat', [desc.id, WINDOW, 0], { keep: false, expect: { equals: WINDOW } });
  // one that was there has other contents by now
  p.call('madvise', [WINDOW, sizeOf(entry), MADV.REMOVE], { keep: false });
  fillWindow(context, label, BigInt(desc.id), sizeOf(entry));
  p.resource(label).call('shmctl', [desc.id, IPC.SET, set], { keep: false });
  if ((desc.mode & SHM_LOCKED) !== 0) p.call('shmctl', [desc.id, SHM_LOCK, 0], { keep: false });
}
