/** Tasks as rows: what `image ps`, `env` and the view show of each. Arguments and environment are read from the tasks' own memory. */
import { isDead, TaskState, type Task } from '../image/tree.ts';
import { textOf } from '../image/text.ts';
import { core_entry_march, type core_entry } from '../image/schema/index.ts';
import type { OpenSet } from './open.ts';
import { policyName } from './names.ts';

export interface TaskRow {
  readonly pid: number;
  readonly ppid: number;
  readonly pgid: number;
  readonly sid: number;
  /** `running`, `stopped`, `zombie`, `dead`; `?` when its core image is missing. */
  readonly state: string;
  readonly command: string;
  /** Arguments; undefined when no set has that memory. */
  readonly args?: readonly string[];
  readonly executable?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly threads: readonly ThreadRow[];
  /** Exit status of a zombie: a wait status word. */
  readonly exitCode?: number;
  readonly depth: number;
}

export interface ThreadRow {
  readonly tid: number;
  readonly command: string;
  /** Address of the next instruction. */
  readonly ip?: bigint;
  readonly sp?: bigint;
  readonly policy: string;
  readonly nice: number;
}

const marches = new Map<number, string>(Object.entries(core_entry_march).map(([name, number]) => [number, name]));

/** The architecture as CRIU names it: `X86_64`, `AARCH64`. */
export const archName = (core: core_entry): string => marches.get(core.mtype) ?? `architecture ${core.mtype}`;

/** Instruction and stack pointer of a thread, whatever its architecture. */
export function pointers(core: core_entry): { ip?: bigint; sp?: bigint } {
  if (core.thread_info !== undefined) return { ip: core.thread_info.gpregs.ip, sp: core.thread_info.gpregs.sp };
  if (core.ti_aarch64 !== undefined) return { ip: core.ti_aarch64.gpregs.pc, sp: core.ti_aarch64.gpregs.sp };
  if (core.ti_arm !== undefined) return { ip: BigInt(core.ti_arm.gpregs.pc), sp: BigInt(core.ti_arm.gpregs.sp) };
  if (core.ti_ppc64 !== undefined) return { ip: core.ti_ppc64.gpregs.nip, sp: core.ti_ppc64.gpregs.gpr[1] };
  if (core.ti_s390 !== undefined) return { ip: core.ti_s390.gpregs.psw_addr, sp: core.ti_s390.gpregs.gprs[15] };
  if (core.ti_mips !== undefined) return { ip: core.ti_mips.gpregs.cp0_epc, sp: core.ti_mips.gpregs.r29 };
  if (core.ti_loongarch64 !== undefined) return { ip: core.ti_loongarch64.gpregs.pc, sp: core.ti_loongarch64.gpregs.regs[3] };
  if (core.ti_riscv64 !== undefined) return { ip: core.ti_riscv64.gpregs.pc, sp: core.ti_riscv64.gpregs.sp };
  return {};
}

function stateOf(set: OpenSet, task: Task): string {
  if (set.loaded.coreless.has(task.pid)) return '?';
  if (isDead(task)) return 'zombie';
  const state = task.core.tc?.task_state;
  return state === TaskState.ALIVE ? 'running' : state === TaskState.STOPPED ? 'stopped' : `state ${state ?? '?'}`;
}

/** Tasks with their children behind them, depth first; `depth` counts from 0. Tasks in a loop of parents come last, at depth 0. */
export function taskOrder(set: OpenSet): { task: Task; depth: number }[] {
  const { tasks } = set.tree;
  const children = new Map<number, Task[]>();
  const roots: Task[] = [];
  for (const task of tasks.values()) {
    const { ppid } = task.item;
    if (!tasks.has(ppid) || ppid === task.pid) roots.push(task);
    else if (children.has(ppid)) children.get(ppid)!.push(task);
    else children.set(ppid, [task]);
  }
  const order: { task: Task; depth: number }[] = [];
  const seen = new Set<number>();
  const walk = (from: Task): void => {
    // an explicit stack: a chain of tasks can be longer than the call stack
    const stack = [{ task: from, depth: 0 }];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (seen.has(next.task.pid)) continue;
      seen.add(next.task.pid);
      order.push(next);
      for (const child of [...(children.get(next.task.pid) ?? [])].reverse()) stack.push({ task: child, depth: next.depth + 1 });
    }
  };
  roots.forEach(walk);
  for (const task of tasks.values()) if (!seen.has(task.pid)) walk(task);
  return order;
}

export async function taskRows(set: OpenSet): Promise<TaskRow[]> {
  const rows: TaskRow[] = [];
  for (const { task, depth } of taskOrder(set)) {
    const { pid, ppid, pgid, sid } = task.item;
    const creds = task.core.thread_core?.creds;
    const args = await argumentsOf(set, task);
    const executable = executableOf(set, task);
    const dead = isDead(task);
    rows.push({
      pid, ppid, pgid, sid, state: stateOf(set, task), command: task.core.tc?.comm ?? '?', depth,
      ...(args === undefined ? {} : { args }), ...(executable === undefined ? {} : { executable }),
      ...(creds === undefined ? {} : { uid: creds.uid, gid: creds.gid }), ...(dead ? { exitCode: task.core.tc?.exit_code ?? 0 } : {}),
      threads: [...task.threads].map(([tid, core]) => ({
        tid, command: core.thread_core?.comm ?? task.core.tc?.comm ?? '?', ...pointers(core), policy: policyName(core.thread_core?.sched_policy ?? 0), nice: core.thread_core?.sched_nice ?? 0,
      })),
    });
  }
  return rows;
}

export function executableOf(set: OpenSet, task: Task): string | undefined {
  return task.mm === undefined ? undefined : set.tree.files.get(task.mm.exe_file_id)?.reg?.name;
}

/** Most bytes of arguments or environment that are read; the kernel's own limit is a quarter of the stack's, 6 MiB at most. */
const MAX_STRINGS = 6 << 20;

async function stringsIn(set: OpenSet, task: Task, from: bigint, to: bigint): Promise<string[] | undefined> {
  if (from === 0n || to <= from) return undefined;
  const length = Number(to - from < BigInt(MAX_STRINGS) ? to - from : BigInt(MAX_STRINGS));
  const { bytes, known } = await set.memory(task.pid).read(from, length);
  if (known[0] === 0) return undefined;
  const text = textOf(bytes);
  return (text.endsWith('\0') ? text.slice(0, -1) : text).split('\0');
}

/** A task's arguments as it sees them now; undefined for a zombie or when no set has them. */
export async function argumentsOf(set: OpenSet, task: Task): Promise<string[] | undefined> {
  return task.mm === undefined ? undefined : stringsIn(set, task, task.mm.mm_arg_start, task.mm.mm_arg_end);
}

export async function environmentOf(set: OpenSet, task: Task): Promise<string[] | undefined> {
  return task.mm === undefined ? undefined : stringsIn(set, task, task.mm.mm_env_start, task.mm.mm_env_end);
}
