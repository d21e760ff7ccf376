/**
 * Unix sockets: who is connected to whom, names, what waits to be read (with descriptors in flight), who waits to be accepted, options.
 * A peer outside of the tree is refused, unless --ext-unix-sk or --external unix[INODE] says that it may be.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { create } from '../../image/wire.ts';
import { fd_types, file_entry, file_perms_entry, fown_entry, scm_entry, sf_packet_entry, sf_peer_entry, sk_opts_entry, sk_packet_entry, unix_sk_entry } from '../../image/schema/index.ts';
import { payload } from '../../image/payload.ts';
import { bytesOf, textOf } from '../../image/text.ts';
import { ownFile } from '../../image/tree-own.ts';
import { AF, SCM, SIOCUNIXFILE, SK_STATE, SO, SOCK, SOL_SOCKET } from '../../kernel/sockets.ts';
import { parseStat } from '../../proc/stat.ts';
import { readProcNumbers, readProcRecord } from '../../proc/read.ts';
import { Program, type RanBlock, type ResultRef } from '../../program/program.ts';
import type { DumpContext } from '../../dump/context.ts';
import { readDescriptors } from '../../dump/descriptors.ts';
import { isExternal as isNamedExternal, socketKey } from '../../dump/external.ts';
import { describeDescriptor, type Descriptor, type FileKind, type OpenFile } from '../../dump/file-kinds.ts';
import type { FrozenTask } from '../../dump/frozen.ts';
import { readFilter } from '../socket/filter.ts';
import { socketInode } from '../socket/known.ts';
import { askOptions, type SocketOptions } from '../socket/options-dump.ts';
import { LOCAL_OPTIONS, ownOptions } from '../socket/own-options.ts';
import { peekQueues, type Queue } from './queue.ts';
import { displayName, isListening, isPath, typeName, unixSockets as tableOf, type UnixSocket } from './table.ts';
import type { FileStat } from '../../kernel/stat.ts';

/** unix_sk_entry.uflags: not of the tree, only named so that somebody can connect to it. */
export const USK_EXTERN = 1;
const SHUTDOWN_BOTH = 3;
const DELETED = ' (deleted)';
const SLASH = 0x2f;

/** Where a socket is bound to. */
interface Place {
  readonly stat: FileStat;
  /** Of its file as it is now, or was when its name was taken away. */
  readonly path: string;
  readonly deleted: boolean;
  /** The file's names when the one it is bound to no longer leads to it: it was renamed, or linked to another name and then removed (supervisord). */
  readonly names: readonly string[];
}
interface Peer { readonly pid: number; readonly uid: number; readonly gid: number }
interface Answers { readonly options: SocketOptions; readonly filter: bigint[]; readonly peer: Peer | undefined }

/** What a dump knows of its unix sockets, by inode. */
interface State {
  readonly queues: Map<number, Queue>;
  readonly places: Map<number, Place>;
  readonly answers: Map<number, Answers>;
  /** Open files by the helper's numbers of descriptors in flight. */
  readonly inFlight: Map<number, OpenFile>;
  /** What a peer is in the image: a client that waits to be accepted is said to be connected to the listening socket. */
  readonly peers: Map<number, number>;
  /** Working directories of tasks with a peer outside of the tree. */
  readonly directories: Map<number, string>;
  /** Every unix socket of the tree, refused ones too. */
  readonly inTree: Set<number>;
  helperTask?: FrozenTask;
}
const states = new WeakMap<DumpContext, State>();

function stateOf(context: DumpContext): State {
  let state = states.get(context);
  if (state === undefined) states.set(context, state = { queues: new Map(), places: new Map(), answers: new Map(), inFlight: new Map(), peers: new Map(), directories: new Map(), inTree: new Set() });
  return state;
}

function socketOf(descriptor: Descriptor, context: DumpContext): UnixSocket | undefined {
  const inode = socketInode(descriptor);
  return inode === undefined ? undefined : tableOf(context).get(inode);
}

/** As refusals name it. */
const describe = (socket: UnixSocket): string => `unix ${typeName(socket.type)} socket, ${displayName(socket.name)}`;

export const unixSockets: FileKind = {
  type: fd_types.UNIXSK,
  claims: (descriptor, context) => socketOf(descriptor, context) !== undefined,
  refuse(descriptor, context) {
    const socket = socketOf(descriptor, context)!;
    if (![SOCK.STREAM, SOCK.DGRAM, SOCK.SEQPACKET].some((type) => type === socket.type)) return { why: `${typeName(socket.type)} unix sockets are not supported` };
    if (isListening(socket) && socket.pending.includes(0)) {
      return { why: 'somebody who waited to be accepted by it has closed the connection; what they may have sent cannot be looked at', remedy: 'Let the program accept it first: try again a moment later' };
    }
    if (stateOf(context).queues.get(socket.inode)?.urgent === true) return { why: 'an urgent byte (MSG_OOB) waits in it, for which the image format has no place', remedy: 'Let the program read it first: try again a moment later' };
    return undefined;
  },
  carried: (descriptors, context) => lookAtQueues(descriptors, context),
  collect(own, all, context) {
    const state = stateOf(context);
    for (const file of all) for (const { task, fd, via } of file.descriptors) if (via !== undefined && task.pid === context.helper.pid) state.inFlight.set(fd, file);
    askPlaces(own, context);
    checkPeers(own, context);
  },
  ask: (program, held, file, context) => {
    const socket = socketOf(file.descriptors[0]!, context)!;
    const options = askOptions(program, held, AF.UNIX);
    const peer = askPeer(program, held);
    const own = ownOptions(program, LOCAL_OPTIONS).ask(held, { family: AF.UNIX, type: socket.type, protocol: 0 });
    return (ran) => {
      const general = options(ran);
      const filter = readFilter(file.descriptors[0]!, general.filterLength, context);
      stateOf(context).answers.set(socket.inode, { options: { ...general, own: [...general.own, ...own(ran)] }, filter, peer: peer(ran) });
    };
  },
  entry: (file, context) => ({ usk: unixEntry(file, context) }),
};

/** Looks at the queues of sockets not looked at before. @returns what is in flight in them */
function lookAtQueues(descriptors: readonly Descriptor[], context: DumpContext): Descriptor[] {
  const { queues, inTree } = stateOf(context);
  for (const descriptor of descriptors) inTree.add(socketOf(descriptor, context)!.inode);
  const fresh = new Map<number, { descriptor: Descriptor; socket: UnixSocket }>();
  for (const descriptor of descriptors) {
    const socket = socketOf(descriptor, context)!;
    if (queues.has(socket.inode) || fresh.has(socket.inode) || isListening(socket)) continue;
    // a stream or seqpacket that has nothing, has nothing; a datagram socket may have empty messages
    if (socket.received > 0 || socket.type === SOCK.DGRAM) fresh.set(socket.inode, { descriptor, socket });
  }
  const found: Descriptor[] = [];
  for (const [inode, queue] of peekQueues([...fresh.values()], context)) {
    queues.set(inode, queue);
    const via = fresh.get(inode)!.descriptor;
    for (const one of readDescriptors(helperTask(context), context.helper, queue.packets.flatMap(({ rights }) => rights))) {
      one.via = via;
      found.push(one);
    }
  }
  return found;
}

/** The helper as the holder of what is in flight. */
function helperTask(context: DumpContext): FrozenTask {
  const state = stateOf(context);
  const { pid } = context.helper;
  return state.helperTask ??= {
    pid, ppid: 0, parent: undefined, stat: parseStat(readProcRecord(`/proc/${pid}/stat`)), zombie: false, stopSignal: 0, seccompSuspended: false, tids: [pid], threads: [], mappings: [],
  };
}

/** Where sockets with a path are: through their file (SIOCUNIXFILE), whatever the path leads to by now. */
function askPlaces(own: readonly OpenFile[], context: DumpContext): void {
  const named = own.filter((file) => isPath(socketOf(file.descriptors[0]!, context)!));
  if (named.length === 0) return;
  const program = new Program('helper');
  const asked = named.map((file) => {
    const { task, fd } = file.descriptors[0]!;
    program.resource(describeDescriptor(file.descriptors[0]!));
    const target = program.call('pidfd_open', [task.pid, 0]);
    const held = program.call('pidfd_getfd', [target, fd, 0]);
    const door = program.call('ioctl', [held, SIOCUNIXFILE, 0], { expect: 'any' });
    program.call('close', [held], { keep: false });
    program.call('close', [target], { keep: false });
    return { file, door };
  });
  const ran = context.helper.local(program).check('dump');
  const doors = asked.map(({ file, door }) => ({ file, fd: Number(ran.result(door)) }));
  const { places } = stateOf(context);
  for (const { file, fd } of doors) {
    const first = file.descriptors[0]!;
    if (fd < 0) {
      context.refusals.add(describeDescriptor(first), `the kernel does not tell where it is bound (SIOCUNIXFILE: errno ${-fd})`, 'Linux 4.10 or later is needed');
      continue;
    }
    const door = `/proc/${context.helper.pid}/fd/${fd}`;
    const link = textOf(readlinkSync(door, { encoding: 'buffer' }));
    const deleted = link.endsWith(DELETED);
    const socket = socketOf(first, context)!;
    const path = deleted ? link.slice(0, -DELETED.length) : link;
    const stat = statSync(door, { bigint: true });
    places.set(socket.inode, { stat, path, deleted, names: otherNames(socket, path, deleted, stat) });
  }
  const open = doors.map(({ fd }) => fd).filter((fd) => fd >= 0);
  if (open.length > 0) context.helper.closeFds(open);
}

/** Names by which a socket is reached now that the one it is bound to leads elsewhere; none when that still leads to it, or nothing does. */
function otherNames(socket: UnixSocket, path: string, deleted: boolean, stat: FileStat): string[] {
  const is = (name: string): boolean => {
    const found = lstatSync(Buffer.from(bytesOf(name)), { bigint: true, throwIfNoEntry: false });
    return found?.ino === stat.ino && found.dev === stat.dev;
  };
  if (!deleted) {
    const directory = nameDirectory(socket, { path });
    return directory !== undefined && !is(posix.join(directory, boundName(socket))) ? [path] : [];
  }
  if (stat.nlink === 0n) return [];
  const directory = posix.dirname(path);
  try {
    return readdirSync(Buffer.from(bytesOf(directory)), { encoding: 'buffer' }).map((name) => posix.join(directory, textOf(name))).filter(is);
  } catch {
    return []; // the directory is gone too
  }
}

/** Who is connected to whom, and whether all of them are of the tree. */
function checkPeers(own: readonly OpenFile[], context: DumpContext): void {
  const table = tableOf(context);
  const { peers, places, directories, inTree } = stateOf(context);
  const ours = new Map(own.map((file) => [socketOf(file.descriptors[0]!, context)!.inode, file]));
  const listeners = new Map<number, UnixSocket>();
  for (const socket of table.values()) if (isListening(socket)) for (const inode of socket.pending) if (inode !== 0) listeners.set(inode, socket);
  for (const [inode, file] of ours) {
    const socket = table.get(inode)!;
    const where = `${describeDescriptor(file.descriptors[0]!)}, ${describe(socket)}`;
    const refuse = (why: string, remedy?: string): void => context.refusals.add(where, why, remedy);
    const place = places.get(inode);
    if (place !== undefined && nameDirectory(socket, place) === undefined) refuse(`its relative name does not lead to where it is (${place.path})`, 'Bind it by a name without ".."');
    let peer = socket.peer;
    const listener = listeners.get(inode);
    if (peer === 0 && socket.state === SK_STATE.ESTABLISHED && socket.type !== SOCK.DGRAM && listener !== undefined) {
      peer = listener.inode;
      if (socket.sent > 0) refuse(`it waits to be accepted (by ${displayName(listener.name)}) and has sent ${socket.sent} bytes already, which cannot be looked at`, 'Let the program accept it first: try again a moment later');
    } else if (peer === 0 && socket.state === SK_STATE.ESTABLISHED && socket.type !== SOCK.DGRAM && socket.shutdown !== SHUTDOWN_BOTH) {
      refuse('it is connected to nobody, and nobody listens for it', 'Let the program close it');
    }
    peers.set(inode, peer);
    if (isListening(socket)) {
      const outside = socket.pending.find((client) => client !== 0 && !inTree.has(client) && !isExternal(client, context));
      if (outside !== undefined) refuse(`${holderOf(outside)} waits to be accepted by it and is not part of the tree`, 'Let the program accept it first, or end what connects to it');
    }
    if (peer !== 0 && !inTree.has(peer)) {
      const { pid } = file.descriptors[0]!.task;
      checkExternal(socket, peer, refuse, context);
      directories.set(pid, textOf(readlinkSync(`/proc/${pid}/cwd`, { encoding: 'buffer' })));
    }
  }
}

/** --external unix[INODE], --ext-unix-sk=INODE,...: told by the inode of the socket that is in the tree. */
function isExternal(inode: number, context: DumpContext): boolean {
  const listed = (context.options.given.get('ext-unix-sk') ?? []).flatMap((list) => list.split(','));
  return isNamedExternal(socketKey(inode), context) || listed.includes(String(inode));
}

function checkExternal(socket: UnixSocket, inode: number, refuse: (why: string, remedy?: string) => void, context: DumpContext): void {
  if (isExternal(socket.inode, context)) return;
  const peer = tableOf(context).get(inode);
  const who = `its peer, socket:[${inode}]${peer === undefined ? '' : ` (${displayName(peer.name)})`}, is not part of the tree: ${holderOf(inode)} has it`;
  const end = `End the connection first, or say with --external ${socketKey(socket.inode)} that it is handed in at the restore (--inherit-fd 'fd[N]:socket:[${socket.inode}]')`;
  const reachable = peer?.type === SOCK.DGRAM && peer.name.length > 0;
  if (!context.options.given.has('ext-unix-sk')) refuse(who, reachable ? 'Say with --ext-unix-sk that it may stay outside: it is connected to again at the restore' : end);
  else if (peer === undefined || peer.type !== SOCK.DGRAM) refuse(`${who}, and half of a ${typeName(socket.type)} connection cannot be dumped`, end);
  else if (!reachable) refuse(`${who}, and it has no name to connect to again`, end);
}

/** Who has a socket open, for the refusal. */
function holderOf(inode: number): string {
  for (const pid of readProcNumbers('/proc')) {
    try {
      for (const fd of readProcNumbers(`/proc/${pid}/fd`)) {
        if (readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`) return `process ${pid} (${readFileSync(`/proc/${pid}/comm`, 'latin1').trim()}), fd ${fd},`;
      }
    } catch {
      // it is gone, or not ours to look at
    }
  }
  return 'nobody who can be seen';
}

function askPeer(program: Program, held: ResultRef): (ran: RanBlock) => Peer | undefined {
  const value = program.reserve(12);
  const got = program.call('getsockopt', [held, SOL_SOCKET, SO.PEERCRED, value, program.data(Uint8Array.of(12, 0, 0, 0))], { expect: 'any' });
  return (ran) => {
    const bytes = ran.data(value);
    const pid = bytes.readInt32LE(0);
    return ran.result(got) < 0n || pid <= 0 ? undefined : { pid, uid: bytes.readUInt32LE(4), gid: bytes.readUInt32LE(8) };
  };
}

const boundName = ({ name }: UnixSocket): string => textOf(Buffer.from(name).subarray(0, name.indexOf(0) < 0 ? name.length : name.indexOf(0)));

/**
 * The directory a relative name starts from; '' for an absolute one; undefined when it cannot be told. One whose file was renamed since is taken to
 * start where the file is.
 */
function nameDirectory(socket: UnixSocket, { path }: Pick<Place, 'path'>): string | undefined {
  const text = boundName(socket);
  if (text.startsWith('/')) return '';
  const plain = text.replace(/^(\.\/+)+/u, '');
  if (path.endsWith(`/${plain}`)) return path.slice(0, -plain.length - 1) || '/';
  return plain.split('/').includes('..') ? undefined : posix.dirname(path);
}

function unixEntry(file: OpenFile, context: DumpContext): unix_sk_entry {
  const state = stateOf(context);
  const first = file.descriptors[0]!;
  const socket = socketOf(first, context)!;
  const answers = state.answers.get(socket.inode)!;
  const place = state.places.get(socket.inode);
  const directory = place === undefined ? '' : nameDirectory(socket, place) ?? '';
  const peer = state.peers.get(socket.inode) ?? 0;
  addQueue(file, socket, context);
  addExternal(peer, first, context);
  const { options } = answers;
  if (options.own.length > 0) ownFile(context.tree, file.id).sockopts.push(...options.own);
  if (answers.peer !== undefined) ownFile(context.tree, file.id).peer = create(sf_peer_entry, answers.peer);
  if (socket.orphan && socket.type === SOCK.DGRAM) ownFile(context.tree, file.id).orphan = true;
  // an accepted socket is bound to its listener's file, and reached by no name
  const [reached, ...names] = isListening(socket) || socket.type === SOCK.DGRAM ? place?.names ?? [] : [];
  // CRIU, which binds to the name in the entry, makes it reachable as well
  if (reached !== undefined) Object.assign(ownFile(context.tree, file.id), { bound: socket.name, names, ...(directory === '' ? {} : { bound_dir: directory }) });
  if (socket.pending.length > 1) ownFile(context.tree, file.id).pending = [...socket.pending];
  return create(unix_sk_entry, {
    id: file.id, ino: socket.inode, type: socket.type, state: socket.state, flags: first.info.flags, uflags: 0, backlog: socket.sent, peer,
    fown: create(fown_entry, file.owner), opts: { ...options.opts, so_filter: answers.filter }, name: reached === undefined ? socket.name : Buffer.from([...bytesOf(reached), 0]),
    ns_id: context.tree.inventory.root_ids?.net_ns_id ?? 0,
    ...(socket.shutdown === 0 ? {} : { shutdown: socket.shutdown }),
    ...(place === undefined ? {} : { file_perms: create(file_perms_entry, { mode: Number(place.stat.mode), uid: Number(place.stat.uid), gid: Number(place.stat.gid) }) }),
    ...(directory === '' || reached !== undefined ? {} : { name_dir: directory }),
    ...(reached === undefined && place !== undefined && (place.deleted || place.names.length > 0) ? { deleted: true } : {}),
  });
}

function addQueue(file: OpenFile, socket: UnixSocket, context: DumpContext): void {
  const { queues, inFlight } = stateOf(context);
  queues.get(socket.inode)?.packets.forEach(({ data, rights, sender, address }, index) => {
    const scm = rights.length === 0 ? [] : [create(scm_entry, { type: SCM.RIGHTS, rights: rights.map((fd) => inFlight.get(fd)!.id) })];
    context.tree.socket_queues.push({ entry: create(sk_packet_entry, { id_for: file.id, length: data.length, scm }), data: payload(data) });
    const known = sender !== undefined && sender.pid > 0;
    if (!known && address.length === 0) return;
    ownFile(context.tree, file.id).packets.push(create(sf_packet_entry, { index, ...(known ? sender : {}), ...(address.length === 0 ? {} : { address }) }));
  });
}

/** A peer outside of the tree is in the image by its name alone. */
function addExternal(inode: number, from: Descriptor, context: DumpContext): void {
  if (inode === 0 || stateOf(context).peers.has(inode)) return;
  stateOf(context).peers.set(inode, 0);
  const id = context.newFileId();
  const name = tableOf(context).get(inode)?.name ?? new Uint8Array(0);
  const opts = create(sk_opts_entry, { so_sndbuf: 0, so_rcvbuf: 0, so_snd_tmo_sec: 0n, so_snd_tmo_usec: 0n, so_rcv_tmo_sec: 0n, so_rcv_tmo_usec: 0n });
  const usk = create(unix_sk_entry, {
    id, ino: inode, type: SOCK.DGRAM, state: SK_STATE.LISTEN, flags: 0, uflags: USK_EXTERN, backlog: 0, peer: 0,
    fown: create(fown_entry, { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 }), opts, name,
    // a relative one was reached from where the task was
    ...(name.length > 0 && name[0] !== 0 && name[0] !== SLASH ? { name_dir: stateOf(context).directories.get(from.task.pid) ?? '/' } : {}),
  });
  context.tree.files.set(id, create(file_entry, { type: fd_types.UNIXSK, id, usk }));
}
