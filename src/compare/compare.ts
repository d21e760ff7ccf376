/** Two sets, or two links of a chain: tasks, threads, registers, files, sockets, mappings and memory. */
import { isDead, type Task } from '../image/tree.ts';
import type { core_entry } from '../image/schema/index.ts';
import { describeFile } from '../inspect/describe.ts';
import { fdRows, socketRows } from '../inspect/files.ts';
import { AddressSpace } from '../inspect/memory.ts';
import type { OpenSet } from '../inspect/open.ts';
import { archName } from '../inspect/tasks.ts';
import { compareMemory, type MemoryChange } from './memory.ts';
import { changesOf, type ValueChange } from './values.ts';

export interface Listed { readonly added: readonly string[]; readonly removed: readonly string[] }

export interface TaskChange {
  readonly pid: number;
  readonly command: string;
  /** State, parents, credentials, timers, limits, signal handlers. */
  readonly fields: readonly ValueChange[];
  readonly threads: Listed & { readonly changed: readonly { readonly tid: number; readonly registers: readonly ValueChange[] }[] };
  readonly files: Listed & { readonly changed: readonly { readonly fd: string; readonly changes: readonly ValueChange[] }[] };
  readonly mappings: Listed;
  readonly memory?: MemoryChange;
  /** Why memory could not be compared. */
  readonly memoryError?: string;
}

export interface Comparison {
  readonly a: string;
  readonly b: string;
  readonly tasks: Listed & { readonly changed: readonly TaskChange[]; readonly same: number };
  readonly sockets: Listed;
  /** Whether nothing differs at all. */
  readonly equal: boolean;
}

export interface CompareOptions {
  /** Only this task. */
  readonly pid?: number;
  /** Compare page contents; without it only what is mapped. */
  readonly memory: boolean;
}

export async function compareSets(a: OpenSet, b: OpenSet, { pid, memory }: CompareOptions): Promise<Comparison> {
  if (a.tree.tasks.size === 0 && b.chain.includes(a)) return comparePreDump(a, b, pid);
  const label = (task: Task): string => `${task.pid} ${task.core.tc?.comm ?? ''}`;
  const wanted = (task: Task): boolean => pid === undefined || task.pid === pid;
  const [before, after] = [[...a.tree.tasks.values()].filter(wanted), [...b.tree.tasks.values()].filter(wanted)];
  const changed: TaskChange[] = [];
  let same = 0;
  for (const task of before) {
    const other = b.tree.tasks.get(task.pid);
    if (other === undefined) continue;
    const change = await compareTasks(a, task, b, other, memory);
    if (isSame(change)) same++;
    else changed.push(change);
  }
  const tasks = { added: after.filter((task) => !a.tree.tasks.has(task.pid)).map(label), removed: before.filter((task) => !b.tree.tasks.has(task.pid)).map(label), changed, same };
  const socketText = (set: OpenSet): string[] => socketRows(set).map((row) => [row.family, row.protocol || row.type, row.local, row.peer === '' ? '' : `-> ${row.peer}`, row.state].filter(Boolean).join(' '));
  const sockets = pid === undefined ? listed(socketText(a), socketText(b)) : { added: [], removed: [] };
  return { a: a.name, b: b.name, tasks, sockets, equal: changed.length === 0 && [tasks, sockets].every((list) => list.added.length + list.removed.length === 0) };
}

/** A pre-dump has pages and nothing else: its memory is seen with the tasks of the set that builds on it. */
async function comparePreDump(a: OpenSet, b: OpenSet, pid: number | undefined): Promise<Comparison> {
  const changed: TaskChange[] = [];
  let same = 0;
  for (const task of b.tree.tasks.values()) {
    if (task.mm === undefined || (pid !== undefined && task.pid !== pid)) continue;
    const after = b.memory(task.pid);
    const memory = await compareMemory(new AddressSpace(a, task, after.mappings), after);
    const none: Listed = { added: [], removed: [] };
    const change: TaskChange = { pid: task.pid, command: task.core.tc?.comm ?? '', fields: [], threads: { ...none, changed: [] }, files: { ...none, changed: [] }, mappings: none, memory };
    if (isSame(change)) same++;
    else changed.push(change);
  }
  return { a: a.name, b: b.name, tasks: { added: [], removed: [], changed, same }, sockets: { added: [], removed: [] }, equal: changed.length === 0 };
}

/** What is in one list and not in the other, counting how often. */
function listed(a: readonly string[], b: readonly string[]): Listed {
  const counts = new Map<string, number>();
  for (const one of a) counts.set(one, (counts.get(one) ?? 0) + 1);
  const added: string[] = [];
  for (const one of b) {
    const left = counts.get(one) ?? 0;
    if (left > 0) counts.set(one, left - 1);
    else added.push(one);
  }
  return { added, removed: [...counts].flatMap(([one, count]) => Array<string>(count).fill(one)) };
}

function isSame({ fields, threads, files, mappings, memory, memoryError }: TaskChange): boolean {
  return fields.length === 0 && threads.changed.length === 0 && files.changed.length === 0 && memoryError === undefined
    && [threads, files, mappings].every((list) => list.added.length + list.removed.length === 0) && (memory === undefined || memory.changedPages + memory.onlyA + memory.onlyB === 0);
}

/** Registers of any architecture. */
const registersOf = (core: core_entry): object | undefined =>
  core.thread_info ?? core.ti_arm ?? core.ti_aarch64 ?? core.ti_ppc64 ?? core.ti_s390 ?? core.ti_mips ?? core.ti_loongarch64 ?? core.ti_riscv64;

async function compareTasks(a: OpenSet, x: Task, b: OpenSet, y: Task, withMemory: boolean): Promise<TaskChange> {
  const threads = listed([...x.threads.keys()].map(String), [...y.threads.keys()].map(String));
  const changedThreads = [...x.threads].flatMap(([tid, core]) => {
    const other = y.threads.get(tid);
    if (other === undefined) return [];
    const registers = archName(core) === archName(other) ? changesOf(registersOf(core), registersOf(other)) : [{ path: 'architecture', a: archName(core), b: archName(other) }];
    registers.push(...changesOf(core.thread_core, other.thread_core, 'thread'));
    return registers.length === 0 ? [] : [{ tid, registers }];
  });
  const fields = [...changesOf({ ...x.item, threads: undefined }, { ...y.item, threads: undefined }), ...changesOf(x.core.tc, y.core.tc)];
  const mapping = (set: OpenSet, task: Task): string[] => (task.mm === undefined ? [] : set.memory(task.pid).mappings.map((one) => `0x${one.start.toString(16)}-0x${one.end.toString(16)} ${one.perms} ${one.name || one.kind}`));
  let memory: MemoryChange | undefined;
  let memoryError: string | undefined;
  if (withMemory && x.mm !== undefined && y.mm !== undefined) {
    try {
      memory = await compareMemory(a.memory(x.pid), b.memory(y.pid));
    } catch (error) {
      memoryError = error instanceof Error ? error.message : String(error);
    }
  }
  return {
    pid: x.pid, command: y.core.tc?.comm ?? '', fields, threads: { ...threads, changed: changedThreads }, files: compareFiles(a, x, b, y), mappings: listed(mapping(a, x), mapping(b, y)),
    ...(memory === undefined ? {} : { memory }), ...(memoryError === undefined ? {} : { memoryError }),
  };
}

function compareFiles(a: OpenSet, x: Task, b: OpenSet, y: Task): TaskChange['files'] {
  if (isDead(x) || isDead(y)) return { added: [], removed: [], changed: [] };
  const rows = (set: OpenSet, task: Task): Map<string, { id: number; text: string; cloexec: boolean }> =>
    new Map(fdRows(set, task.pid).map((row) => [String(row.fd), { id: row.id, text: `${row.fd}: ${row.kind} ${row.what}`, cloexec: row.cloexec }]));
  const [before, after] = [rows(a, x), rows(b, y)];
  const changed = [...before].flatMap(([fd, row]) => {
    const other = after.get(fd);
    if (other === undefined) return [];
    const [one, two] = [a.tree.files.get(row.id), b.tree.files.get(other.id)];
    const describe = (set: OpenSet, file: typeof one): object => (file === undefined ? {} : { ...describeFile(set.tree, file) });
    const changes = changesOf({ ...describe(a, one), cloexec: row.cloexec }, { ...describe(b, two), cloexec: other.cloexec });
    return changes.length === 0 ? [] : [{ fd, changes }];
  });
  return {
    added: [...after].filter(([fd]) => !before.has(fd)).map(([, row]) => row.text), removed: [...before].filter(([fd]) => !after.has(fd)).map(([, row]) => row.text), changed,
  };
}
