/** The kinds of open file that can be restored, one a line. Adding a kind: its folder under src/resources/ and a line here. */
import type { file_entry } from '../image/schema/index.ts';
import { fd_types } from '../image/schema/index.ts';
import type { FrozenTree } from '../image/tree.ts';
import type { Task } from '../image/tree.ts';
import type { Program, ResultRef } from '../program/program.ts';
import type { RestoreContext } from './context.ts';
import type { HelperFd } from './helper-fd.ts';
import { epolls } from '../resources/epoll/restore.ts';
import { eventfds } from '../resources/eventfd/restore.ts';
import { fanotifies } from '../resources/fanotify/restore.ts';
import { fifos } from '../resources/fifo/restore.ts';
import { inetSockets } from '../resources/inet/restore.ts';
import { inotifies } from '../resources/inotify/restore.ts';
import { namespaceFiles } from '../resources/namespace-file/restore.ts';
import { netlinkSockets } from '../resources/netlink/restore.ts';
import { messageQueues } from '../resources/mqueue/restore.ts';
import { packetSockets } from '../resources/packet/restore.ts';
import { pidfds } from '../resources/pidfd/restore.ts';
import { regularFiles } from '../resources/regular/restore.ts';
import { pipes } from '../resources/pipe/restore.ts';
import { memoryFiles } from '../resources/shared-memory/restore.ts';
import { signalfds } from '../resources/signalfd/restore.ts';
import { timerfds } from '../resources/timerfd/restore.ts';
import { terminals } from '../resources/tty/restore.ts';
import { tunFiles } from '../resources/tun/restore.ts';
import { unixSockets } from '../resources/unix/restore.ts';

/** When a task can open what only a task can: once all processes of the tree exist, or all their threads. */
export type Stage = 'processes' | 'threads';

export interface FileKind {
  /** Which `file_entry.type` it handles. */
  readonly types: readonly number[];
  /** As a person names one: `regular /etc/hosts`, `pipe:[4711]`. */
  describe(file: file_entry, tree: FrozenTree): string;
  /** Adds to `context.reasons` what speaks against restoring these descriptions. Nothing is opened yet. */
  check(files: readonly file_entry[], context: RestoreContext): void;
  /** Adds the steps to `context.local` that open these descriptions, and puts each into `context.files`. */
  open(files: readonly file_entry[], context: RestoreContext): void;
  /** Called once, when the descriptions of every kind are open: what one description needs of others. */
  settle?(context: RestoreContext): void;
  /** Its descriptions are opened after those of other kinds: it would see those being opened. */
  readonly opensLast?: boolean;
  /** What --inherit-fd calls it: by any of these a descriptor can be handed in to take its place. */
  keys?(file: file_entry, tree: FrozenTree): readonly string[];
  /** Adds the steps that open what was handed in for it. Then neither `check` nor `open` are asked. */
  openInherited?(file: file_entry, key: string, context: RestoreContext): HelperFd;
  /** When the helper cannot open this description, and the task that has it first must: when. */
  opensIn?(file: file_entry, context: RestoreContext): Stage | undefined;
  /** Adds the steps by which that task opens it. The result is the lowest free number, and the only one they leave open. */
  openIn?(p: Program, file: file_entry, context: RestoreContext, task: Task): ResultRef;
  /** Whether a task can open it as well as the helper, with the same result. Then `open` is not asked when only one table has it. */
  opensAlone?(file: file_entry, context: RestoreContext): boolean;
  /** Adds the steps by which that task does: at its lowest free number, which is `number`, close-on-exec or not. */
  openAlone?(p: Program, file: file_entry, number: number, closeOnExec: boolean): void;
  /** Adds what the task that has it first (as `fd`) does when all descriptors, processes and threads are there. */
  finish?(p: Program, file: file_entry, fd: number, context: RestoreContext, task: Task): void;
}

export const FILE_KINDS: readonly FileKind[] = [
  regularFiles, messageQueues, pipes, memoryFiles, terminals, eventfds, signalfds, timerfds, epolls, inotifies, fanotifies, pidfds, fifos, namespaceFiles, unixSockets, inetSockets, netlinkSockets, packetSockets, tunFiles,
];

const TYPE_NAMES = new Map<number, string>(Object.entries(fd_types).map(([name, type]) => [type, name]));

let byType: ReadonlyMap<number, FileKind> | undefined;

export function kindOf(type: number): FileKind | undefined {
  byType ??= new Map(FILE_KINDS.flatMap((kind) => kind.types.map((one) => [one, kind] as const)));
  return byType.get(type);
}

export function describeFile(id: number, tree: FrozenTree): string {
  const file = tree.files.get(id);
  if (file === undefined) return `file ${id}, which is not in files.img`;
  return kindOf(file.type)?.describe(file, tree) ?? `${TYPE_NAMES.get(file.type) ?? `type ${file.type}`} ${id}`;
}
