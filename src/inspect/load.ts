/**
 * An image store as a `FrozenTree`, as far as it can be read: a file that is damaged becomes a finding and the rest is still there.
 * (Restore reads strictly; whoever looks at a set wants to see what is left of it.) Page maps are kept as columns, not as messages.
 */
import { StillframeError } from '../errors.ts';
import { theCore, type PageMap } from '../core/core.ts';
import type { Entry, Image } from '../image/codec.ts';
import { kindOfFile, type Kind } from '../image/kinds.ts';
import type * as s from '../image/schema/index.ts';
import { core_entry, fd_types, inventory_entry } from '../image/schema/index.ts';
import { emptyTree, type FrozenTree, type IpcNamespace, type NetNamespace, type RestFile, type Task } from '../image/tree.ts';
import { create } from '../image/wire.ts';
import { readAll } from '../image/source/source.ts';
import type { ImageStore } from '../image/source/store.ts';
import { findingOf, type Finding } from './finding.ts';
import { readImageFile } from './read.ts';

export interface SetFile {
  readonly name: string;
  readonly size: number;
  readonly kind?: Kind;
  readonly id?: bigint;
  /** Records, when it was decoded. */
  records?: number;
}

export interface Loaded {
  readonly tree: FrozenTree;
  readonly files: readonly SetFile[];
  /** Bytes of a page, by the tasks' auxiliary vector. */
  readonly pageSize: number;
  /** Page maps by file name (`pagemap-5.img`, `pagemap-shmem-7.img`). */
  readonly pageMaps: ReadonlyMap<string, PageMap>;
  /** Statistics files by name (`stats-dump`). */
  readonly stats: ReadonlyMap<string, s.stats_entry>;
  /** Zombies and tasks without a core image have a made-up core; the latter are named here. */
  readonly coreless: ReadonlySet<number>;
  /** Whether there is an inventory; else `tree.inventory` is made up. */
  readonly inventory: boolean;
  /** What could not be read. */
  readonly findings: readonly Finding[];
}

/** Largest page map that is decoded: the core's limit. */
const MAX_PAGEMAP = 512 << 20;
const PAGEMAPS = new Set(['PAGEMAP', 'SHMEM_PAGEMAP']);

/** A file's records, or undefined with a finding about why not. */
type Reader = (name: string, kind: Kind) => Promise<Image | undefined>;

/** AT_PAGESZ of the auxiliary vector (linux/auxvec.h). */
const AT_PAGESZ = 6n;

/** The page size a task saw; undefined when its vector does not say a sensible one. */
function pageSizeOf(mm: s.mm_entry): number | undefined {
  const at = mm.mm_saved_auxv.findIndex((value, i) => i % 2 === 0 && value === AT_PAGESZ);
  const size = Number(at < 0 ? 0n : mm.mm_saved_auxv[at + 1] ?? 0n);
  return size >= 4096 && size <= 65536 && (size & (size - 1)) === 0 ? size : undefined;
}

export async function loadSet(store: ImageStore): Promise<Loaded> {
  // mm-N comes before pagemap-N in the order of names
  let pageSize = 4096;
  const findings: Finding[] = [];
  const files: SetFile[] = [];
  const pageMaps = new Map<string, PageMap>();
  const stats = new Map<string, s.stats_entry>();
  const images: { file: SetFile; image: Image }[] = [];
  const read: Reader = async (name, kind) => {
    const source = await store.source(name);
    return source === undefined ? undefined : readImageFile(source, name, kind);
  };
  for (const name of store.files) {
    const found = kindOfFile(name);
    let file: SetFile = { name, size: 0, ...(found === undefined ? {} : { kind: found.kind, ...(found.id === undefined ? {} : { id: found.id }) }) };
    try {
      const source = await store.source(name);
      file = { ...file, size: source?.size ?? 0 };
      if (source === undefined) findings.push({ rule: 'structure/unreadable', severity: 'warning', file: name, why: 'it is no regular file' });
      else if (found !== undefined && PAGEMAPS.has(found.kind.name)) {
        const map = theCore().pagemap.decode(await readAll(source, MAX_PAGEMAP), pageSize);
        pageMaps.set(name, map);
        file.records = map.count + 1;
      } else if (found?.kind.message !== undefined) {
        const image = await read(name, found.kind);
        if (image !== undefined) {
          file.records = image.entries.length;
          if (found.kind.name === 'STATS') stats.set(name, image.entries[0]!.message as s.stats_entry);
          else images.push({ file, image });
          if (found.kind.name === 'MM') pageSize = pageSizeOf(image.entries[0]!.message as s.mm_entry) ?? pageSize;
        }
      }
    } catch (error) {
      if (!(error instanceof StillframeError)) throw error;
      findings.push(findingOf('structure/decode', name, error));
    }
    files.push(file);
  }
  await store.close();
  const inventory = images.find(({ file }) => file.kind?.name === 'INVENTORY')?.image.entries[0]?.message as s.inventory_entry | undefined;
  const tree = emptyTree(inventory ?? create(inventory_entry, { img_version: 0 }));
  tree.rest = files.flatMap((file): RestFile[] => (file.kind === undefined ? [{ name: file.name, why: 'unknown' }] : file.kind.framing === 'raw' ? [{ name: file.name, why: 'raw' }] : []));
  const coreless = fill(tree, images, findings);
  return { tree, files, pageSize, pageMaps, stats, coreless, inventory: inventory !== undefined, findings };
}

/** Puts the decoded images where the model has them. */
function fill(tree: FrozenTree, images: readonly { file: SetFile; image: Image }[], findings: Finding[]): Set<number> {
  const cores = new Map<number, s.core_entry>();
  const rest: { file: SetFile; image: Image }[] = [];
  for (const one of images) {
    if (one.file.kind!.name === 'CORE') cores.set(Number(one.file.id), one.image.entries[0]!.message as s.core_entry);
    else if (one.file.kind!.name === 'PSTREE') for (const entry of one.image.entries) addTask(tree, entry.message as s.pstree_entry, findings);
    else rest.push(one);
  }
  const coreless = new Set<number>();
  for (const task of tree.tasks.values()) {
    const core = cores.get(task.pid);
    if (core === undefined) coreless.add(task.pid);
    else task.core = core;
    for (const tid of threadIds(task)) {
      const thread = tid === task.pid ? task.core : cores.get(tid);
      if (thread !== undefined) task.threads.set(tid, thread);
    }
    if (task.core.ids !== undefined && task.core.ids !== null) task.ids = task.core.ids;
  }
  for (const { file, image } of rest) {
    const put = PLACES[file.kind!.name];
    if (put === undefined) tree.rest.push({ name: file.name, why: 'kind' });
    else put(tree, image.entries, Number(file.id ?? 0n), file.id ?? 0n);
  }
  return coreless;
}

/** The tids of a task; a zombie's list is a single 0. */
export function threadIds(task: Task): number[] {
  const tids = task.item.threads.filter((tid) => tid !== 0);
  return tids.includes(task.pid) ? tids : [task.pid, ...tids];
}

function addTask(tree: FrozenTree, item: s.pstree_entry, findings: Finding[]): void {
  if (tree.tasks.has(item.pid)) {
    findings.push({ rule: 'sense/pid-twice', severity: 'error', file: 'pstree.img', where: `task ${item.pid}`, why: 'this pid is in the process tree twice' });
    return;
  }
  const core = create(core_entry, { mtype: 0 });
  tree.tasks.set(item.pid, { pid: item.pid, item, core, threads: new Map() });
}

type Place = (tree: FrozenTree, entries: readonly Entry[], id: number, wide: bigint) => void;

/** The messages of entries, as the type the kind says. */
const all = <M>(entries: readonly Entry[]): M[] => entries.map((entry) => entry.message as M);

const ofTask = (use: (task: Task, entries: readonly Entry[]) => void): Place => (tree, entries, id) => {
  const task = tree.tasks.get(id);
  if (task !== undefined) use(task, entries);
};

const withData = (entries: readonly Entry[]): { entry: never; data: NonNullable<Entry['payload']> }[] =>
  entries.map((entry) => ({ entry: entry.message as never, data: entry.payload! }));

function ipc(tree: FrozenTree, id: number): IpcNamespace {
  let found = tree.ipcns.get(id);
  if (found === undefined) tree.ipcns.set(id, found = { shm: [], sem: [], msg: [] });
  return found;
}

function net(tree: FrozenTree, id: number): NetNamespace {
  let found = tree.netns.get(id);
  if (found === undefined) tree.netns.set(id, found = { devices: [] });
  return found;
}

/** A file image of versions that had one for each kind of file (before 3.3): as entries of the common one. */
const oldFile = (type: keyof typeof fd_types, field: keyof s.file_entry): Place => (tree, entries) => {
  for (const { message } of entries) {
    const { id } = message as { id: number };
    tree.files.set(id, { type: fd_types[type], id, [field]: message } as s.file_entry);
  }
};

const PLACES: Readonly<Record<string, Place>> = {
  INVENTORY: () => undefined,
  IDS: ofTask((task, [entry]) => { task.ids = entry!.message as s.task_kobj_ids_entry; }),
  MM: ofTask((task, [entry]) => { task.mm = entry!.message as s.mm_entry; }),
  FS: ofTask((task, [entry]) => { task.fs = entry!.message as s.fs_entry; }),
  SECCOMP: (tree, [entry]) => { tree.seccomp = entry!.message as s.seccomp_entry; },
  APPARMOR: (tree, [entry]) => { tree.apparmor = entry!.message as s.apparmor_entry; },
  CGROUP: (tree, [entry]) => { tree.cgroup = entry!.message as s.cgroup_entry; },
  CPUINFO: (tree, [entry]) => { tree.cpuinfo = entry!.message as s.cpuinfo_entry; },
  STILLFRAME: (tree, [entry]) => { tree.own = entry!.message as s.stillframe_entry; },
  FILES: (tree, entries) => { for (const file of all<s.file_entry>(entries)) tree.files.set(file.id, file); },
  FDINFO: (tree, entries, id) => { tree.fdinfo.set(id, all(entries)); },
  REMAP_FPATH: (tree, entries) => { tree.remaps = all(entries); },
  FILE_LOCKS: (tree, entries) => { tree.locks = all(entries); },
  GHOST_FILE: (tree, entries, id) => {
    const [first, ...chunks] = entries;
    const parts = first!.payload === undefined ? chunks.map((chunk) => ({ off: (chunk.message as s.ghost_chunk_entry).off, data: chunk.payload! }))
      : [{ off: 0n, data: first!.payload }];
    tree.ghosts.set(id, { entry: first!.message as s.ghost_file_entry, parts });
  },
  PIPES_DATA: (tree, entries) => { tree.pipe_data = withData(entries); },
  FIFO_DATA: (tree, entries) => { tree.fifo_data = withData(entries); },
  SK_QUEUES: (tree, entries) => { tree.socket_queues = withData(entries); },
  BPFMAP_DATA: (tree, entries) => { tree.bpfmap_data = withData(entries); },
  TCP_STREAM: (tree, [entry], id) => {
    const message = entry!.message as s.tcp_stream_entry;
    const data = entry!.payload!;
    const part = (from: number, size: number) => ({
      size, bytes: () => data.bytes().subarray(from, from + size), ...(data.at === undefined ? {} : { at: { file: data.at.file, offset: data.at.offset + from } }),
    });
    tree.tcp_streams.set(id, { entry: message, inq: part(0, message.inq_len), outq: part(message.inq_len, message.outq_len) });
  },
  TTY_INFO: (tree, entries) => { for (const tty of all<s.tty_info_entry>(entries)) tree.ttys.set(tty.id, tty); },
  TTY_DATA: (tree, entries) => { tree.tty_data = all(entries); },
  MEMFD_INODE: (tree, entries) => { tree.memfds = all(entries); },
  BINFMT_MISC: (tree, entries) => { tree.binfmt_misc = all(entries); },
  BINFMT_MISC_OLD: (tree, entries) => { tree.binfmt_misc = all(entries); },
  TIMENS: (tree, [entry], id) => { tree.timens.set(id, entry!.message as s.timens_entry); },
  UTSNS: (tree, [entry], id) => { tree.utsns.set(id, entry!.message as s.utsns_entry); },
  USERNS: (tree, [entry], id) => { tree.userns.set(id, entry!.message as s.userns_entry); },
  PIDNS: (tree, [entry], id) => { tree.pidns.set(id, entry!.message as s.pidns_entry); },
  MNTS: (tree, entries, id) => { tree.mntns.set(id, all(entries)); },
  AUTOFS: (tree, entries, id) => { tree.autofs.set(id, all(entries)); },
  NETNS: (tree, [entry], id) => { net(tree, id).netns = entry!.message as s.netns_entry; },
  NETDEV: (tree, entries, id) => { net(tree, id).devices = all(entries); },
  IPC_VAR: (tree, [entry], id) => { ipc(tree, id).vars = entry!.message as s.ipc_var_entry; },
  IPCNS_SHM: (tree, entries, id) => {
    ipc(tree, id).shm = entries.map((entry) => ({ entry: entry.message as s.ipc_shm_entry, ...(entry.payload === undefined ? {} : { data: entry.payload }) }));
  },
  IPCNS_SEM: (tree, entries, id) => {
    ipc(tree, id).sem = entries.map((entry) => ({ entry: entry.message as s.ipc_sem_entry, values: semaphores(entry) }));
  },
  IPCNS_MSG: (tree, entries, id) => {
    ipc(tree, id).msg = entries.map((entry) => ({ entry: entry.message as s.ipc_msg_entry, messages: withData(entry.inner ?? []) }));
  },
  REG_FILES: oldFile('REG', 'reg'), EXT_FILES: oldFile('EXT', 'ext'), PIPES: oldFile('PIPE', 'pipe'), FIFO: oldFile('FIFO', 'fifo'),
  EVENTFD_FILE: oldFile('EVENTFD', 'efd'), EVENTPOLL_FILE: oldFile('EVENTPOLL', 'epfd'), SIGNALFD: oldFile('SIGNALFD', 'sgfd'),
  TIMERFD: oldFile('TIMERFD', 'tfd'), INOTIFY_FILE: oldFile('INOTIFY', 'ify'), FANOTIFY_FILE: oldFile('FANOTIFY', 'ffy'),
  PIDFD: oldFile('PIDFD', 'pidfd'), BPFMAP_FILE: oldFile('BPFMAP', 'bpf'), TTY_FILES: oldFile('TTY', 'tty'), UNIXSK: oldFile('UNIXSK', 'usk'),
  INETSK: oldFile('INETSK', 'isk'), PACKETSK: oldFile('PACKETSK', 'psk'), NETLINK_SK: oldFile('NETLINKSK', 'nlsk'), NS_FILES: oldFile('NS', 'nsf'),
  TUNFILE: oldFile('TUNF', 'tunf'),
};

function semaphores(entry: Entry): number[] {
  const { nsems } = entry.message as s.ipc_sem_entry;
  // the kernel has no set of more than 32,000 (SEMMSL); a larger one is damage that the check names
  if (nsems > 65536) return [];
  const bytes = entry.payload?.bytes() ?? new Uint8Array(0);
  return Array.from({ length: nsems }, (_, i) => (bytes[2 * i] ?? 0) | (bytes[2 * i + 1] ?? 0) << 8);
}
