/** The self-verifying programs with their arguments: what interoperation and image checks run over. */
import { moveClocks } from './clocks.ts';
import type { RoundTripOptions } from './round-trip.ts';

export interface Row extends RoundTripOptions {
  readonly name: string;
  readonly program: string;
  /** CRIU 4.2 cannot do this, and why: no interoperation is asked for. */
  readonly notCriu?: string;
}

const MOVING = [/ (timers|thread \d+ ShdPnd|thread \d+ SigPnd)$/];

export const ROWS: readonly Row[] = [
  { name: 'threads', program: 'threads' },
  { name: 'tree', program: 'tree' },
  { name: 'tree, zombie with status 255', program: 'tree', args: ['255'], notCriu: 'restores an exit status without its highest bit' },
  { name: 'pipes', program: 'pipes' },
  { name: 'unix sockets', program: 'unix', args: ['common'] },
  { name: 'unix sockets, all', program: 'unix', notCriu: 'loses empty datagrams, credentials in queues, names of accepted connections, SO_PEEK_OFF' },
  { name: 'internet sockets', program: 'inet', args: ['common'] },
  { name: 'internet sockets, all', program: 'inet', notCriu: 'has no place for many of their options' },
  { name: 'TCP connections', program: 'tcp', args: ['common'], dumpOptions: ['--tcp-established'], restoreOptions: ['--tcp-established'] },
  { name: 'MPTCP sockets', program: 'mptcp', dumpOptions: ['--tcp-established'], restoreOptions: ['--tcp-established'], notCriu: 'refuses them' },
  { name: 'packet sockets', program: 'packet', args: ['criu'] },
  { name: 'packet sockets, all', program: 'packet', notCriu: 'begins rings anew, and has no place for some options' },
  { name: 'netlink sockets', program: 'netlink', args: ['criu'] },
  { name: 'netlink sockets, all', program: 'netlink', notCriu: 'refuses groups beyond the 32nd' },
  { name: 'memory', program: 'memory' },
  { name: 'pages of zeros', program: 'zeros' },
  { name: 'asynchronous I/O contexts', program: 'aio' },
  { name: 'System V shared memory', program: 'sysv', notCriu: 'takes it only from an IPC namespace of its own' },
  { name: 'pipes in packet mode', program: 'pipes', args: ['packets'], notCriu: 'refuses them' },
  { name: 'POSIX message queues', program: 'mqueue', notCriu: 'has no place for them' },
  { name: 'what only stillframe.img keeps', program: 'extras', notCriu: 'has no place for it' },
  { name: 'character devices', program: 'devices', notCriu: 'has no driver for serial lines' },
  { name: 'files in removed directories', program: 'gone' },
  { name: 'signals', program: 'signals' },
  { name: 'timers', program: 'timers', mayDiffer: MOVING },
  { name: 'timers that fire meanwhile', program: 'ticks', args: ['9000'], mayDiffer: MOVING },
  { name: 'clocks of long ago', program: 'clocks', args: ['1000000'], mayDiffer: [/./], afterDump: (_, images) => { moveClocks(images, 1_000_000n); } },
  { name: 'UTS namespace', program: 'uts' },
  { name: 'IPC namespace', program: 'ipc', args: ['criu'] },
  { name: 'IPC namespace, all', program: 'ipc', notCriu: 'loses that a segment is removed, and lets semop end with EINTR' },
  { name: 'environment', program: 'environment', args: ['one', '', 'a b\nc'], env: { CHECK_THIS: 'a value with spaces\tand é', EMPTY: '' } },
  { name: 'vDSO', program: 'vdso' },
  { name: 'credentials of root', program: 'credentials', args: ['root'] },
  { name: 'limits and priorities', program: 'credentials', args: ['limits'] },
  { name: 'real-time scheduling', program: 'credentials', args: ['realtime'] },
  { name: 'mixed ids', program: 'credentials', args: ['mixed'], notCriu: 'needs CAP_SYS_RESOURCE to read the limits of another user' },
  { name: 'another user', program: 'credentials', args: ['user'], uid: 1234, notCriu: 'needs CAP_SYS_RESOURCE to read the limits of another user' },
  { name: 'affinity, I/O priority, timer slack', program: 'credentials', args: ['own'], notCriu: 'has no place for them in its images' },
  { name: 'files', program: 'files' },
  { name: 'deleted files', program: 'files', args: ['deleted'] },
  { name: 'anonymous descriptors', program: 'anonymous', args: ['criu'] },
  { name: 'anonymous descriptors, all', program: 'anonymous', notCriu: 'loses semaphores, timers that stand still, members without a number' },
  { name: 'inotify', program: 'watches', args: ['inotify'], notCriu: 'loses IN_ONESHOT and IN_EXCL_UNLINK' },
  { name: 'fanotify', program: 'watches', args: ['fanotify'] },
  { name: 'pidfds and files below /proc', program: 'processes', args: ['criu'], mayDiffer: [/ SigCgt$/] },
  { name: 'pidfds and files of threads', program: 'processes', mayDiffer: [/ SigCgt$/], notCriu: 'refuses them' },
  { name: 'fifos', program: 'fifos' },
  { name: 'file locks', program: 'locks', dumpOptions: ['-l'], restoreOptions: ['-l'], notCriu: 'loses leases that are being broken' },
  { name: 'signal-driven I/O', program: 'sigio', notCriu: 'cannot make a thread the owner again' },
  { name: 'removed names (--link-remap)', program: 'linked', dumpOptions: ['--link-remap'] },
  { name: 'interrupted calls', program: 'blocked', mayDiffer: [/./], notCriu: 'lets timed calls end with EINTR' },
];

/** What is dumped and restored several times, by both tools in turn: each but the first dump is of a tree that a restore has made. */
export const CHAINS: readonly Row[] = [
  { name: 'tree', program: 'tree' },
  { name: 'memory', program: 'memory' },
  { name: 'threads', program: 'threads' },
  { name: 'timers', program: 'timers', mayDiffer: MOVING },
  { name: 'UTS namespace', program: 'uts' },
  { name: 'IPC namespace', program: 'ipc', args: ['criu'] },
  { name: 'vDSO', program: 'vdso' },
  { name: 'clocks', program: 'clocks', args: ['4000000'], mayDiffer: [/./], afterDump: (_, images) => { moveClocks(images, 1_000_000n); } },
];
