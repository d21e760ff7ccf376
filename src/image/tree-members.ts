/**
 * How each part of a `FrozenTree` is kept in images: one line a kind, read and write side by side. The images of tasks
 * (core, ids, mm, fs, page maps) are in ./tree-read.ts and ./tree-write.ts, since the process tree image comes before them.
 */
import type { Entry, Image, NewEntry } from './codec.ts';
import { joinPayloads, payload, slicePayload, type Payload } from './payload.ts';
import type * as s from './schema/index.ts';
import type { Desc, Message } from './schema/index.ts';
import { addFile } from './tree.ts';
import type { FrozenTree, GhostFile, IpcNamespace, MessageQueue, NetNamespace, PageMap } from './tree.ts';

export interface Member {
  readonly kind: string;
  /** Puts a file into the tree. `id` is the number in its name. */
  read(tree: FrozenTree, image: Image, id: bigint): void;
  /** The files that hold this part, nothing for an empty one. */
  write(tree: FrozenTree): Iterable<readonly [id: number | bigint | undefined, entries: readonly NewEntry[]]>;
}

type Type<D> = D extends Desc<infer M> ? M : never;
const only = <M>(image: Image): M => image.entries[0]!.message as M;
const all = <M>(image: Image): M[] => image.entries.map((entry) => entry.message as M);
const plain = (messages: readonly object[]): NewEntry[] => messages.map((message) => ({ message }));

/** One file with any number of messages. */
function list<M extends object>(kind: string, of: (tree: FrozenTree) => M[]): Member {
  return {
    kind,
    read: (tree, image) => { for (const message of all<M>(image)) of(tree).push(message); },
    write: (tree) => (of(tree).length === 0 ? [] : [[undefined, plain(of(tree))]]),
  };
}

/** One file with any number of messages, indexed by a number in each. */
function indexed<M extends object>(kind: string, of: (tree: FrozenTree) => Map<number, M>, key: (message: M) => number): Member {
  return {
    kind,
    read: (tree, image) => {
      for (const message of all<M>(image)) {
        if (of(tree).has(key(message))) throw new DuplicateError(key(message));
        of(tree).set(key(message), message);
      }
    },
    write: (tree) => (of(tree).size === 0 ? [] : [[undefined, plain([...of(tree).values()])]]),
  };
}

/** Two records with one id. */
export class DuplicateError extends Error {
  constructor(readonly id: number) { super(`two records have the id ${id}`); }
}

/** One file with one message, in an optional field of the tree. */
function field<K extends 'seccomp' | 'cgroup' | 'apparmor' | 'cpuinfo' | 'own'>(kind: string, name: K): Member {
  return {
    kind,
    read: (tree, image) => { tree[name] = only<NonNullable<FrozenTree[K]>>(image); },
    write: (tree) => (tree[name] === undefined ? [] : [[undefined, plain([tree[name]])]]),
  };
}

/** A file an id, one message each. */
function perId<M extends object>(kind: string, of: (tree: FrozenTree) => Map<number, M>): Member {
  return {
    kind,
    read: (tree, image, id) => void of(tree).set(Number(id), only<M>(image)),
    write: (tree) => [...of(tree)].map(([id, message]) => [id, plain([message])] as const),
  };
}

/** A file an id, any number of messages each. */
function listPerId<M extends object>(kind: string, of: (tree: FrozenTree) => Map<number, M[]>): Member {
  return {
    kind,
    read: (tree, image, id) => void of(tree).set(Number(id), all<M>(image)),
    write: (tree) => [...of(tree)].map(([id, messages]) => [id, plain(messages)] as const),
  };
}

/** One file, each message with its bytes. */
function withData<M extends object>(kind: string, of: (tree: FrozenTree) => { entry: M; data: Payload }[]): Member {
  return {
    kind,
    read: (tree, image) => { for (const entry of image.entries) of(tree).push({ entry: entry.message as M, data: entry.payload! }); },
    write: (tree) => (of(tree).length === 0 ? [] : [[undefined, of(tree).map(({ entry, data }) => ({ message: entry, payload: data }))]]),
  };
}

function ipcOf(tree: FrozenTree, id: bigint): IpcNamespace {
  let found = tree.ipcns.get(Number(id));
  if (found === undefined) tree.ipcns.set(Number(id), found = { shm: [], sem: [], msg: [] });
  return found;
}

function netOf(tree: FrozenTree, id: bigint): NetNamespace {
  let found = tree.netns.get(Number(id));
  if (found === undefined) tree.netns.set(Number(id), found = { devices: [] });
  return found;
}

/** A file of each IPC namespace. */
function ipc(kind: string, read: (into: IpcNamespace, image: Image) => void, write: (from: IpcNamespace) => NewEntry[]): Member {
  return {
    kind,
    read: (tree, image, id) => read(ipcOf(tree, id), image),
    write: (tree) => [...tree.ipcns].map(([id, from]) => [id, write(from)] as const).filter(([, entries]) => entries.length > 0),
  };
}

function numbers(data: Payload): number[] {
  const bytes = data.bytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length >> 1 }, (_, i) => view.getUint16(i * 2, true));
}

function semaphores(values: readonly number[]): Payload {
  const bytes = new Uint8Array(values.length * 2);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setUint16(i * 2, value, true));
  return payload(bytes);
}

const queue = (entry: Entry): MessageQueue => ({
  entry: entry.message as s.ipc_msg_entry,
  messages: entry.inner!.map((one) => ({ entry: one.message as s.ipc_msg, data: one.payload! })),
});

function readGhost(image: Image): GhostFile {
  const [head, ...chunks] = image.entries as [Entry, ...Entry[]];
  const entry = head.message as s.ghost_file_entry;
  if (head.payload !== undefined) return { entry, parts: head.payload.size === 0 ? [] : [{ off: 0n, data: head.payload }] };
  return { entry, parts: chunks.map((chunk) => ({ off: (chunk.message as s.ghost_chunk_entry).off, data: chunk.payload! })) };
}

function writeGhost({ entry, parts }: GhostFile): NewEntry[] {
  if (entry.chunks === true) {
    return [{ message: entry }, ...parts.map(({ off, data }) => ({ message: { off, len: BigInt(data.size) }, payload: data }))];
  }
  if (parts.length > 1 || (parts[0]?.off ?? 0n) !== 0n) throw new RangeError('a ghost file in parts needs entry.chunks');
  return [{ message: entry, payload: parts[0]?.data ?? payload(new Uint8Array(0)) }];
}

export function pageMapOf(image: Image): PageMap {
  const [head, ...entries] = all<object>(image);
  return { pages_id: (head as s.pagemap_head).pages_id, entries: entries as s.pagemap_entry[] };
}

export function pageMapEntries(map: PageMap): NewEntry[] {
  return plain([{ pages_id: map.pages_id } satisfies Message<Desc<Type<typeof s.pagemap_head>>>, ...map.entries]);
}

export const MEMBERS: readonly Member[] = [
  {
    kind: 'FILES',
    read: (tree, image) => {
      for (const file of all<s.file_entry>(image)) if (!addFile(tree, file)) throw new DuplicateError(file.id);
    },
    write: (tree) => {
      const files = [...tree.files.values()].flatMap((file) => [file, ...tree.twins.filter((twin) => twin.id === file.id)]);
      return files.length === 0 ? [] : [[undefined, plain(files)]];
    },
  },
  listPerId('FDINFO', (t) => t.fdinfo),
  list('REMAP_FPATH', (t) => t.remaps),
  {
    kind: 'GHOST_FILE',
    read: (tree, image, id) => void tree.ghosts.set(Number(id), readGhost(image)),
    write: (tree) => [...tree.ghosts].map(([id, ghost]) => [id, writeGhost(ghost)] as const),
  },
  list('FILE_LOCKS', (t) => t.locks),
  withData('PIPES_DATA', (t) => t.pipe_data),
  withData('FIFO_DATA', (t) => t.fifo_data),
  withData('SK_QUEUES', (t) => t.socket_queues),
  withData('BPFMAP_DATA', (t) => t.bpfmap_data),
  {
    kind: 'TCP_STREAM',
    read: (tree, image, id) => {
      const entry = only<s.tcp_stream_entry>(image);
      const data = image.entries[0]!.payload!;
      tree.tcp_streams.set(Number(id), { entry, inq: slicePayload(data, 0, entry.inq_len), outq: slicePayload(data, entry.inq_len, entry.outq_len) });
    },
    write: (tree) => [...tree.tcp_streams].map(([id, { entry, inq, outq }]) => [id, [{ message: entry, payload: joinPayloads([inq, outq]) }]] as const),
  },
  indexed('TTY_INFO', (t) => t.ttys, (m) => m.id),
  list('TTY_DATA', (t) => t.tty_data),
  list('MEMFD_INODE', (t) => t.memfds),
  {
    kind: 'SHMEM_PAGEMAP',
    read: (tree, image, id) => void tree.shmem.set(id, pageMapOf(image)),
    write: (tree) => [...tree.shmem].map(([id, map]) => [id, pageMapEntries(map)] as const),
  },
  field('SECCOMP', 'seccomp'),
  field('CGROUP', 'cgroup'),
  field('APPARMOR', 'apparmor'),
  field('CPUINFO', 'cpuinfo'),
  field('STILLFRAME', 'own'),
  list('BINFMT_MISC', (t) => t.binfmt_misc),
  perId('TIMENS', (t) => t.timens),
  perId('UTSNS', (t) => t.utsns),
  perId('USERNS', (t) => t.userns),
  perId('PIDNS', (t) => t.pidns),
  listPerId('MNTS', (t) => t.mntns),
  listPerId('AUTOFS', (t) => t.autofs),
  ipc('IPC_VAR', (ns, image) => { ns.vars = only(image); }, (ns) => (ns.vars === undefined ? [] : plain([ns.vars]))),
  ipc('IPCNS_SHM',
    (ns, image) => {
      for (const { message, payload: data } of image.entries) {
        const entry = message as s.ipc_shm_entry;
        ns.shm.push(entry.in_pagemaps === true ? { entry } : { entry, data });
      }
    },
    (ns) => ns.shm.map(({ entry, data }) => ({ message: entry, payload: data }))),
  ipc('IPCNS_SEM',
    (ns, image) => { for (const e of image.entries) ns.sem.push({ entry: e.message as s.ipc_sem_entry, values: numbers(e.payload!) }); },
    (ns) => ns.sem.map(({ entry, values }) => ({ message: entry, payload: semaphores(values) }))),
  ipc('IPCNS_MSG',
    (ns, image) => { ns.msg.push(...image.entries.map(queue)); },
    (ns) => ns.msg.map(({ entry, messages }) => ({ message: entry, inner: messages.map((m) => ({ message: m.entry, payload: m.data })) }))),
  {
    kind: 'NETNS',
    read: (tree, image, id) => { netOf(tree, id).netns = only(image); },
    write: (tree) => [...tree.netns].flatMap(([id, { netns }]) => (netns === undefined ? [] : [[id, plain([netns])] as const])),
  },
  {
    kind: 'NETDEV',
    read: (tree, image, id) => void netOf(tree, id).devices.push(...all<s.net_device_entry>(image)),
    write: (tree) => [...tree.netns].flatMap(([id, { devices }]) => (devices.length === 0 ? [] : [[id, plain(devices)] as const])),
  },
];
