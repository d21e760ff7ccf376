/**
 * `FrozenTree`: one typed model of a frozen process tree. Dump fills one, restore compiles one, plan, check and show read one.
 * Everything in it is a message of the image schema (./schema/), indexed by what refers to it; page contents are not in it.
 * Types only, and the few helpers every reader needs; images are read and written by ./tree-read.ts and ./tree-write.ts.
 */
import type {
  apparmor_entry, autofs_entry, binfmt_misc_entry, bpfmap_data_entry, cgroup_entry, core_entry, cpuinfo_entry, fdinfo_entry,
  file_entry, file_lock_entry, fs_entry, ghost_file_entry, inventory_entry, ipc_msg, ipc_msg_entry, ipc_sem_entry, ipc_shm_entry,
  ipc_var_entry, memfd_inode_entry, mm_entry, mnt_entry, net_device_entry, netns_entry, pagemap_entry, pidns_entry, pipe_data_entry,
  pstree_entry, remap_file_path_entry, seccomp_entry, sk_packet_entry, stillframe_entry, task_kobj_ids_entry, tcp_stream_entry,
  timens_entry, tty_data_entry, tty_info_entry, userns_entry, utsns_entry,
} from './schema/index.ts';
import { fd_types } from './schema/files.ts';
import type { Payload } from './payload.ts';

/** A page map: which pages of a task or of a shared memory object lie where. */
export interface PageMap {
  /** Number N of the `pages-N.img` that holds the present pages, in order, without gaps. */
  pages_id: number;
  entries: pagemap_entry[];
}

/** One task: everything kept in images named by its pid. */
export interface Task {
  readonly pid: number;
  /** Its record in the process tree image. Read `threads` below for the tids: CRIU writes any number for the one of a dead task. */
  item: pstree_entry;
  /** core-PID: the leader. The same object is in `threads`. */
  core: core_entry;
  /** core-TID of each thread, the leader first, in the order of the process tree image. */
  threads: Map<number, core_entry>;
  /** ids-PID; a zombie has none. */
  ids?: task_kobj_ids_entry;
  /** mm-PID; a zombie has none. */
  mm?: mm_entry;
  fs?: fs_entry;
  pagemap?: PageMap;
}

/** Bytes that were waiting in a pipe or fifo. `entry.bytes` is their number. */
export interface PipeData { entry: pipe_data_entry; data: Payload }

/** One packet waiting in a socket's receive queue. `entry.length` is its size. */
export interface SocketPacket { entry: sk_packet_entry; data: Payload }

/** A part of a ghost file: `data` belongs at byte `off` of the file. Bytes no part covers are a hole. */
export interface GhostPart { off: bigint; data: Payload }

/** A deleted file carried in the set (ghost-file-ID). `entry.chunks` tells whether the image is in parts or one run. */
export interface GhostFile { entry: ghost_file_entry; parts: GhostPart[] }

/** A TCP connection's state, by socket inode (tcp-stream-INODE). */
export interface TcpStream { entry: tcp_stream_entry; inq: Payload; outq: Payload }

export interface ShmSegment { entry: ipc_shm_entry; /** Absent when its pages are in a page map (`entry.in_pagemaps`). */ data?: Payload }
export interface SemaphoreSet { entry: ipc_sem_entry; values: number[] }
export interface MessageQueue { entry: ipc_msg_entry; messages: { entry: ipc_msg; data: Payload }[] }

/** System V IPC of one namespace. */
export interface IpcNamespace { vars?: ipc_var_entry; shm: ShmSegment[]; sem: SemaphoreSet[]; msg: MessageQueue[] }

/** A network namespace. Its raw images (addresses, routes, rules, tables) are files of the set, listed in `FrozenTree.rest`. */
export interface NetNamespace { netns?: netns_entry; devices: net_device_entry[] }

export interface BpfMapData { entry: bpfmap_data_entry; data: Payload }

/** A file of the set that the model does not hold: raw (pages, tables, archives), of a kind unknown to us, or not an image. */
export interface RestFile {
  name: string;
  /** `raw`: a known kind without records; `kind`: has records but no place in the model; `unknown`: nothing we know. */
  why: 'raw' | 'kind' | 'unknown';
}

export interface FrozenTree {
  inventory: inventory_entry;
  /** By pid, in the order of the process tree image: a parent comes before its children. */
  tasks: Map<number, Task>;
  /** Descriptor tables by `files_id` (fdinfo-ID). */
  fdinfo: Map<number, fdinfo_entry[]>;
  /** Open file descriptions by id, of every kind. Look one up with `fileOf`: the id alone is not always enough. */
  files: Map<number, file_entry>;
  /** Descriptions whose id one of another type in `files` has too: a tun device and the regular file it was opened as; old images. */
  twins: file_entry[];
  remaps: remap_file_path_entry[];
  ghosts: Map<number, GhostFile>;
  locks: file_lock_entry[];
  pipe_data: PipeData[];
  fifo_data: PipeData[];
  socket_queues: SocketPacket[];
  /** By socket inode. */
  tcp_streams: Map<number, TcpStream>;
  /** By `id` (a tty_file_entry's `tty_info_id`). */
  ttys: Map<number, tty_info_entry>;
  tty_data: tty_data_entry[];
  memfds: memfd_inode_entry[];
  bpfmap_data: BpfMapData[];
  /** Page maps of shared memory by shmid (pagemap-shmem-ID). */
  shmem: Map<bigint, PageMap>;
  seccomp?: seccomp_entry;
  cgroup?: cgroup_entry;
  apparmor?: apparmor_entry;
  cpuinfo?: cpuinfo_entry;
  binfmt_misc: binfmt_misc_entry[];
  /** By the id in the file name (a namespace's id in task_kobj_ids_entry; timens: see docs/images.md). */
  timens: Map<number, timens_entry>;
  utsns: Map<number, utsns_entry>;
  ipcns: Map<number, IpcNamespace>;
  userns: Map<number, userns_entry>;
  pidns: Map<number, pidns_entry>;
  mntns: Map<number, mnt_entry[]>;
  netns: Map<number, NetNamespace>;
  autofs: Map<number, autofs_entry[]>;
  /** Our own image (stillframe.img), if the set has one. */
  own?: stillframe_entry;
  /** Files not held here. They stay where they are; whoever copies a set copies them too. */
  rest: RestFile[];
}

/** A tree with nothing in it, for a dump to fill. */
export function emptyTree(inventory: inventory_entry): FrozenTree {
  return {
    inventory, tasks: new Map(), fdinfo: new Map(), files: new Map(), twins: [], remaps: [], ghosts: new Map(), locks: [], pipe_data: [],
    fifo_data: [], socket_queues: [], tcp_streams: new Map(), ttys: new Map(), tty_data: [], memfds: [], bpfmap_data: [],
    shmem: new Map(), binfmt_misc: [], timens: new Map(), utsns: new Map(), ipcns: new Map(), userns: new Map(), pidns: new Map(),
    mntns: new Map(), netns: new Map(), autofs: new Map(), rest: [],
  };
}

/** The root: the task without a parent in the set. Undefined only in an empty tree. */
export function rootTask(tree: FrozenTree): Task | undefined {
  for (const task of tree.tasks.values()) if (!tree.tasks.has(task.item.ppid)) return task;
  return undefined;
}

export function childrenOf(tree: FrozenTree, pid: number): Task[] {
  return [...tree.tasks.values()].filter((task) => task.item.ppid === pid && task.pid !== pid);
}

/** The description that a descriptor or another description means. Types: `fd_types`. */
export function fileOf(tree: FrozenTree, type: number, id: number): file_entry | undefined {
  const file = tree.files.get(id);
  return file === undefined || file.type === type ? file : tree.twins.find((twin) => twin.id === id && twin.type === type);
}

/** Adds a description. False when the same type has that id already. */
export function addFile(tree: FrozenTree, file: file_entry): boolean {
  const known = tree.files.get(file.id);
  if (known === undefined) tree.files.set(file.id, file);
  else if (file.type === fd_types.TUNF && known.type === fd_types.REG) {
    // the tun file is what descriptors are of; the other is its name
    tree.twins.push(known);
    tree.files.set(file.id, file);
  } else if (fileOf(tree, file.type, file.id) === undefined) tree.twins.push(file);
  else return false;
  return true;
}

/** Values of task_core_entry.task_state. */
export const TaskState = { ALIVE: 1, DEAD: 2, STOPPED: 3, ZOMBIE: 6 } as const;

/** A task that has exited and not been waited for: it has no memory, files or ids. CRIU writes it as DEAD. */
export function isDead(task: Task): boolean {
  const state = task.core.tc?.task_state;
  return state === TaskState.DEAD || state === TaskState.ZOMBIE;
}

/** The key of a task's descriptor table in `FrozenTree.fdinfo`: tables of old sets are named by pid. Undefined for a dead task. */
export function fdTableId(tree: FrozenTree, task: Task): number | undefined {
  return tree.inventory.fdinfo_per_id === true ? task.ids?.files_id : task.pid;
}

/** Flags of a page-map entry. */
export const PE_PARENT = 1;
export const PE_LAZY = 2;
export const PE_PRESENT = 4;

/** Pages an entry covers: `nr_pages`, or the 32-bit field that CRIU wrote before 4.2. */
export function pagesOf(entry: pagemap_entry): bigint {
  return entry.nr_pages ?? BigInt(entry.compat_nr_pages);
}

/** Flags of an entry as every reader must take them: old images have `in_parent` instead, or nothing at all. */
export function pageFlags(entry: pagemap_entry): number {
  if (entry.in_parent === true) return (entry.flags ?? 0) | PE_PARENT;
  return entry.flags ?? PE_PRESENT;
}

/** File names of the set's members, as CRIU names them. */
export const fileNames = {
  core: (tid: number) => `core-${tid}.img`,
  mm: (pid: number) => `mm-${pid}.img`,
  pagemap: (pid: number) => `pagemap-${pid}.img`,
  shmem: (shmid: bigint) => `pagemap-shmem-${shmid}.img`,
  pages: (pagesId: number) => `pages-${pagesId}.img`,
  fdinfo: (filesId: number) => `fdinfo-${filesId}.img`,
  ghost: (id: number) => `ghost-file-${id.toString(16)}.img`,
} as const;
