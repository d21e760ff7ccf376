/** What speaks against restoring a task's memory: kinds of mappings, page maps that do not fit, a vDSO that does not. */
import { fileNames, type Task } from '../../image/tree.ts';
import { TASK_SIZE } from '../../kernel/memory.ts';
import type { RestoreContext } from '../../restore/context.ts';
import { distribute, join, pageRuns, subtract, total } from '../../restore/page-runs.ts';
import { checkRing } from '../aio/restore.ts';
import { checkSegment } from '../sysv-shm/restore.ts';
import { checkSocketMemory } from '../packet/restore.ts';
import { regOf } from '../regular/restore.ts';
import { checkRemap } from '../ghost/restore.ts';
import { checkMemoryFile } from '../shared-memory/restore.ts';
import { describeVma } from './restore.ts';
import { VMA } from './status.ts';

const UNSUPPORTED: readonly (readonly [number, string])[] = [
  [VMA.SHSTK, 'a shadow stack'],
];
const FILE = VMA.FILE_PRIVATE | VMA.FILE_SHARED;

export function checkMemory(context: RestoreContext, task: Task): void {
  const where = `task ${task.pid}`;
  let end = 0n;
  for (const vma of task.mm?.vmas ?? []) {
    const at = (): string => `${where}, ${describeVma(vma)}`; // nearly always nobody asks
    for (const [status, name] of UNSUPPORTED) if ((vma.status & status) !== 0) context.refuse(at(), `it is ${name}`, 'Such memory cannot be restored yet');
    if ((vma.status & (VMA.VSYSCALL | VMA.GUARD)) !== 0) continue;
    if (vma.start >= vma.end || (vma.start | vma.end) % 4096n !== 0n || vma.end > TASK_SIZE) {
      context.refuse(at(), 'these are no addresses a mapping can have', 'The image is damaged: take another');
    } else if (vma.start < end) {
      context.refuse(at(), 'it overlaps the mapping before it', 'The image is damaged: take another');
    }
    end = vma.end;
    if ((vma.status & VMA.SYSVIPC) !== 0) checkSegment(context, task, vma, at());
    if ((vma.status & VMA.SOCKET) !== 0) checkSocketMemory(context, vma, at());
    if ((vma.status & VMA.AIORING) !== 0) checkRing(context, task, vma, at());
    if ((vma.status & VMA.MEMFD) !== 0) {
      checkMemoryFile(context, Number(vma.shmid));
    } else if ((vma.status & FILE) !== 0) {
      const reg = regOf(context.tree, Number(vma.shmid));
      if (reg === undefined) context.refuse(at(), `the file it maps (${vma.shmid}) is not in files.img`, 'The image is damaged: take another');
      else checkRemap(context, reg);
    }
  }
  if (task.mm !== undefined && regOf(context.tree, task.mm.exe_file_id) === undefined) {
    context.refuse(`${where}, exe link`, `file ${task.mm.exe_file_id} is not in files.img`, 'The image is damaged: take another');
  }
  checkPageMap(context, task);
}

/** Pages must lie in mappings. */
function checkPageMap(context: RestoreContext, task: Task): void {
  const runs = pageRuns(context.set, { pid: task.pid });
  const vmas = task.mm?.vmas ?? [];
  if (distribute(runs, vmas).reduce((sum, inside) => sum + total(inside), 0n) === total(runs)) return;
  const outside = subtract(join(runs), join(vmas.filter(({ start, end }) => start < end).map(({ start, end }) => ({ start, end }))));
  for (const { start, end } of outside.slice(0, 3)) {
    context.refuse(`${fileNames.pagemap(task.pid)}`, `pages 0x${start.toString(16)}-0x${end.toString(16)} are in no mapping of task ${task.pid}`, 'The image is damaged: take another');
  }
}
