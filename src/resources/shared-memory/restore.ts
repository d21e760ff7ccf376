/**
 * Memory files: memfd and shared anonymous memory (which the kernel keeps in a file of the same kind). The helper makes and fills
 * each once; tasks map it or have it open. Shared anonymous memory is opened through /proc/self/map_files, so that every mapping
 * of it looks as one made by MAP_SHARED | MAP_ANONYMOUS.
 */
import type { memfd_file_entry, memfd_inode_entry } from '../../image/schema/index.ts';
import { bytesOf } from '../../image/text.ts';
import { AT_FDCWD, F, O, SEEK } from '../../kernel/files.ts';
import { MAP, PROT } from '../../kernel/memory.ts';
import type { ResultRef } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import type { HelperFd } from '../../restore/helper-fd.ts';
import { openAgain, openAsGiven } from '../../restore/inherited.ts';
import type { FileKind } from '../../restore/kinds.ts';
import { pageRuns, total } from '../../restore/page-runs.ts';
import { addStatusFlags } from '../../restore/status-flags.ts';
import { reopen } from '../ghost/restore.ts';
import { addFills } from '../memory/fill.ts';
import { pagesFile, withoutHoles } from '../memory/pages.ts';
import { VMA } from '../memory/status.ts';

const MEMFD = 18;
/** Where the helper maps shared memory for the moment it fills it: far from a small static binary, its heap and its stack. */
export const WINDOW = 0x100_0000_0000n;
/** memfd_create flags and seals, from <linux/memfd.h> and <linux/fcntl.h>. */
const MFD_CLOEXEC = 1, MFD_ALLOW_SEALING = 2, MFD_HUGETLB = 4;
const F_SEAL_SEAL = 1;
/** Where the flags have the logarithm of the size of huge pages; 0 there is the system's default (<linux/memfd.h>). */
const HUGE_SHIFT = 26, HUGE_SIZE = 0x7c00_0000, DEFAULT_HUGE = 21;
/** Name of the file behind MAP_SHARED | MAP_ANONYMOUS. */
const ANONYMOUS = '/dev/zero', ANONYMOUS_HUGE = '/anon_hugepage';
const ANONYMOUS_MODE = 0o777;

function inodeOf(context: RestoreContext, entry: memfd_file_entry): memfd_inode_entry | undefined {
  return context.tree.memfds.find(({ inode_id }) => inode_id === BigInt(entry.inode_id));
}

const isAnonymous = (inode: memfd_inode_entry): boolean => inode.name === (inode.hugetlb_flag === undefined ? ANONYMOUS : ANONYMOUS_HUGE);
/** Bytes of a page of the file. */
const pageSize = ({ hugetlb_flag }: memfd_inode_entry): bigint =>
  (hugetlb_flag === undefined ? 4096n : 1n << BigInt(((hugetlb_flag & HUGE_SIZE) >>> HUGE_SHIFT) || DEFAULT_HUGE));
/** The flags of mmap that make such memory. */
const hugeFlags = ({ hugetlb_flag }: memfd_inode_entry): number => (hugetlb_flag === undefined ? 0 : MAP.HUGETLB | (hugetlb_flag & HUGE_SIZE));
const describeInode = (inode: memfd_inode_entry | undefined): string =>
  inode === undefined ? 'memfd' : isAnonymous(inode) ? `shared memory ${inode.shmid}` : `memfd ${inode.name}`;

export const memoryFiles: FileKind = {
  types: [MEMFD],
  describe: (file, tree) => describeInode(tree.memfds.find(({ inode_id }) => inode_id === BigInt(file.memfd?.inode_id ?? -1))),
  keys(file, tree) {
    const inode = tree.memfds.find(({ inode_id }) => inode_id === BigInt(file.memfd?.inode_id ?? -1));
    return inode === undefined || isAnonymous(inode) ? [] : [inodeKey(inode)];
  },
  openInherited: (file, key, context) => openAsGiven(context, key, `file ${file.id} (${key}, handed in)`),
  check(files, context) {
    for (const file of files) checkMemoryFile(context, file.id);
  },
  open(files, context) {
    const taken = new Set<HelperFd>();
    for (const { id, memfd } of files) {
      if (memfd === undefined) continue;
      const inode = inodeOf(context, memfd)!;
      const base = memoryFile(context, inode);
      const resource = `file ${id} (${describeInode(inode)})`;
      const p = context.local.program.resource(resource);
      // as memfd_create gave it, a descriptor for writing is no hindrance to executing the file; one that was opened is
      const asMade = !taken.has(base) && (memfd.flags & O.ACCMODE) === O.RDWR && (memfd.flags & O.PATH) === 0 && !isAnonymous(inode);
      const fd = asMade ? base : context.local.open(resource, reopen(context, base, memfd.flags));
      if (asMade) addStatusFlags(p, base.ref, memfd.flags);
      if (asMade) taken.add(base);
      if (memfd.pos !== 0n) p.call('lseek', [fd.ref, memfd.pos, SEEK.SET], { keep: false });
      context.files.set(id, fd);
    }
  },
};

export function checkMemoryFile(context: RestoreContext, id: number): void {
  const entry = context.tree.files.get(id)?.memfd;
  if (entry === undefined) context.refuse(`file ${id}`, 'its record in files.img has no memory file in it', 'The image is damaged: take another');
  else if (inodeOf(context, entry) === undefined) context.refuse(`file ${id}`, `memfd.img has no record ${entry.inode_id}`, 'The image is damaged: take another');
}

/** A memory file to map, with an access mode. */
export function memoryFileToMap(context: RestoreContext, fileId: number, access: number): HelperFd | undefined {
  const entry = context.tree.files.get(fileId)?.memfd;
  const inode = entry === undefined ? undefined : inodeOf(context, entry);
  if (inode === undefined) return undefined;
  if (!isAnonymous(inode) && context.inherited.has(inodeKey(inode))) return handedIn(context, inode, access);
  const base = memoryFile(context, inode);
  if (access === O.RDWR) return base;
  const key = `memfd:${inode.inode_id}:${access}`;
  let fd = context.mapped.get(key);
  if (fd === undefined) {
    context.local.program.resource(`mapped ${describeInode(inode)}`);
    fd = context.local.open(`mapped ${describeInode(inode)}`, reopen(context, base, access));
    context.mapped.set(key, fd);
  }
  return fd;
}

const inodeKey = ({ name }: memfd_inode_entry): string => `/memfd:${name}`;

/** One that was handed in, to map. */
function handedIn(context: RestoreContext, inode: memfd_inode_entry, access: number): HelperFd {
  const key = `memfd:${inode.inode_id}:${access}`;
  let fd = context.mapped.get(key);
  if (fd === undefined) context.mapped.set(key, fd = openAgain(context, inodeKey(inode), access, `mapped ${describeInode(inode)}, handed in`));
  return fd;
}

/** Made and filled once. */
function memoryFile(context: RestoreContext, inode: memfd_inode_entry): HelperFd {
  const key = `memfd:${inode.inode_id}`;
  const known = context.mapped.get(key);
  if (known !== undefined) return known;
  const shmid = BigInt(inode.shmid);
  const label = describeInode(inode);
  const fd = isAnonymous(inode) ? anonymous(context, label, shmid, inode.size, pageSize(inode), hugeFlags(inode)) : memfd(context, inode, label, shmid);
  const p = context.local.program.resource(label);
  if (inode.uid !== 0 || inode.gid !== 0) p.call('fchown', [fd.ref, inode.uid, inode.gid], { keep: false });
  if (inode.mode !== undefined && (inode.mode & 0o7777) !== ANONYMOUS_MODE) p.call('fchmod', [fd.ref, inode.mode & 0o7777], { keep: false });
  context.mapped.set(key, fd);
  return fd;
}

function memfd(context: RestoreContext, inode: memfd_inode_entry, label: string, shmid: bigint): HelperFd {
  const p = context.local.program.resource(label);
  const seals = inode.seals & 0xffff;
  const flags = MFD_CLOEXEC | (seals === F_SEAL_SEAL ? 0 : MFD_ALLOW_SEALING) | (inode.hugetlb_flag === undefined ? 0 : MFD_HUGETLB | inode.hugetlb_flag);
  const fd = context.local.open(label, p.call('memfd_create', [p.cstring(bytesOf(inode.name)), flags]));
  p.call('ftruncate', [fd.ref, inode.size], { keep: false });
  const round = pageSize(inode);
  const size = ((inode.size + round - 1n) / round) * round;
  if (size > 0n && pageRuns(context.set, { shmid }).length > 0) {
    mapWindow(context, size, MAP.SHARED, fd.ref);
    fillWindow(context, label, shmid, size);
  }
  // tasks may have writable mappings that a seal forbids to make anew: seals come when all are mapped
  if (seals !== 0 && seals !== F_SEAL_SEAL) {
    context.late.resource(label).call('fcntl', [fd.arg, F.ADD_SEALS, seals], { keep: false });
  }
  return fd;
}

function anonymous(context: RestoreContext, label: string, shmid: bigint, bytes: bigint, page = 4096n, huge = 0): HelperFd {
  const p = context.local.program.resource(label);
  const size = (bytes + page - 1n) / page * page;
  mapWindow(context, size, MAP.SHARED | MAP.ANONYMOUS | (huge === 0 ? MAP.NORESERVE : huge), undefined);
  const path = `/proc/self/map_files/${WINDOW.toString(16)}-${(WINDOW + size).toString(16)}`;
  const fd = context.local.open(label, p.call('openat', [AT_FDCWD, p.cstring(path), O.RDWR | O.CLOEXEC, 0], {
    remedy: { EPERM: 'Opening /proc/self/map_files needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN: run the restore as root' },
  }));
  fillWindow(context, label, shmid, size);
  return fd;
}

function mapWindow(context: RestoreContext, size: bigint, flags: number, fd: ResultRef | undefined): void {
  context.local.program.call('mmap', [WINDOW, size, PROT.READ | PROT.WRITE, flags | MAP.FIXED_NOREPLACE, fd ?? -1, 0], { keep: false, expect: { equals: WINDOW } });
}

/** Fills a memory object that the helper has in its window, and takes it from there. */
export function fillWindow(context: RestoreContext, label: string, shmid: bigint, size: bigint): void {
  const p = context.local.program;
  const all = pageRuns(context.set, { shmid });
  const runs = withoutHoles(context, all).map((run) => ({ ...run, start: run.start + WINDOW, end: run.end + WINDOW }));
  const files = new Map(runs.map((run) => [run, pagesFile(context, run)]));
  const byFile = new Map([...files].map(([run, fd]) => [`${run.set.name}/${run.pagesId}`, fd]));
  p.resource(label);
  addFills(p, runs, (run) => byFile.get(`${run.set.name}/${run.pagesId}`)!.ref);
  p.call('munmap', [WINDOW, size], { keep: false });
  context.count(total(all), 0n);
}

/** Bytes of a shared memory object that only mappings know of: up to the end of the farthest one. */
function sharedSize(context: RestoreContext, shmid: bigint): bigint {
  let size = 0n;
  for (const task of context.tree.tasks.values()) {
    for (const vma of task.mm?.vmas ?? []) {
      if ((vma.status & VMA.ANON_SHARED) === 0 || vma.shmid !== shmid) continue;
      const end = vma.pgoff + (vma.end - vma.start);
      if (end > size) size = end;
    }
  }
  return size;
}

/** Shared anonymous memory that is in the set without a file of its own (images of older versions). */
export function sharedMemory(context: RestoreContext, shmid: bigint): HelperFd {
  const known = context.shared.get(shmid);
  if (known !== undefined) return known;
  const fd = anonymous(context, `shared memory ${shmid}`, shmid, sharedSize(context, shmid));
  context.shared.set(shmid, fd);
  return fd;
}
