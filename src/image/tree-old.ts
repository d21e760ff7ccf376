/**
 * Images that only older versions wrote, turned into what 4.2 writes, so that the model has one shape:
 * a file a kind of descriptor -> files.img; watches, marks and epoll members -> inside their descriptor; mappings -> mm;
 * credentials, limits, timers, signal handlers and queues -> the core images.
 */
import type { Entry } from './codec.ts';
import { create } from './wire.ts';
import * as s from './schema/index.ts';
import { addFile, fileOf, type FrozenTree } from './tree.ts';

export type OldImages = Map<string, { readonly kind: string; readonly id: number; readonly entries: readonly Entry[] }>;

/** Old image kind -> type and field of the file_entry that holds its messages now. */
const FILE_KINDS: Readonly<Record<string, readonly [type: number, field: keyof s.file_entry]>> = {
  REG_FILES: [s.fd_types.REG, 'reg'], PIPES: [s.fd_types.PIPE, 'pipe'], FIFO: [s.fd_types.FIFO, 'fifo'], INETSK: [s.fd_types.INETSK, 'isk'],
  UNIXSK: [s.fd_types.UNIXSK, 'usk'], EVENTFD_FILE: [s.fd_types.EVENTFD, 'efd'], EVENTPOLL_FILE: [s.fd_types.EVENTPOLL, 'epfd'],
  INOTIFY_FILE: [s.fd_types.INOTIFY, 'ify'], SIGNALFD: [s.fd_types.SIGNALFD, 'sgfd'], PACKETSK: [s.fd_types.PACKETSK, 'psk'],
  TTY_FILES: [s.fd_types.TTY, 'tty'], FANOTIFY_FILE: [s.fd_types.FANOTIFY, 'ffy'], NETLINK_SK: [s.fd_types.NETLINKSK, 'nlsk'],
  NS_FILES: [s.fd_types.NS, 'nsf'], TUNFILE: [s.fd_types.TUNF, 'tunf'], EXT_FILES: [s.fd_types.EXT, 'ext'], TIMERFD: [s.fd_types.TIMERFD, 'tfd'],
  BPFMAP_FILE: [s.fd_types.BPFMAP, 'bpf'], PIDFD: [s.fd_types.PIDFD, 'pidfd'],
};

/** Members of a descriptor that had a file of their own. */
const PARTS = new Set(['EVENTPOLL_TFD', 'INOTIFY_WD', 'FANOTIFY_MARK']);
const TASK_PARTS = new Set(['VMAS', 'CREDS', 'RLIMIT', 'ITIMERS', 'POSIX_TIMERS', 'SIGACT', 'SIGNAL', 'PSIGNAL']);

export const OLD_KINDS: ReadonlySet<string> = new Set([...Object.keys(FILE_KINDS), ...PARTS, ...TASK_PARTS]);

export function readOldImages(tree: FrozenTree, images: OldImages): void {
  const later: OldImages = new Map();
  for (const [name, image] of images) {
    const target = FILE_KINDS[image.kind];
    if (target === undefined) later.set(name, image);
    else for (const { message } of image.entries) addOldFile(tree, target, message as { id: number });
  }
  for (const [name, { kind, id, entries }] of later) {
    const messages = entries.map((entry) => entry.message);
    const done = PARTS.has(kind) ? messages.every((message) => addPart(tree, kind, message)) : addToTask(tree, kind, id, messages);
    if (!done) tree.rest.push({ name, why: 'kind' });
  }
}

function addOldFile(tree: FrozenTree, [type, field]: readonly [number, keyof s.file_entry], message: { id: number }): void {
  // files.img, where there is one, has the last word
  addFile(tree, { ...create(s.file_entry, { type, id: message.id }), [field]: message });
}

function addPart(tree: FrozenTree, kind: string, message: object): boolean {
  const { id } = message as { id: number };
  const type = kind === 'EVENTPOLL_TFD' ? s.fd_types.EVENTPOLL : kind === 'INOTIFY_WD' ? s.fd_types.INOTIFY : s.fd_types.FANOTIFY;
  const file = fileOf(tree, type, id);
  if (kind === 'EVENTPOLL_TFD') file?.epfd?.tfd.push(message as s.eventpoll_tfd_entry);
  else if (kind === 'INOTIFY_WD') file?.ify?.wd.push(message as s.inotify_wd_entry);
  else file?.ffy?.mark.push(message as s.fanotify_mark_entry);
  return (kind === 'EVENTPOLL_TFD' ? file?.epfd : kind === 'INOTIFY_WD' ? file?.ify : file?.ffy) !== undefined;
}

/** Adds to the task what its core and mm images do not already say. False when nobody has that number. */
function addToTask(tree: FrozenTree, kind: string, id: number, messages: object[]): boolean {
  if (kind === 'PSIGNAL') return addThreadSignals(tree, id, messages as s.siginfo_entry[]);
  const task = tree.tasks.get(id);
  const core = task?.threads.get(id);
  if (task === undefined || core?.tc === undefined) return false;
  const { tc } = core;
  switch (kind) {
    case 'VMAS':
      if (task.mm?.vmas.length === 0) task.mm.vmas = messages as s.vma_entry[];
      return task.mm !== undefined;
    case 'CREDS':
      for (const thread of task.threads.values()) if (thread.thread_core !== undefined) thread.thread_core.creds ??= messages[0] as s.creds_entry;
      return true;
    case 'RLIMIT':
      tc.rlimits ??= create(s.task_rlimits_entry, { rlimits: messages as s.rlimit_entry[] });
      return true;
    case 'SIGACT':
      if (tc.sigactions.length === 0) tc.sigactions = messages as s.sa_entry[];
      return true;
    case 'SIGNAL':
      tc.signals_s ??= create(s.signal_queue_entry, { signals: messages as s.siginfo_entry[] });
      return true;
    default:
      return addTimers(tc, kind, messages);
  }
}

function addThreadSignals(tree: FrozenTree, tid: number, signals: s.siginfo_entry[]): boolean {
  for (const task of tree.tasks.values()) {
    const thread = task.threads.get(tid)?.thread_core;
    if (thread === undefined) continue;
    thread.signals_p ??= create(s.signal_queue_entry, { signals });
    return true;
  }
  return false;
}

/** Three interval timers in the order real, virtual, prof; POSIX timers behind them. */
function addTimers(tc: s.task_core_entry, kind: string, messages: object[]): boolean {
  const zero = (): s.itimer_entry => create(s.itimer_entry, { isec: 0n, iusec: 0n, vsec: 0n, vusec: 0n });
  tc.timers ??= create(s.task_timers_entry, { real: zero(), virt: zero(), prof: zero() });
  if (kind === 'POSIX_TIMERS') {
    if (tc.timers.posix.length === 0) tc.timers.posix = messages as s.posix_timer_entry[];
    return true;
  }
  const [real, virt, prof] = messages as s.itimer_entry[];
  if (real === undefined || virt === undefined || prof === undefined) return false;
  Object.assign(tc.timers, { real, virt, prof });
  return true;
}
