/**
 * Unix sockets. First all are made, bound and joined in pairs (`open`); when the files of every kind are open, what waited in their queues is
 * sent anew, then those that are connected one way only connect, then options and shutdowns come (`settle`). Where something has to name
 * a process of the tree, the second part waits until all tasks are there.
 */
import { fd_types, type file_entry, type unix_sk_entry } from '../../image/schema/index.ts';
import { ownFileOf } from '../../image/tree-own.ts';
import type { FrozenTree } from '../../image/tree.ts';
import { AF, SK_STATE, SO, SOCK, SOL_SOCKET } from '../../kernel/sockets.ts';
import type { Arg, Program, ResultRef } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import { firstPlaces, stageOf } from '../../restore/descriptors.ts';
import type { HelperFd } from '../../restore/helper-fd.ts';
import { openAsGiven } from '../../restore/inherited.ts';
import { describeFile, type FileKind } from '../../restore/kinds.ts';
import { addStatusFlags } from '../../restore/status-flags.ts';
import { addOptions, addRoomForQueue } from '../socket/options-restore.ts';
import { addBind, addConnect, asBound, inDirectory } from './bind.ts';
import { addMessage, type Message } from './send.ts';
import { asUser, type User } from './user.ts';

const USK_EXTERN = 1;
const SHUTDOWN = { read: 1, write: 2, both: 3 } as const;
const HOW: Readonly<Record<number, number>> = { [SHUTDOWN.read]: 0, [SHUTDOWN.write]: 1, [SHUTDOWN.both]: 2 };

const TYPE_WORDS: Readonly<Record<number, string>> = { [SOCK.STREAM]: 'stream', [SOCK.DGRAM]: 'datagram', [SOCK.SEQPACKET]: 'seqpacket' };

function nameOf(name: Uint8Array): string {
  const text = Buffer.from(name).toString('latin1');
  return text.startsWith('\0') ? `@${text.slice(1).replaceAll('\0', '@')}` : text.replace(/\0.*$/su, '');
}

export function describeUnix(entry: unix_sk_entry): string {
  const name = entry.name.length === 0 ? '' : ` ${nameOf(entry.name)}`;
  const state = entry.state === SK_STATE.LISTEN ? ', listening' : entry.peer === 0 ? '' : ', connected';
  return `unix ${TYPE_WORDS[entry.type] ?? `type ${entry.type}`} socket:[${entry.ino}]${name}${state}`;
}

/** One socket of the image, and what the helper made for it. */
interface Socket {
  readonly entry: unix_sk_entry;
  readonly file: file_entry;
  held?: HelperFd;
  /** Whoever sends what waits in its queue, when its peer is not there to do it. Closed afterwards. */
  sender?: HelperFd;
  /** A datagram socket without a name that is this one's peer, but has another peer itself: made as a pair, parted later. */
  parted?: Socket;
}

const isDatagram = ({ type }: unix_sk_entry): boolean => type === SOCK.DGRAM;
const isListening = ({ state }: unix_sk_entry): boolean => state === SK_STATE.LISTEN;
const isExternal = ({ uflags }: unix_sk_entry): boolean => (uflags & USK_EXTERN) !== 0;
const isConnected = (entry: unix_sk_entry): boolean => entry.state === SK_STATE.ESTABLISHED && !isDatagram(entry);

/** Entries by inode, those outside of the tree included. */
function byInode(tree: FrozenTree): Map<number, unix_sk_entry> {
  const found = new Map<number, unix_sk_entry>();
  for (const { usk } of tree.files.values()) if (usk !== undefined) found.set(usk.ino, usk);
  return found;
}

/** Packets that wait in a socket. */
function messagesOf(tree: FrozenTree, id: number): Message[] {
  const own = ownFileOf(tree, id)?.packets ?? [];
  return tree.socket_queues.filter(({ entry }) => entry.id_for === id)
    .map(({ entry, data }, i) => ({ entry, data, own: own.find(({ index }) => index === i) }));
}

/** Descriptions that are queued in a description. */
export function carriedBy(tree: FrozenTree, id: number): number[] {
  return tree.socket_queues.filter(({ entry }) => entry.id_for === id).flatMap(({ entry }) => entry.scm.flatMap(({ rights }) => rights));
}

export const unixSockets: FileKind = {
  types: [fd_types.UNIXSK],
  describe: ({ id, usk }) => (usk === undefined ? `unix socket ${id}` : describeUnix(usk)),
  keys: ({ usk }) => (usk === undefined ? [] : [socketKey(usk)]),
  openInherited: (file, key, context) => openAsGiven(context, key, `file ${file.id} (${describeUnix(file.usk!)}, handed in)`),
  check(files, context) {
    const all = byInode(context.tree);
    for (const file of files) checkOne(file, all, context);
  },
  open(files, context) {
    const sockets = new Map<number, Socket>();
    for (const file of files) if (file.usk !== undefined) sockets.set(file.usk.ino, { entry: file.usk, file });
    new Maker(context, sockets).make();
    made.set(context, sockets);
  },
  settle(context) {
    const sockets = made.get(context);
    if (sockets !== undefined) new Settler(context, sockets).settle();
  },
  /** Whoever connects sees as its peer the process that called listen last: the one that had done so, when it still is the first to have it. */
  finish(p, { id, usk }, fd, context, task) {
    const peer = ownFileOf(context.tree, id)?.peer;
    if (usk === undefined || !isListening(usk) || (peer !== undefined && peer.pid !== task.pid)) return;
    asUser(p, peer, () => { p.call('listen', [fd, usk.backlog], { keep: false }); });
  },
};

/** What --inherit-fd calls it. */
const socketKey = ({ ino }: unix_sk_entry): string => `socket:[${ino}]`;

const made = new WeakMap<RestoreContext, Map<number, Socket>>();

function checkOne({ id, usk }: file_entry, all: ReadonlyMap<number, unix_sk_entry>, context: RestoreContext): void {
  const damaged = 'The image is damaged: take another';
  if (usk === undefined) {
    context.refuse(`file ${id}`, 'its record in files.img has no unix socket in it', damaged);
    return;
  }
  const where = `file ${id} (${describeUnix(usk)})`;
  if (TYPE_WORDS[usk.type] === undefined) context.refuse(where, `its type ${usk.type} is not one of stream, dgram and seqpacket`, damaged);
  if (usk.peer !== 0) {
    const peer = all.get(usk.peer);
    if (peer === undefined) context.refuse(where, `its peer, socket:[${usk.peer}], is not in files.img`, damaged);
    else if (isExternal(peer) && isConnected(usk)) context.refuse(where, 'its peer is not part of the tree, and a connection cannot be taken up again', `Hand in a connected socket as descriptor N: --inherit-fd 'fd[N]:${socketKey(usk)}'`);
    else if (isExternal(peer) && !context.options.extUnixSk) context.refuse(where, `its peer ${nameOf(peer.name)} is not part of the tree`, `Allow connecting to it again with --ext-unix-sk, or hand in a socket as descriptor N: --inherit-fd 'fd[N]:${socketKey(usk)}'`);
    else if (isExternal(peer) && peer.name.length === 0) context.refuse(where, 'its peer is not part of the tree and has no name to connect to again', `Hand in a socket as descriptor N: --inherit-fd 'fd[N]:${socketKey(usk)}'`);
    else if (!isExternal(peer) && !isListening(peer) && context.inherited.has(socketKey(peer))) context.refuse(where, `its peer, ${socketKey(peer)}, is handed in (--inherit-fd) and it is not`, 'Hand in both ends or neither');
    else if (isConnected(usk) && !isExternal(peer) && !isListening(peer) && peer.peer !== usk.ino) context.refuse(where, `it is connected to socket:[${usk.peer}], which is connected to socket:[${peer.peer}]`, damaged);
  }
  for (const carried of carriedBy(context.tree, id)) {
    if (!context.tree.files.has(carried)) context.refuse(where, `file ${carried}, which is in flight in it, is not in files.img`, damaged);
    else if (stageOf(context, carried) !== undefined && !firstPlaces(context).has(carried)) {
      context.refuse(where, `${describeFile(carried, context.tree)} is in flight in it, which only a task can open, and no task has it open`, 'Let the program receive it before the dump, or keep it open as well');
    }
  }
}

/** Makes all sockets in the helper. */
class Maker {
  constructor(readonly context: RestoreContext, readonly sockets: ReadonlyMap<number, Socket>) {}

  make(): void {
    const all = [...this.sockets.values()];
    for (const one of all) if (isListening(one.entry)) this.#listen(one);
    for (const one of all) if (one.held === undefined && isConnected(one.entry)) this.#connected(one);
    for (const one of all) if (one.held === undefined && isDatagram(one.entry)) this.#partedPair(one);
    for (const one of all) if (one.held === undefined) this.#datagramOrClosed(one);
  }

  /** Says what the next steps are about. */
  #at({ entry }: Socket): void {
    this.context.local.program.resource(`file ${entry.id} (${describeUnix(entry)})`);
  }

  #hold(one: Socket, ref: ResultRef): void {
    one.held = this.context.local.open(`file ${one.entry.id} (${describeUnix(one.entry)})`, ref);
    this.context.files.set(one.entry.id, one.held);
  }

  #socket(type: number): ResultRef {
    return this.context.local.program.call('socket', [AF.UNIX, type | SOCK.CLOEXEC, 0]);
  }

  /** In the name of the user that a socket has as its peer (SO_PEERCRED). */
  #as(entry: unix_sk_entry, steps: () => void): void {
    asUser(this.context.local.program, ownFileOf(this.context.tree, entry.id)?.peer, steps);
  }

  #pair(of: unix_sk_entry): [ResultRef, ResultRef] {
    const p = this.context.local.program;
    const ends = p.reserve(8);
    this.#as(of, () => { p.call('socketpair', [AF.UNIX, of.type | SOCK.CLOEXEC, 0, ends], { keep: false }); });
    return [p.load(ends, 4), p.load(ends.at(4), 4)];
  }

  #listen(one: Socket): void {
    this.#at(one);
    const ref = this.#socket(one.entry.type);
    addBind(this.context, ref, one.entry);
    this.#as(one.entry, () => { this.context.local.program.call('listen', [ref, one.entry.backlog], { keep: false }); });
    this.#hold(one, ref);
  }

  /** One end of a connection, and the other when that is of the tree too. Who waits to be accepted is connected later, in order. */
  #connected(one: Socket): void {
    const peer = this.sockets.get(one.entry.peer);
    this.#at(one);
    if (peer !== undefined && isListening(peer.entry)) {
      const ref = this.#socket(one.entry.type);
      addBind(this.context, ref, one.entry);
      this.#hold(one, ref);
      return;
    }
    const [mine, other] = this.#joined(one.entry, peer?.entry);
    this.#hold(one, mine);
    if (peer !== undefined) this.#hold(peer, other);
    else one.sender = this.context.local.open(`what sends to file ${one.entry.id}`, other);
  }

  /** Both ends of a connection. One that has a name got it by being accepted, or had bound itself before. */
  #joined(one: unix_sk_entry, other: unix_sk_entry | undefined): [ResultRef, ResultRef] {
    if (one.name.length === 0 && (other?.name.length ?? 0) === 0) return this.#pair(one);
    const listenerOf = (entry: unix_sk_entry): Socket | undefined => [...this.sockets.values()].find(({ entry: l }) => isListening(l) && l.type === entry.type && sameName(asBound(this.context.tree, l), entry));
    const reversed = other !== undefined && other.name.length > 0 && (one.name.length === 0 || listenerOf(other) !== undefined);
    const [server, client] = reversed ? [other, one] : [one, other];
    const { program: p } = this.context.local;
    const listener = listenerOf(server);
    let door: Arg | undefined = listener?.held?.ref;
    let temporary: ResultRef | undefined;
    if (door === undefined) {
      door = temporary = this.#socket(server.type);
      addBind(this.context, temporary, server);
      const listen = (): void => { p.call('listen', [temporary!, 1], { keep: false }); };
      if (client === undefined) listen();
      else this.#as(client, listen);
    }
    const caller = this.#socket(server.type);
    if (client !== undefined) addBind(this.context, caller, client);
    this.#as(server, () => { addConnect(p, caller, door!, server); });
    const accepted = p.call('accept4', [door, 0, 0, SOCK.CLOEXEC]);
    if (temporary !== undefined) p.call('close', [temporary], { keep: false });
    return reversed ? [caller, accepted] : [accepted, caller];
  }

  /** Datagram sockets, and others that are not connected. */
  #datagramOrClosed(one: Socket): void {
    const { entry } = one;
    this.#at(one);
    const peer = this.sockets.get(entry.peer);
    if (!isDatagram(entry)) {
      const ref = this.#socket(entry.type);
      addBind(this.context, ref, entry);
      this.#hold(one, ref);
      return;
    }
    if (peer !== undefined && peer !== one && isDatagram(peer.entry) && peer.entry.peer === entry.ino && peer.held === undefined) {
      const ends = this.#pair(entry);
      [one, peer].forEach((end, i) => {
        this.#at(end);
        addBind(this.context, ends[i]!, end.entry);
        this.#hold(end, ends[i]!);
      });
      return;
    }
    const queued = messagesOf(this.context.tree, entry.id).length > 0;
    const orphan = ownFileOf(this.context.tree, entry.id)?.orphan === true;
    if (!queued && !orphan) {
      const ref = this.#socket(entry.type);
      addBind(this.context, ref, entry);
      this.#hold(one, ref);
      return;
    }
    const [ref, sender] = this.#pair(entry);
    // only who has no peer can be sent to by anybody; the sender keeps it as its own peer
    if (!orphan) this.#disconnect(ref);
    addBind(this.context, ref, entry);
    this.#hold(one, ref);
    one.sender = this.context.local.open(`what sends to file ${entry.id}`, sender);
  }

  /** A datagram socket whose peer has no name, and has somebody else as its own peer: they once were a pair. */
  #partedPair(one: Socket): void {
    const peer = this.sockets.get(one.entry.peer);
    if (peer === undefined || peer === one || peer.held !== undefined || peer.entry.peer === one.entry.ino || peer.entry.name.length > 0 || !isDatagram(peer.entry)) return;
    const ends = this.#pair(one.entry);
    [one, peer].forEach((end, i) => {
      this.#at(end);
      addBind(this.context, ends[i]!, end.entry);
      this.#hold(end, ends[i]!);
    });
    one.parted = peer;
  }

  #disconnect(ref: ResultRef): void {
    addDisconnect(this.context.local.program, ref);
  }
}

/** Takes a datagram socket's peer away. What waits in its queue is lost by that. */
function addDisconnect(p: Program, fd: Arg): void {
  p.call('connect', [fd, p.data(Uint8Array.of(AF.UNSPEC, 0)), 2], { keep: false });
}

function sameName(a: unix_sk_entry, b: unix_sk_entry): boolean {
  return Buffer.compare(a.name, b.name) === 0 && (a.name_dir ?? '') === (b.name_dir ?? '') && (a.deleted ?? false) === (b.deleted ?? false);
}

/** Queues, connections in one direction, options, shutdowns: in this order. */
class Settler {
  readonly #late: boolean;

  constructor(readonly context: RestoreContext, readonly sockets: ReadonlyMap<number, Socket>) {
    const ids = [...sockets.values()].map(({ entry }) => entry.id);
    const named = ids.some((id) => ownFileOf(context.tree, id)?.packets.some(({ pid }) => pid !== undefined) === true);
    this.#late = named || ids.some((id) => carriedBy(context.tree, id).some((carried) => stageOf(context, carried) !== undefined));
  }

  get #p() { return this.#late ? this.context.late : this.context.local.program; }
  #fd(held: HelperFd): Arg { return this.#late ? held.arg : held.ref; }

  settle(): void {
    const all = [...this.sockets.values()];
    for (const one of all) if (one.parted !== undefined) this.#part(one, one.parted);
    const parted = new Set(all.flatMap((one) => (one.parted === undefined ? [] : [one, one.parted])));
    for (const one of all) if (!parted.has(one)) this.#queue(one, one.sender ?? this.#peerOf(one));
    for (const one of all) if (isDatagram(one.entry)) this.#connectDatagram(one);
    this.#connectPending();
    for (const one of all) this.#finish(one);
  }

  #at({ entry }: Socket): void {
    this.#p.resource(`file ${entry.id} (${describeUnix(entry)})`);
  }

  #peerOf({ entry }: Socket): HelperFd | undefined {
    const peer = this.sockets.get(entry.peer);
    return peer === undefined || isListening(peer.entry) ? undefined : peer.held;
  }

  /** Of a pair of which one has another peer now: only while it had not, it could be sent from; from then on it can only be sent to. */
  #part(one: Socket, peer: Socket): void {
    this.#queue(one, peer.held);
    this.#at(peer);
    addDisconnect(this.#p, this.#fd(peer.held!));
    this.#queue(peer, one.held);
  }

  /** Sends what waited: the peer does, or who was made for it. */
  #queue(one: Socket, from: HelperFd | undefined): void {
    const { tree, helper } = this.context;
    const messages = messagesOf(tree, one.entry.id);
    if (messages.length > 0 && from === undefined) throw new RangeError(`${describeUnix(one.entry)}: nobody can send to it`);
    this.#at(one);
    const p = this.#p;
    if (messages.length > 0) addRoomForQueue(p, this.#fd(from!));
    for (const message of messages) addMessage(p, this.#fd(from!), message, (id) => this.#inFlight(id), helper);
    if (one.sender !== undefined) p.call('close', [this.#fd(one.sender)], { keep: false });
  }

  /** The helper's descriptor of what goes in flight; of what only a task could open, that task's. */
  #inFlight(id: number): Arg {
    const held = this.context.files.get(id);
    if (held !== undefined) return this.#fd(held);
    const place = firstPlaces(this.context).get(id);
    if (place === undefined || !this.#late) throw new RangeError(`${describeFile(id, this.context.tree)} is not open in the helper`);
    const target = this.#p.call('pidfd_open', [place.pid, 0]);
    return this.#p.call('pidfd_getfd', [target, place.fd, 0]);
  }

  #connectDatagram(one: Socket): void {
    const { entry } = one;
    if (entry.peer === 0) return;
    const peer = this.sockets.get(entry.peer);
    if (peer !== undefined && (peer.entry.peer === entry.ino || peer.entry.name.length === 0) && peer !== one) return;
    this.#at(one);
    if (peer !== undefined) {
      addConnect(this.#p, this.#fd(one.held!), this.#fd(peer.held!), peer.entry);
      return;
    }
    const outside = byInode(this.context.tree).get(entry.peer)!;
    const { name } = outside;
    const bytes = this.#p.data(Buffer.concat([Buffer.from([AF.UNIX, 0]), name]));
    inDirectory(this.#p, outside, () => this.#p.call('connect', [this.#fd(one.held!), bytes, 2 + name.length], {
      keep: false, remedy: { ENOENT: `Nobody has ${nameOf(name)} open here: start who owns it`, ECONNREFUSED: `Nobody listens on ${nameOf(name)}: start who owns it` },
    }));
  }

  /** Those that wait to be accepted, in their order. */
  #connectPending(): void {
    const { tree } = this.context;
    for (const listener of this.sockets.values()) {
      if (!isListening(listener.entry)) continue;
      const order = ownFileOf(tree, listener.entry.id)?.pending ?? [];
      const rank = ({ entry }: Socket): number => (order.includes(entry.ino) ? order.indexOf(entry.ino) : order.length);
      const clients = [...this.sockets.values()].filter(({ entry }) => isConnected(entry) && entry.peer === listener.entry.ino);
      for (const client of clients.sort((a, b) => rank(a) - rank(b) || a.entry.ino - b.entry.ino)) {
        this.#at(client);
        asUser(this.#p, this.#userOf(client), () => { addConnect(this.#p, this.#fd(client.held!), this.#fd(listener.held!), listener.entry); });
      }
    }
  }

  /** Who has it first: as whom it most likely connected. */
  #userOf({ file }: Socket): User | undefined {
    const { tasks } = this.context.tree;
    const creds = tasks.get(firstPlaces(this.context).get(file.id)?.pid ?? -1)?.core.thread_core?.creds;
    return creds === undefined ? undefined : { uid: creds.euid, gid: creds.egid };
  }

  #finish(one: Socket): void {
    const { entry } = one;
    const p = this.#p;
    this.#at(one);
    const fd = this.#fd(one.held!);
    addOptions(p, fd, entry.opts, ownFileOf(this.context.tree, entry.id)?.sockopts);
    if (entry.opts.reuseaddr === true) p.call('setsockopt', [fd, SOL_SOCKET, SO.REUSEADDR, p.data(Uint8Array.of(1, 0, 0, 0)), 4], { keep: false });
    const how = HOW[entry.shutdown ?? 0];
    if (how !== undefined) p.call('shutdown', [fd, how], { keep: false });
    addStatusFlags(p, fd, entry.flags);
  }
}
