/** Descriptors, sockets and mounts as rows: what `image fds`, `sockets` and `mounts` show. */
import { fstype, type file_entry } from '../image/schema/index.ts';
import { fdTableId, isDead, type Task } from '../image/tree.ts';
import type { OpenSet } from './open.ts';
import { describeFile, describeSocket, fdTypeName, type Description, type SocketRow } from './describe.ts';

export interface FdRow extends Description {
  readonly pid: number;
  /** A descriptor's number; `cwd`, `root`, `exe` for what a task holds otherwise. */
  readonly fd: number | 'cwd' | 'root' | 'exe';
  /** Id of the description in the files image. Equal ids are one description: position and flags are shared. */
  readonly id: number;
  readonly cloexec: boolean;
  /** `tid`s of other tasks with this very description. */
  readonly sharedWith: readonly number[];
}

/** The tasks that use each descriptor table. */
export function tablesOf(set: OpenSet): Map<number, Task[]> {
  const tables = new Map<number, Task[]>();
  for (const task of set.tree.tasks.values()) {
    const id = isDead(task) ? undefined : fdTableId(set.tree, task);
    if (id === undefined) continue;
    const users = tables.get(id);
    if (users === undefined) tables.set(id, [task]);
    else users.push(task);
  }
  return tables;
}

export function fdRows(set: OpenSet, pid?: number): FdRow[] {
  if (pid !== undefined) set.task(pid);
  const { tree } = set;
  const holders = new Map<number, Set<number>>();
  for (const [table, tasks] of tablesOf(set)) {
    for (const { id } of tree.fdinfo.get(table) ?? []) {
      const pids = holders.get(id) ?? new Set();
      for (const task of tasks) pids.add(task.pid);
      holders.set(id, pids);
    }
  }
  const described = new Map<number, Description>();
  const row = (task: Task, fd: FdRow['fd'], id: number, cloexec: boolean, type?: number): FdRow => {
    let description = described.get(id);
    if (description === undefined) {
      const file = tree.files.get(id);
      description = file === undefined ? { kind: type === undefined ? '?' : fdTypeName(type).toLowerCase(), what: `file ${id} is not in the set`, flags: '', notes: [] } : describeFile(tree, file);
      described.set(id, description);
    }
    return { pid: task.pid, fd, id, cloexec, ...description, sharedWith: [...(holders.get(id) ?? [])].filter((other) => other !== task.pid) };
  };
  const rows: FdRow[] = [];
  for (const task of tree.tasks.values()) {
    if ((pid !== undefined && task.pid !== pid) || isDead(task)) continue;
    if (task.mm !== undefined) rows.push(row(task, 'exe', task.mm.exe_file_id, false));
    if (task.fs !== undefined) rows.push(row(task, 'cwd', task.fs.cwd_id, false), row(task, 'root', task.fs.root_id, false));
    const table = fdTableId(tree, task);
    for (const entry of table === undefined ? [] : tree.fdinfo.get(table) ?? []) rows.push(row(task, entry.fd, entry.id, (entry.flags & 1) !== 0, entry.type));
  }
  return rows;
}

export interface SocketListRow extends SocketRow {
  readonly id: number;
  /** `pid:fd` of every descriptor of it; a socket nobody has may still wait in a queue. */
  readonly users: readonly string[];
}

export function socketRows(set: OpenSet, pid?: number): SocketListRow[] {
  if (pid !== undefined) set.task(pid);
  const users = new Map<number, string[]>();
  for (const [table, tasks] of tablesOf(set)) {
    for (const { id, fd } of set.tree.fdinfo.get(table) ?? []) {
      const list = users.get(id) ?? [];
      for (const task of tasks) if (pid === undefined || task.pid === pid) list.push(`${task.pid}:${fd}`);
      users.set(id, list);
    }
  }
  const rows: SocketListRow[] = [];
  for (const file of set.tree.files.values()) {
    const socket = describeSocket(set.tree, file);
    const by = users.get(file.id) ?? [];
    if (socket !== undefined && (pid === undefined || by.length > 0)) rows.push({ ...socket, id: file.id, users: by });
  }
  return rows;
}

export interface MountRow {
  readonly namespace: number;
  readonly id: number;
  readonly parent: number;
  readonly mountpoint: string;
  readonly type: string;
  readonly source: string;
  readonly root: string;
  readonly options: string;
  readonly notes: readonly string[];
  readonly depth: number;
}

const typeNames = new Map<number, string>(Object.entries(fstype).map(([name, number]) => [number, name.toLowerCase()]));

/** Mounts by namespace, each below its parent. */
export function mountRows(set: OpenSet): MountRow[] {
  const rows: MountRow[] = [];
  for (const [namespace, mounts] of set.tree.mntns) {
    const byId = new Map(mounts.map((mount) => [mount.mnt_id, mount]));
    const depthOf = (mount: (typeof mounts)[number]): number => {
      let depth = 0;
      for (let at = byId.get(mount.parent_mnt_id); at !== undefined && at !== mount && depth < 100; at = byId.get(at.parent_mnt_id)) depth++;
      return depth;
    };
    for (const mount of mounts) {
      const type = mount.fsname ?? typeNames.get(mount.fstype) ?? String(mount.fstype);
      rows.push({
        namespace, id: mount.mnt_id, parent: mount.parent_mnt_id, mountpoint: mount.mountpoint, type, source: mount.source, root: mount.root, options: mount.options, depth: depthOf(mount),
        notes: [
          ...(mount.ext_mount === true || mount.ext_key !== undefined ? [`external${mount.ext_key === undefined ? '' : ` ${mount.ext_key}`}`] : []),
          ...(mount.shared_id ? [`shared:${mount.shared_id}`] : []), ...(mount.master_id ? [`master:${mount.master_id}`] : []), ...(mount.deleted === true ? ['deleted'] : []),
        ],
      });
    }
  }
  return rows;
}

/** The ids of file descriptions something other than a descriptor table refers to: mappings, executables, cwd, fifos, ttys. */
export function otherFileUses(set: OpenSet): Map<number, string> {
  const uses = new Map<number, string>();
  const use = (id: number | undefined, by: string): void => { if (id !== undefined && !uses.has(id)) uses.set(id, by); };
  for (const task of set.tree.tasks.values()) {
    use(task.mm?.exe_file_id, `the executable of task ${task.pid}`);
    use(task.fs?.cwd_id, `the working directory of task ${task.pid}`);
    use(task.fs?.root_id, `the root of task ${task.pid}`);
    if (task.mm !== undefined) for (const mapping of set.memory(task.pid).mappings) use(mapping.file, `a mapping of task ${task.pid}`);
  }
  for (const file of set.tree.files.values()) {
    use(file.fifo?.regf_id, `fifo ${file.id}`);
    use(file.tty?.regf_id, `terminal ${file.id}`);
  }
  return uses;
}

export type { file_entry };
