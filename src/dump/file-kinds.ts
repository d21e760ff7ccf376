/**
 * The kinds of open file that can be dumped, one a line. Adding one: its folder under src/resources/ and a line here. The first kind that
 * claims a descriptor has it.
 */
import type { file_entry } from '../image/schema/index.ts';
import type { Program, RanBlock, ResultRef } from '../program/program.ts';
import type { FdInfo } from '../proc/fdinfo.ts';
import { epolls } from '../resources/epoll/dump.ts';
import { eventfds } from '../resources/eventfd/dump.ts';
import { fanotifies } from '../resources/fanotify/dump.ts';
import { fifos } from '../resources/fifo/dump.ts';
import { inetSockets } from '../resources/inet/dump.ts';
import { inotifies } from '../resources/inotify/dump.ts';
import { namespaceFiles } from '../resources/namespace-file/dump.ts';
import { messageQueues } from '../resources/mqueue/dump.ts';
import { packetSockets } from '../resources/packet/dump.ts';
import { pidfds } from '../resources/pidfd/dump.ts';
import { netlinkSockets } from '../resources/netlink/dump.ts';
import { memoryFiles } from '../resources/shared-memory/dump.ts';
import { pipes } from '../resources/pipe/dump.ts';
import { regularFiles } from '../resources/regular/dump.ts';
import { signalfds } from '../resources/signalfd/dump.ts';
import { timerfds } from '../resources/timerfd/dump.ts';
import { terminals } from '../resources/tty/dump.ts';
import { tunFiles } from '../resources/tun/dump.ts';
import { unixSockets } from '../resources/unix/dump.ts';
import type { DumpContext } from './context.ts';
import { nameByLink, type Unsupported } from './unsupported.ts';
import { socketFacts } from '../resources/socket/facts.ts';
import { nameSocket } from '../resources/socket/names.ts';
import type { FrozenTask } from './frozen.ts';
import type { FileStat } from '../kernel/stat.ts';

/** One descriptor of one task. */
export interface Descriptor {
  readonly task: FrozenTask;
  readonly fd: number;
  readonly info: FdInfo;
  /** What /proc/PID/fd/N points to. */
  readonly link: string;
  readonly stat: FileStat;
  /** The same for descriptors that can be the same open file. */
  readonly key: number;
  readonly owner: FileOwner;
  /** It is not open in the tree but in flight: queued in this socket. `task` is then the helper, which got a copy. */
  via?: Descriptor | undefined;
  /** The kind that claims it, and the open file it is of: once they are known. */
  kind?: FileKind | undefined;
  file?: OpenFile | undefined;
}

/** An open file description, with every descriptor of the tree that is it. */
export interface OpenFile {
  /** In the files image. */
  readonly id: number;
  readonly kind: FileKind;
  readonly descriptors: Descriptor[];
  readonly owner: FileOwner;
}

/** The owner of signal-driven I/O: fown_entry */
export interface FileOwner { readonly uid: number; readonly euid: number; readonly signum: number; readonly pid_type: number; readonly pid: number }

export interface FileKind {
  /** `file_entry.type`. */
  readonly type: number;
  /** Sees all descriptors, some at a time, before any is claimed. Looks only. */
  meet?(descriptors: readonly Descriptor[], context: DumpContext): void;
  claims(descriptor: Descriptor, context: DumpContext): boolean;
  /** What stands in the way of dumping it. */
  refuse(descriptor: Descriptor, context: DumpContext): { readonly why: string; readonly remedy?: string } | undefined;
  /** Descriptors that are queued in these (SCM_RIGHTS): they too are files of the tree. Asked once for each descriptor. */
  carried?(own: readonly Descriptor[], context: DumpContext): readonly Descriptor[];
  /** Looks at all its open files, once every open file of the tree is known; may refuse. In the frozen window, nothing is changed yet. */
  collect?(own: readonly OpenFile[], all: readonly OpenFile[], context: DumpContext): void;
  /** Reads into the set what of it a restore will need and nobody keeps; in the frozen window, nothing is changed. */
  keep?(file: OpenFile, context: DumpContext): void;
  /**
   * Adds steps of the helper about an open file it holds as `held`, while the tree is frozen; what is returned reads the answers.
   * Nothing may be consumed or changed: the program may run on.
   */
  ask?(program: Program, held: ResultRef, file: OpenFile, context: DumpContext): (ran: RanBlock, file: OpenFile) => void;
  /** Those of the same shape are asked the same: `ask` is called for one of them, its answer for each. It may ask what is the same for all of them. */
  shape?(file: OpenFile, context: DumpContext, program: Program): string | undefined;
  /** The last thing in the frozen window, when only writing the images can still fail: may change things, if `context.guard` can take it back. */
  hold?(own: readonly OpenFile[], context: DumpContext): void;
  /** Its entry, and whatever other images it needs (into `context.tree`). Called for each open file once; the tree may run again already. */
  entry(file: OpenFile, context: DumpContext): Omit<file_entry, 'type' | 'id'>;
}

export const FILE_KINDS: readonly FileKind[] = [
  memoryFiles, messageQueues, regularFiles, pipes, terminals, eventfds, signalfds, timerfds, epolls, inotifies, fanotifies, pidfds, fifos, namespaceFiles, unixSockets, inetSockets, netlinkSockets, packetSockets, tunFiles,
];

export function describeDescriptor({ task, fd, link, via }: Descriptor): string {
  if (via !== undefined) return `${describeDescriptor(via)}, a descriptor in flight (${link})`;
  return `task ${task.pid} (${task.stat.comm}), fd ${fd} (${link})`;
}

/** The words for what no kind claims. */
export function nameUnsupported(descriptor: Descriptor, context: DumpContext): Unsupported {
  const facts = socketFacts(descriptor, context);
  return facts === undefined ? nameByLink(descriptor.link) : nameSocket(facts);
}
