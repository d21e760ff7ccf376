/** Rules about tasks and threads: ids, states, parents, sessions, registers, limits. */
import { core_entry_march, type core_entry } from '../../image/schema/index.ts';
import { isDead, type Task } from '../../image/tree.ts';
import { LIMITS } from '../names.ts';
import { threadIds } from '../load.ts';
import { archName, pointers } from '../tasks.ts';
import { taskText, type CheckContext } from './context.ts';
import { hex } from './pages.ts';

/** linux/threads.h: PID_MAX_LIMIT on 64-bit machines. */
const PID_MAX = 4194304;
/** Terminated command names have 15 bytes (linux/sched.h TASK_COMM_LEN). */
const COMMAND_MAX = 15;
const STATES = new Set([1, 2, 3, 4, 5, 6]);

/** Which field has the registers of an architecture. */
const REGISTERS: Readonly<Record<number, keyof core_entry>> = {
  [core_entry_march.X86_64]: 'thread_info', [core_entry_march.ARM]: 'ti_arm', [core_entry_march.AARCH64]: 'ti_aarch64', [core_entry_march.PPC64]: 'ti_ppc64',
  [core_entry_march.S390]: 'ti_s390', [core_entry_march.MIPS]: 'ti_mips', [core_entry_march.LOONGARCH64]: 'ti_loongarch64', [core_entry_march.RISCV64]: 'ti_riscv64',
};

export function checkTasks(check: CheckContext): void {
  const { tasks } = check.tree;
  checkNumbers(check);
  checkParents(check);
  for (const task of tasks.values()) {
    checkLeaders(check, task);
    if (!check.set.loaded.coreless.has(task.pid)) checkTask(check, task);
  }
  checkArchitectures(check);
}

function checkNumbers(check: CheckContext): void {
  const seen = new Map<number, number>();
  for (const task of check.tree.tasks.values()) {
    for (const tid of threadIds(task)) {
      const other = seen.get(tid);
      if (other !== undefined) check.add('sense/pid', { file: 'pstree.img', where: taskText(task), why: `thread ${tid} is also one of task ${other}` });
      seen.set(tid, task.pid);
      if (tid < 1 || tid > PID_MAX) check.add('sense/pid-range', { file: 'pstree.img', where: taskText(task), why: `${tid} is no pid: they go from 1 to ${PID_MAX}` });
    }
  }
}

function checkParents(check: CheckContext): void {
  const { tasks } = check.tree;
  const roots = [...tasks.values()].filter((task) => task.item.ppid === 0);
  if (roots.length > 1) check.add('sense/roots', { file: 'pstree.img', why: `tasks ${roots.map((task) => task.pid).join(', ')} all have no parent` });
  if (roots.length === 0 && tasks.size > 0) check.add('sense/roots', { file: 'pstree.img', why: 'no task is the root: every one names a parent' });
  const rooted = new Set<number>();
  for (const task of tasks.values()) {
    const path: number[] = [];
    let at: Task | undefined = task;
    for (; at !== undefined && !rooted.has(at.pid); at = tasks.get(at.item.ppid)) {
      if (path.includes(at.pid)) {
        check.add('sense/loop', { file: 'pstree.img', where: taskText(task), why: `its ancestors are ${path.join(', ')}, and so on in a circle` });
        break;
      }
      path.push(at.pid);
      if (path.length > 100_000) break;
    }
    for (const pid of path) rooted.add(pid);
    if (task.item.ppid !== 0 && !tasks.has(task.item.ppid)) check.add('reference/parent-task', { file: 'pstree.img', where: taskText(task), why: `its parent ${task.item.ppid} is not in the tree` });
  }
}

function checkLeaders(check: CheckContext, task: Task): void {
  const { tasks } = check.tree;
  const { sid, pgid } = task.item;
  if (sid !== 0 && !tasks.has(sid)) {
    check.add('reference/session', { file: 'pstree.img', where: taskText(task), why: `the leader ${sid} of its session is not in the tree`, remedy: 'It was dumped as a shell job: restore it with --shell-job (-j) from a shell.' });
  } else if (pgid !== 0 && !tasks.has(pgid) && ![...tasks.values()].some((other) => other.item.pgid === pgid && other.pid !== task.pid && other.item.sid === pgid)) {
    check.add('reference/session', { file: 'pstree.img', where: taskText(task), why: `the leader ${pgid} of its process group is not in the tree` });
  }
}

function checkTask(check: CheckContext, task: Task): void {
  const file = `core-${task.pid}.img`;
  const { tc } = task.core;
  if (tc === undefined) return;
  if (!STATES.has(tc.task_state)) check.add('sense/state', { file, where: taskText(task), why: `its state is ${tc.task_state}: 1 running, 2 dead, 3 stopped, 6 zombie` });
  if (new TextEncoder().encode(tc.comm).length > COMMAND_MAX) check.add('sense/command', { file, where: taskText(task), why: `its name has more than ${COMMAND_MAX} bytes` });
  tc.rlimits?.rlimits.forEach(({ cur, max }, i) => {
    if (cur > max) check.add('sense/limits', { file, where: taskText(task), why: `its soft limit of ${LIMITS[i] ?? i} is ${cur}, above the hard limit ${max}` });
  });
  if (isDead(task)) {
    if (task.mm !== undefined || task.fs !== undefined) check.add('sense/zombie', { file, where: taskText(task), why: 'it is dead, but has memory or a working directory in the set' });
    return;
  }
  for (const [tid, core] of task.threads) checkThread(check, task, tid, core);
}

function checkThread(check: CheckContext, task: Task, tid: number, core: core_entry): void {
  const file = `core-${tid}.img`;
  const where = tid === task.pid ? taskText(task) : `${taskText(task)}, thread ${tid}`;
  const field = REGISTERS[core.mtype];
  if (field === undefined || core[field] === undefined) {
    check.add('sense/architecture', { file, where, why: field === undefined ? `its architecture is ${core.mtype}, which is unknown` : `it is of architecture ${archName(core)}, but has no ${field}` });
    return;
  }
  if (task.mm === undefined) return;
  const { ip, sp } = pointers(core);
  const { mappings } = check.set.memory(task.pid);
  for (const [name, value] of [['instruction', ip], ['stack', sp]] as const) {
    // s390 keeps an addressing mode bit in the instruction address
    const address = value === undefined ? undefined : core.mtype === core_entry_march.S390 ? value & 0x7fffffffffffffffn : value;
    if (address !== undefined && !mappings.some(({ start, end }) => address >= start && address < end + (name === 'stack' ? 1n : 0n))) {
      check.add('sense/registers', { file, where, why: `its ${name} pointer is ${hex(address)}, where nothing is mapped` });
    }
  }
}

function checkArchitectures(check: CheckContext): void {
  const found = new Map<number, number>();
  for (const task of check.tree.tasks.values()) if (!check.set.loaded.coreless.has(task.pid)) found.set(task.core.mtype, task.pid);
  if (found.size > 1) check.add('sense/architecture', { why: `tasks are of different architectures: ${[...found].map(([, pid]) => `${archName(check.tree.tasks.get(pid)!.core)} (task ${pid})`).join(', ')}` });
}
