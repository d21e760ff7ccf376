/** Objects behind memory that the helper opens or makes for all tasks: pages files and shared anonymous memory. */
import { bytesOf } from '../../image/text.ts';
import { fileNames } from '../../image/tree.ts';
import { AT_FDCWD, O } from '../../kernel/files.ts';
import { MAP, PROT } from '../../kernel/memory.ts';
import type { RestoreContext } from '../../restore/context.ts';
import type { HelperFd } from '../../restore/helper-fd.ts';
import { pageRuns, type PageRun } from '../../restore/page-runs.ts';
import { addFills } from './fill.ts';
import { VMA } from './status.ts';

/** Where the helper maps shared memory for the moment it fills it: far from a small static binary, its heap and its stack. */
const WINDOW = 0x100_0000_0000n;

/** The pages file a run is in, open in the helper. */
export function pagesFile(context: RestoreContext, run: Pick<PageRun, 'set' | 'pagesId'>): HelperFd {
  const key = `${run.set.name}/${run.pagesId}`;
  const known = context.pages.get(key);
  if (known !== undefined) return known;
  const path = `${run.set.name}/${fileNames.pages(run.pagesId)}`;
  const p = context.local.program.resource(fileNames.pages(run.pagesId));
  const fd = context.local.open(path, p.call('openat', [AT_FDCWD, p.cstring(bytesOf(path)), O.RDONLY | O.CLOEXEC, 0], {
    remedy: { ENOENT: 'The set is incomplete: copy all of its files' },
  }));
  context.pages.set(key, fd);
  return fd;
}

/** Bytes of a shared memory object: up to the end of the farthest mapping of it. */
export function sharedSize(context: RestoreContext, shmid: bigint): bigint {
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

/**
 * Shared anonymous memory: made and filled in the helper, then opened through /proc/self/map_files, so that every
 * task's mapping of it looks as one made by MAP_SHARED | MAP_ANONYMOUS.
 */
export function sharedMemory(context: RestoreContext, shmid: bigint): HelperFd {
  const known = context.shared.get(shmid);
  if (known !== undefined) return known;
  const size = sharedSize(context, shmid);
  const runs = pageRuns(context.set, { shmid });
  const files = new Map(runs.map((run) => [run.pagesId, pagesFile(context, run)]));
  const label = `shared memory ${shmid}`;
  const p = context.local.program.resource(label);
  p.call('mmap', [WINDOW, size, PROT.READ | PROT.WRITE, MAP.SHARED | MAP.ANONYMOUS | MAP.NORESERVE | MAP.FIXED_NOREPLACE, -1, 0], { keep: false, expect: { equals: WINDOW } });
  addFills(p, runs.map((run) => ({ ...run, start: run.start + WINDOW, end: run.end + WINDOW })), (run) => files.get(run.pagesId)!.ref);
  const path = `/proc/self/map_files/${WINDOW.toString(16)}-${(WINDOW + size).toString(16)}`;
  const fd = context.local.open(label, p.call('openat', [AT_FDCWD, p.cstring(path), O.RDWR | O.CLOEXEC, 0], {
    remedy: { EPERM: 'Opening /proc/self/map_files needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN: run the restore as root' },
  }));
  p.call('munmap', [WINDOW, size], { keep: false });
  context.shared.set(shmid, fd);
  return fd;
}
