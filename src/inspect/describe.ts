/** An open file description in one line: its kind, what it is of, and what is special about it. One line a kind in `KINDS`. */
import { textOf } from '../image/text.ts';
import { fd_types, type file_entry, type inet_sk_entry, type packet_sock_entry, type unix_sk_entry } from '../image/schema/index.ts';
import type { FrozenTree } from '../image/tree.ts';
import { ownFileOf } from '../image/tree-own.ts';
import { clockName, endpoint, familyName, fileModeType, namespaceName, netlinkName, openFlags, pollEvents, protocolName, signalSet, socketTypeName, tcpStateName } from './names.ts';

export interface Description {
  /** `file`, `pipe`, `tcp`, `unix`, `epoll`, ... */
  readonly kind: string;
  /** Path, address, `pipe:[N]`. */
  readonly what: string;
  /** Flags of the description: `rw,nonblock`. */
  readonly flags: string;
  /** What else a person wants to know: position, state, queued bytes, `deleted`. */
  readonly notes: readonly string[];
}

const numbersOf = new Map<number, string>(Object.entries(fd_types).map(([name, number]) => [number, name]));

/** The name of a descriptor type: `REG`, `PIPE`. */
export const fdTypeName = (type: number): string => numbersOf.get(type) ?? String(type);

export function describeFile(tree: FrozenTree, file: file_entry): Description {
  for (const describe of KINDS) {
    const description = describe(file, tree);
    if (description !== undefined) return description;
  }
  return { kind: fdTypeName(file.type).toLowerCase(), what: '', flags: '', notes: [] };
}

const at = (notes: readonly (string | false | undefined)[]): string[] => notes.filter((note): note is string => typeof note === 'string');

/** How the path of a deleted or hidden file is kept. */
function remapNote(tree: FrozenTree, id: number): string | undefined {
  const remap = tree.remaps.find((one) => one.orig_id === id);
  if (remap === undefined) return undefined;
  return (['deleted, linked again', 'deleted, contents in the set', '/proc of a dead process'] as const)[remap.remap_type ?? 0] ?? 'remapped';
}

type Describe = (file: file_entry, tree: FrozenTree) => Description | undefined;

const KINDS: readonly Describe[] = [
  ({ reg, id }, tree) => reg && {
    kind: reg.mode === undefined || fileModeType(reg.mode) === 'reg' ? 'file' : fileModeType(reg.mode), what: reg.name, flags: openFlags(reg.flags),
    notes: at([reg.pos !== 0n && `pos ${reg.pos}`, reg.size !== undefined && `size ${reg.size}`, remapNote(tree, id), reg.ext === true && 'external']),
  },
  ({ pipe }, tree) => pipe && {
    kind: 'pipe', what: `pipe:[${pipe.pipe_id}]`, flags: openFlags(pipe.flags), notes: at([queued(tree.pipe_data.find(({ entry }) => entry.pipe_id === pipe.pipe_id)?.entry.bytes)]),
  },
  ({ fifo }, tree) => {
    if (fifo === undefined) return undefined;
    const reg = tree.files.get(fifo.regf_id ?? -1)?.reg;
    return {
      kind: 'fifo', what: reg?.name ?? `fifo:[${fifo.pipe_id}]`, flags: reg === undefined ? '' : openFlags(reg.flags),
      notes: at([queued(tree.fifo_data.find(({ entry }) => entry.pipe_id === fifo.pipe_id)?.entry.bytes)]),
    };
  },
  ({ isk, id }, tree) => isk && describeInet(tree, isk, id),
  ({ usk, id }, tree) => usk && describeUnix(tree, usk, id),
  ({ nlsk }) => nlsk && { kind: 'netlink', what: netlinkName(nlsk.protocol), flags: openFlags(nlsk.flags), notes: at([`port ${nlsk.portid}`, nlsk.groups.length > 0 && `groups ${nlsk.groups.map((group) => `0x${group.toString(16)}`).join(',')}`]) },
  ({ psk }, tree) => psk && { kind: 'packet', what: `protocol ${etherType(psk.protocol)}`, flags: openFlags(psk.flags), notes: at([psk.ifindex !== 0 && `interface ${interfaceOf(tree, psk)}`]) },
  ({ efd }) => efd && { kind: 'eventfd', what: `count ${efd.counter}`, flags: openFlags(efd.flags), notes: [] },
  ({ epfd }) => epfd && { kind: 'epoll', what: `${epfd.tfd.length} watched`, flags: openFlags(epfd.flags), notes: epfd.tfd.slice(0, 16).map((one) => `fd ${one.tfd}: ${pollEvents(one.events)}`) },
  ({ sgfd }) => sgfd && { kind: 'signalfd', what: signalSet(sgfd.sigmask).join(' '), flags: openFlags(sgfd.flags), notes: [] },
  ({ tfd }) => tfd && {
    kind: 'timerfd', what: clockName(tfd.clockid), flags: openFlags(tfd.flags),
    notes: at([`next in ${tfd.vsec}.${String(tfd.vnsec).padStart(9, '0')} s`, (tfd.isec !== 0n || tfd.insec !== 0n) && `every ${tfd.isec}.${String(tfd.insec).padStart(9, '0')} s`]),
  },
  ({ ify }) => ify && { kind: 'inotify', what: `${ify.wd.length} watches`, flags: openFlags(ify.flags), notes: ify.wd.slice(0, 16).map((wd) => wd.f_handle?.path ?? `inode ${wd.i_ino}`) },
  ({ ffy }) => ffy && { kind: 'fanotify', what: `${ffy.mark.length} marks`, flags: openFlags(ffy.flags), notes: [] },
  ({ memfd }, tree) => {
    if (memfd === undefined) return undefined;
    const inode = tree.memfds.find((one) => Number(one.inode_id) === memfd.inode_id);
    return { kind: 'memfd', what: inode === undefined ? `inode ${memfd.inode_id}` : inode.name, flags: openFlags(memfd.flags), notes: at([inode && `size ${inode.size}`, memfd.pos !== 0n && `pos ${memfd.pos}`]) };
  },
  ({ tty }, tree) => {
    if (tty === undefined) return undefined;
    const info = tree.ttys.get(tty.tty_info_id);
    const path = tree.files.get(tty.regf_id ?? -1)?.reg?.name;
    return {
      kind: 'tty', what: path ?? `tty ${tty.tty_info_id}`, flags: openFlags(tty.flags),
      notes: at([info?.pty && `pty ${info.pty.index}`, info?.winsize && `${info.winsize.ws_col}x${info.winsize.ws_row}`, info !== undefined && info.sid !== 0 && `session ${info.sid}`]),
    };
  },
  ({ pidfd }) => pidfd && { kind: 'pidfd', what: `pid ${pidfd.nspid}`, flags: openFlags(pidfd.flags), notes: [] },
  ({ nsf }) => nsf && { kind: 'namespace', what: `${namespaceName(nsf.ns_cflag)}:[${nsf.ns_id}]`, flags: openFlags(nsf.flags), notes: [] },
  ({ tunf }) => tunf && { kind: 'tun', what: tunf.netdev ?? '', flags: '', notes: at([tunf.detached === true && 'detached']) },
  ({ bpf }) => bpf && { kind: 'bpf-map', what: bpf.map_name, flags: openFlags(bpf.flags), notes: [`type ${bpf.map_type}, ${bpf.max_entries} entries at most`] },
  ({ ext }) => ext && { kind: 'external', what: `file ${ext.id}`, flags: '', notes: ['restored by a plugin'] },
];

const queued = (bytes: number | undefined): string | undefined => (bytes === undefined || bytes === 0 ? undefined : `${bytes} bytes queued`);

/** MPTCP sockets stand as TCP sockets in the format's entry. */
const transportOf = (tree: FrozenTree, { proto }: inet_sk_entry, id: number): string => (ownFileOf(tree, id)?.inet?.mptcp === true ? 'mptcp' : protocolName(proto));

/** EtherType of a packet socket, which the format has in network order. */
const etherType = (protocol: number): string => `0x${((protocol & 0xff) << 8 | protocol >>> 8).toString(16)}`;
/** The device that it is bound to, by name where the set has it. */
const interfaceOf = (tree: FrozenTree, { id, ifindex }: packet_sock_entry): string => ownFileOf(tree, id)?.packet?.device ?? String(ifindex);

function describeInet(tree: FrozenTree, isk: inet_sk_entry, id: number): Description {
  const protocol = transportOf(tree, isk, id);
  const tcp = tree.tcp_streams.get(isk.ino);
  const local = endpoint(isk.src_addr, isk.src_port);
  const peer = isk.dst_port === 0 ? '' : ` -> ${endpoint(isk.dst_addr, isk.dst_port)}`;
  return {
    kind: isk.type === 3 ? 'raw' : protocol, what: `${local}${peer}`, flags: openFlags(isk.flags),
    notes: at([
      isk.proto === 6 || isk.proto === 262 ? tcpStateName(isk.state) : undefined, isk.family === 10 && 'IPv6', isk.state === 10 && `backlog ${isk.backlog}`,
      tcp && tcp.entry.inq_len > 0 && `${tcp.entry.inq_len} bytes to read`, tcp && tcp.entry.outq_len > 0 && `${tcp.entry.outq_len} bytes to send`, packets(tree, id),
    ]),
  };
}

function describeUnix(tree: FrozenTree, usk: unix_sk_entry, id: number): Description {
  const name = unixName(usk.name);
  const peer = usk.peer === 0 ? undefined : indexOf(tree).unix.get(usk.peer);
  const peerName = peer === undefined ? '' : unixName(peer.name);
  return {
    kind: 'unix', what: name === '' ? `socket:[${usk.ino}]` : name, flags: openFlags(usk.flags),
    notes: at([
      socketTypeName(usk.type), usk.state === 10 ? `listening, backlog ${usk.backlog}` : undefined, usk.peer !== 0 && `peer ${peerName === '' ? `socket:[${usk.peer}]` : peerName}`,
      packets(tree, id), usk.deleted === true && 'deleted',
    ]),
  };
}

function packets(tree: FrozenTree, id: number): string | undefined {
  const waiting = indexOf(tree).queues.get(id);
  if (waiting === undefined) return undefined;
  return `${waiting.packets} ${waiting.packets === 1 ? 'message' : 'messages'}, ${waiting.bytes} bytes queued`;
}

/** The name of a unix socket; an abstract one with `@` for its first zero byte. */
export function unixName(name: Uint8Array): string {
  if (name.length === 0) return '';
  if (name[0] === 0) return `@${textOf(name.subarray(1)).replaceAll('\0', '@')}`;
  const end = name.indexOf(0);
  return textOf(end < 0 ? name : name.subarray(0, end));
}

/** A socket's family, type and state, for tables. Undefined for what is no socket. */
export function describeSocket(tree: FrozenTree, file: file_entry): SocketRow | undefined {
  const { isk, usk, nlsk, psk } = file;
  if (isk !== undefined) {
    const tcp = tree.tcp_streams.get(isk.ino);
    const stateful = isk.proto === 6 || isk.proto === 262;
    return {
      family: familyName(isk.family), type: socketTypeName(isk.type), protocol: transportOf(tree, isk, file.id), state: stateful ? tcpStateName(isk.state) : isk.dst_port === 0 ? '' : 'connected',
      local: endpoint(isk.src_addr, isk.src_port), peer: isk.dst_port === 0 ? '' : endpoint(isk.dst_addr, isk.dst_port), inode: isk.ino,
      inq: tcp?.entry.inq_len ?? queueOf(tree, file.id), outq: tcp?.entry.outq_len ?? 0,
    };
  }
  if (usk !== undefined) {
    const peer = usk.peer === 0 ? undefined : indexOf(tree).unix.get(usk.peer);
    return {
      family: 'unix', type: socketTypeName(usk.type), protocol: '', state: usk.state === 10 ? 'LISTEN' : usk.state === 1 ? 'ESTABLISHED' : '', local: unixName(usk.name) || `[${usk.ino}]`,
      peer: usk.peer === 0 ? '' : (peer === undefined ? '' : unixName(peer.name)) || `[${usk.peer}]`, inode: usk.ino, inq: queueOf(tree, file.id), outq: 0,
    };
  }
  if (nlsk !== undefined) return { family: 'netlink', type: 'raw', protocol: netlinkName(nlsk.protocol), state: '', local: `port ${nlsk.portid}`, peer: nlsk.dst_portid === 0 ? '' : `port ${nlsk.dst_portid}`, inode: nlsk.ino, inq: queueOf(tree, file.id), outq: 0 };
  if (psk !== undefined) return { family: 'packet', type: socketTypeName(psk.type), protocol: etherType(psk.protocol), state: '', local: psk.ifindex === 0 ? '' : `interface ${interfaceOf(tree, psk)}`, peer: '', inode: 0, inq: queueOf(tree, file.id), outq: 0 };
  return undefined;
}

export interface SocketRow {
  readonly family: string;
  readonly type: string;
  readonly protocol: string;
  readonly state: string;
  readonly local: string;
  readonly peer: string;
  readonly inode: number;
  /** Bytes waiting to be read, and to be sent or acknowledged. */
  readonly inq: number;
  readonly outq: number;
}

const queueOf = (tree: FrozenTree, id: number): number => indexOf(tree).queues.get(id)?.bytes ?? 0;

interface Index {
  /** Unix sockets by inode. */
  readonly unix: ReadonlyMap<number, unix_sk_entry>;
  /** What waits in a socket, by its description's id. */
  readonly queues: ReadonlyMap<number, { packets: number; bytes: number }>;
}

const indexes = new WeakMap<FrozenTree, Index>();

/** Made once a tree; whoever changes a tree describes it before or after, not between. */
function indexOf(tree: FrozenTree): Index {
  let index = indexes.get(tree);
  if (index === undefined) {
    const queues = new Map<number, { packets: number; bytes: number }>();
    for (const { entry } of tree.socket_queues) {
      const queue = queues.get(entry.id_for) ?? { packets: 0, bytes: 0 };
      queue.packets++;
      queue.bytes += entry.length;
      queues.set(entry.id_for, queue);
    }
    index = { unix: new Map([...tree.files.values()].flatMap(({ usk }) => (usk === undefined ? [] : [[usk.ino, usk] as const]))), queues };
    indexes.set(tree, index);
  }
  return index;
}
