/** Rules about ids: every one has to lead somewhere. */
import { fd_types, remap_type, type file_entry } from '../../image/schema/index.ts';
import { fdTableId, isDead, type Task } from '../../image/tree.ts';
import { fdTypeName } from '../describe.ts';
import { otherFileUses, tablesOf } from '../files.ts';
import { liveTasks } from '../usage.ts';
import { taskText, type CheckContext } from './context.ts';

const TCP_ESTABLISHED = 1;
const TCP_CLOSE = 7;
const TCP_LISTEN = 10;

export function checkReferences(check: CheckContext): void {
  const used = checkTables(check);
  checkTaskFiles(check, used);
  checkFiles(check, used);
  checkQueues(check);
  checkLocks(check);
  checkThreads(check);
  checkNamespaces(check);
  checkOwn(check);
}

/** Descriptor tables. Returns the ids of the descriptions they refer to. */
function checkTables(check: CheckContext): Set<number> {
  const { tree } = check;
  const used = new Set<number>();
  for (const [id, tasks] of tablesOf(check.set)) {
    const file = `fdinfo-${id}.img`;
    const entries = tree.fdinfo.get(id);
    if (entries === undefined) {
      if (!check.set.loaded.findings.some((finding) => finding.file === file)) check.add('reference/table', { file, where: taskText(tasks[0]!), why: 'it is missing; it has the open files of the task' });
      continue;
    }
    const numbers = new Set<number>();
    entries.forEach((entry, record) => {
      const where = `${taskText(tasks[0]!)}, fd ${entry.fd}`;
      used.add(entry.id);
      if (numbers.has(entry.fd)) check.add('sense/descriptor', { file, record, where, why: 'this descriptor is in the table twice' });
      numbers.add(entry.fd);
      const target = tree.files.get(entry.id);
      if (target === undefined) check.add('reference/file', { file, record, where, why: `it is file ${entry.id}, which is not in the set` });
      else if (target.type !== entry.type && !(entry.type === fd_types.CTL_TTY || entry.type === fd_types.AUTOFS_PIPE)) check.add('reference/file-type', { file, record, where, why: `it is said to be ${fdTypeName(entry.type)}, but file ${entry.id} is ${fdTypeName(target.type)}` });
    });
  }
  return used;
}

function checkTaskFiles(check: CheckContext, used: Set<number>): void {
  const { tree } = check;
  for (const [id, by] of otherFileUses(check.set)) {
    used.add(id);
    if (!tree.files.has(id)) check.add('reference/file', { where: by, why: `it is file ${id}, which is not in the set` });
  }
}

const FIELDS: Readonly<Record<number, keyof file_entry>> = {
  [fd_types.REG]: 'reg', [fd_types.PIPE]: 'pipe', [fd_types.FIFO]: 'fifo', [fd_types.INETSK]: 'isk', [fd_types.UNIXSK]: 'usk', [fd_types.EVENTFD]: 'efd', [fd_types.EVENTPOLL]: 'epfd',
  [fd_types.INOTIFY]: 'ify', [fd_types.SIGNALFD]: 'sgfd', [fd_types.PACKETSK]: 'psk', [fd_types.TTY]: 'tty', [fd_types.FANOTIFY]: 'ffy', [fd_types.NETLINKSK]: 'nlsk', [fd_types.NS]: 'nsf',
  [fd_types.TUNF]: 'tunf', [fd_types.EXT]: 'ext', [fd_types.TIMERFD]: 'tfd', [fd_types.MEMFD]: 'memfd', [fd_types.BPFMAP]: 'bpf', [fd_types.PIDFD]: 'pidfd',
};

function checkFiles(check: CheckContext, used: ReadonlySet<number>): void {
  const { tree } = check;
  const inFlight = new Set(tree.socket_queues.flatMap(({ entry }) => entry.scm.flatMap((scm) => scm.rights)));
  const mounts = new Set([...tree.mntns.values()].flat().map((mount) => mount.mnt_id));
  const unix = unixOf(check);
  for (const file of tree.files.values()) {
    const where = `file ${file.id}`;
    const field = FIELDS[file.type];
    if (field === undefined || file[field] === undefined) check.add('reference/file', { file: 'files.img', where, why: field === undefined ? `its type is ${file.type}, which is unknown` : `it is of type ${fdTypeName(file.type)}, but has no ${field}` });
    if (!used.has(file.id) && !inFlight.has(file.id) && !isHelper(check, unix, file)) check.add('reference/unused-file', { file: 'files.img', where, why: 'no task, mapping or queue refers to it' });
    const { mnt_id } = file.reg ?? {};
    if (mnt_id !== undefined && mnt_id !== -1 && tree.mntns.size > 0 && !mounts.has(mnt_id)) check.add('reference/mount', { file: 'files.img', where: `${where} (${file.reg!.name})`, why: `it is on mount ${mnt_id}, which is in no mount namespace of the set` });
    if (file.memfd !== undefined && !tree.memfds.some((one) => Number(one.inode_id) === file.memfd!.inode_id)) check.add('reference/memfd', { file: 'files.img', where, why: `memory file inode ${file.memfd.inode_id} is not in memfd.img` });
    if (file.tty !== undefined && !tree.ttys.has(file.tty.tty_info_id)) check.add('reference/tty', { file: 'files.img', where, why: `terminal ${file.tty.tty_info_id} is not in tty-info.img` });
    if (file.usk !== undefined && file.usk.peer !== 0 && !unix.inodes.has(file.usk.peer)) check.add('reference/peer', { file: 'files.img', where, why: `its peer, inode ${file.usk.peer}, is not in the set`, remedy: 'It was dumped with --ext-unix-sk; its other side has to be there at the restore.' });
    const { isk } = file;
    if (isk?.proto === 6 && isk.state !== TCP_CLOSE && isk.state !== TCP_LISTEN && !tree.tcp_streams.has(isk.ino)) {
      const what = isk.state === TCP_ESTABLISHED ? 'is established' : 'has a connection';
      check.add('reference/tcp', { file: `tcp-stream-${isk.ino.toString(16)}.img`, where, why: `the socket ${what}, but there is no image of its queues and numbers`, ...(tree.inventory.tcp_close === true ? { remedy: 'It was dumped with --tcp-close: restore it so, too.' } : {}) });
    }
    if (file.epfd !== undefined && file.epfd.tfd.length > 0) checkEpoll(check, file);
  }
  checkGhosts(check);
  const sockets = new Set([...tree.files.values()].map((file) => file.isk?.ino));
  for (const ino of tree.tcp_streams.keys()) if (!sockets.has(ino)) check.add('reference/tcp-unused', { file: `tcp-stream-${ino.toString(16)}.img`, why: `no socket has inode ${ino}` });
}

interface UnixSockets { readonly inodes: ReadonlySet<number>; readonly peers: ReadonlySet<number> }

function unixOf(check: CheckContext): UnixSockets {
  const sockets = [...check.tree.files.values()].flatMap((file) => file.usk ?? []);
  return { inodes: new Set(sockets.map((socket) => socket.ino)), peers: new Set(sockets.map((socket) => socket.peer)) };
}

/** Descriptions without an owner that CRIU writes on purpose: a socket that is only a peer, the target of a remap. */
function isHelper(check: CheckContext, unix: UnixSockets, file: file_entry): boolean {
  if (file.usk !== undefined) return unix.peers.has(file.usk.ino);
  return check.tree.remaps.some((remap) => remap.remap_id === file.id || remap.orig_id === file.id);
}

function checkEpoll(check: CheckContext, file: file_entry): void {
  const numbers = new Set<number>();
  for (const [table, entries] of check.tree.fdinfo) {
    if (entries.some((entry) => entry.id === file.id)) for (const entry of check.tree.fdinfo.get(table)!) numbers.add(entry.fd);
  }
  for (const target of file.epfd?.tfd ?? []) {
    if (!numbers.has(target.tfd)) check.add('reference/epoll', { file: 'files.img', where: `file ${file.id}`, why: `it watches fd ${target.tfd}, which no task with this epoll has open` });
  }
}

function checkGhosts(check: CheckContext): void {
  const { tree } = check;
  const wanted = new Set<number>();
  tree.remaps.forEach((remap, record) => {
    const kind = remap.remap_type ?? remap_type.LINKED;
    // before the type was written, the top bit of the id said that it is a ghost
    const ghost = kind === remap_type.GHOST || remap.remap_id >= 0x80000000;
    const id = remap.remap_id & 0x7fffffff;
    if (ghost) wanted.add(id);
    if (ghost && !tree.ghosts.has(id) && !check.has(`ghost-file-${id.toString(16)}.img`)) check.add('reference/ghost', { file: 'remap-fpath.img', record, where: `file ${remap.orig_id}`, why: `its contents, ghost-file-${id.toString(16)}.img, are not in the set` });
    if (!tree.files.has(remap.orig_id)) check.add('reference/file', { file: 'remap-fpath.img', record, why: `file ${remap.orig_id} is not in the set` });
    if (kind === remap_type.LINKED && !ghost && !tree.files.has(remap.remap_id)) check.add('reference/file', { file: 'remap-fpath.img', record, why: `file ${remap.remap_id}, which stands in for file ${remap.orig_id}, is not in the set` });
  });
  for (const [id, { entry, parts }] of tree.ghosts) {
    const file = `ghost-file-${id.toString(16)}.img`;
    if (!wanted.has(id)) check.add('reference/ghost-unused', { file, why: 'no deleted file refers to it' });
    if (entry.size !== undefined && parts.some(({ off, data }) => off + BigInt(data.size) > entry.size!)) check.add('sense/size', { file, why: `its contents reach beyond its size of ${entry.size} bytes` });
  }
}

function checkQueues(check: CheckContext): void {
  const { tree } = check;
  const pipes = new Set([...tree.files.values()].flatMap((file) => [file.pipe?.pipe_id, file.fifo?.pipe_id]));
  for (const [name, list] of [['pipes-data.img', tree.pipe_data], ['fifo-data.img', tree.fifo_data]] as const) {
    list.forEach(({ entry }, record) => {
      if (!pipes.has(entry.pipe_id)) check.add('reference/pipe-data', { file: name, record, why: `no task has pipe ${entry.pipe_id}` });
      if (entry.size !== undefined && entry.size > 0 && entry.bytes > entry.size) check.add('sense/queue', { file: name, record, where: `pipe ${entry.pipe_id}`, why: `${entry.bytes} bytes are queued; it holds ${entry.size}` });
    });
  }
  tree.socket_queues.forEach(({ entry }, record) => {
    if (!tree.files.has(entry.id_for)) check.add('reference/queue', { file: 'sk-queues.img', record, why: `socket ${entry.id_for} is not in the set` });
    for (const id of entry.scm.flatMap((scm) => scm.rights)) if (!tree.files.has(id)) check.add('reference/rights', { file: 'sk-queues.img', record, why: `it carries file ${id}, which is not in the set` });
  });
}

function checkLocks(check: CheckContext): void {
  const { tree } = check;
  tree.locks.forEach((lock, record) => {
    const task = tree.tasks.get(lock.pid);
    const table = task === undefined || isDead(task) ? undefined : tree.fdinfo.get(fdTableId(tree, task) ?? -1);
    if (task === undefined) check.add('reference/lock', { file: 'filelocks.img', record, why: `task ${lock.pid} is not in the tree` });
    else if (table !== undefined && !table.some((entry) => entry.fd === lock.fd)) check.add('reference/lock', { file: 'filelocks.img', record, where: taskText(task), why: `it has no fd ${lock.fd}` });
  });
}

function checkThreads(check: CheckContext): void {
  const { tree } = check;
  const sets = new Set((tree.cgroup?.sets ?? []).map((set) => set.id));
  const filters = tree.seccomp?.seccomp_filters.length ?? 0;
  for (const task of tree.tasks.values()) {
    const cgSet = task.core.tc?.cg_set;
    if (cgSet !== undefined && cgSet !== tree.inventory.root_cg_set && tree.cgroup !== undefined && !sets.has(cgSet)) check.add('reference/cgroup', { file: `core-${task.pid}.img`, where: taskText(task), why: `its control group set ${cgSet} is not in cgroup.img` });
    for (const [tid, core] of task.threads) {
      const filter = core.thread_core?.seccomp_filter;
      if (core.thread_core?.seccomp_mode === 2 && filter !== undefined && filter >= filters) check.add('reference/seccomp', { file: `core-${tid}.img`, where: taskText(task), why: `its seccomp filter is number ${filter}; the set has ${filters}` });
    }
  }
  tree.seccomp?.seccomp_filters.forEach((filter, i) => {
    if (filter.prev !== undefined && filter.prev >= i) check.add('reference/seccomp', { file: 'seccomp.img', where: `filter ${i}`, why: `it comes after filter ${filter.prev}, which is not before it` });
  });
  for (const task of liveTasks(check.set)) {
    for (const mapping of check.set.memory(task.pid).mappings) {
      if (mapping.shmem !== undefined && !check.set.loaded.pageMaps.has(mapping.shmem) && mapping.kind !== 'sysv') check.add('reference/shmem', { file: mapping.shmem, where: `${taskText(task)}, ${mapping.name}`, why: 'there is no page map of this shared memory: it had no pages' });
    }
  }
}

/** Namespaces that are not those of the dumper, and the image each needs. */
function checkNamespaces(check: CheckContext): void {
  const { tree } = check;
  const root = tree.inventory.root_ids;
  const own = (task: Task, field: 'net_ns_id' | 'ipc_ns_id' | 'uts_ns_id' | 'mnt_ns_id' | 'user_ns_id' | 'time_ns_id'): number | undefined => {
    const id = task.ids?.[field];
    return id === undefined || id === 0 || id === root?.[field] ? undefined : id;
  };
  const kinds = [['net_ns_id', tree.netns, 'netns'], ['ipc_ns_id', tree.ipcns, 'ipcns-var'], ['uts_ns_id', tree.utsns, 'utsns'], ['mnt_ns_id', tree.mntns, 'mountpoints'], ['user_ns_id', tree.userns, 'userns'], ['time_ns_id', tree.timens, 'timens']] as const;
  const told = new Set<string>();
  if (root === undefined) return;
  for (const task of tree.tasks.values()) {
    for (const [field, images, name] of kinds) {
      const id = own(task, field);
      const file = `${name}-${id}.img`;
      if (id === undefined || images.has(id) || told.has(file) || check.set.loaded.findings.some((finding) => finding.file === file)) continue;
      told.add(file);
      check.add('reference/namespace', { file, where: taskText(task), why: `its ${field.replace(/_ns_id$/u, '')} namespace is not that of the dumping process, and there is no image of it`, remedy: 'It was external (--external, --empty-ns): the restorer has to provide it.' });
    }
  }
}

function checkOwn(check: CheckContext): void {
  const { own, tasks, files } = check.tree;
  if (own === undefined) return;
  for (const task of own.tasks) if (!tasks.has(task.pid)) check.add('reference/own', { file: 'stillframe.img', why: `task ${task.pid} is not in the tree` });
  for (const file of own.files) if (!files.has(file.id)) check.add('reference/own', { file: 'stillframe.img', why: `file ${file.id} is not in the set` });
}
