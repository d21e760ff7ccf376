/**
 * The C library through koffi: only what the helper's client needs. Loaded at first use, so that what only reads images
 * never touches native code.
 */
import { StillframeError } from '../errors.ts';
import { offerQuickExit } from '../exit.ts';
import { errnoName } from '../kernel/errno.ts';
import { loadKoffi, type Koffi } from './koffi-native.ts';

type Native = (...args: unknown[]) => number;

export interface Libc {
  /** Two ends of a stream, both close-on-exec. */
  socketpair(): [number, number];
  sendmsg(fd: number, message: Uint8Array, flags: number): number;
  recvmsg(fd: number, message: Uint8Array, flags: number): number;
  send(fd: number, bytes: Uint8Array, size: number, flags: number): number;
  recv(fd: number, bytes: Uint8Array, size: number, flags: number): number;
  close(fd: number): void;
  /** Status as waitpid gives it; undefined while it runs (or when it is not our child). */
  waitpid(pid: number, block: boolean): number | undefined;
  /** `prctl(op, argument)` of this process: 0 or -1. */
  prctl(op: number, argument: number): number;
  /** Address of a buffer's bytes; valid while the buffer is reachable. */
  address(bytes: Uint8Array): bigint;
  /** errno of the last call. */
  errno(): number;
  /** Starts a program with `fd` as its descriptor 3, 0 to 2 inherited, default signal handlers, nothing blocked, no environment. */
  spawn(path: string, args: readonly string[], fd: number): number;
}

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0x80000;
const WNOHANG = 1;
const POSIX_SPAWN_SETSIGDEF = 4; // <spawn.h>, the same in glibc and musl
const POSIX_SPAWN_SETSIGMASK = 8;

let libc: Libc | undefined;

/** @throws StillframeError when koffi does not load on this system */
export function loadLibc(): Libc {
  libc ??= bind();
  return libc;
}

function bind(): Libc {
  let koffi: Koffi;
  try {
    koffi = loadKoffi();
  } catch (cause) {
    throw new StillframeError({
      doing: 'start helper', where: 'koffi', why: cause instanceof Error ? cause.message : String(cause), cause,
      remedy: 'Its native part does not load here: reinstall the package on this system (dump and restore need Linux on x86-64)',
    });
  }
  const lib = koffi.load(null);
  const socketpair = lib.func('int socketpair(int, int, int, void *)');
  const close = lib.func('int close(int)');
  const waitpid = lib.func('int waitpid(int, void *, int)');
  offerQuickExit(lib.func('void _exit(int)'));
  const fail = (call: string, errno: number): never => {
    throw new StillframeError({ doing: 'start helper', why: `${call}: ${errnoName(errno)}` });
  };
  return {
    socketpair() {
      const fds = new Int32Array(2);
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) !== 0) fail('socketpair', koffi.errno());
      return [fds[0]!, fds[1]!];
    },
    sendmsg: lib.func('int64_t sendmsg(int, void *, int)'),
    recvmsg: lib.func('int64_t recvmsg(int, void *, int)'),
    send: lib.func('int64_t send(int, void *, size_t, int)'),
    recv: lib.func('int64_t recv(int, void *, size_t, int)'),
    close: (fd) => void close(fd),
    waitpid(pid, block) {
      const status = new Int32Array(1);
      return waitpid(pid, status, block ? 0 : WNOHANG) === pid ? status[0] : undefined;
    },
    prctl: lib.func('int prctl(int, ulong)'),
    address: (bytes) => koffi.address(bytes),
    errno: () => koffi.errno(),
    spawn: bindSpawn(koffi, lib, fail),
  };
}

/** posix_spawn: a tenth of the time of child_process, and nothing of it goes through the event loop. */
function bindSpawn(koffi: Koffi, lib: { func(declaration: string): Native }, fail: (call: string, errno: number) => never): Libc['spawn'] {
  const posixSpawn = lib.func('int posix_spawn(void *, const char *, void *, void *, void *, void *)');
  const actionsInit = lib.func('int posix_spawn_file_actions_init(void *)');
  const actionsDestroy = lib.func('int posix_spawn_file_actions_destroy(void *)');
  const addDup2 = lib.func('int posix_spawn_file_actions_adddup2(void *, int, int)');
  const attrInit = lib.func('int posix_spawnattr_init(void *)');
  const setDefault = lib.func('int posix_spawnattr_setsigdefault(void *, void *)');
  const setMask = lib.func('int posix_spawnattr_setsigmask(void *, void *)');
  const setFlags = lib.func('int posix_spawnattr_setflags(void *, short)');
  return (path, args, fd) => {
    const actions = Buffer.alloc(512); // larger than the struct of any C library
    const attr = Buffer.alloc(1024);
    const strings = [path, ...args].map((arg) => Buffer.from(`${arg}\0`));
    const argv = new BigUint64Array([...strings.map((s) => koffi.address(s)), 0n]);
    const pid = new Int32Array(1);
    actionsInit(actions);
    attrInit(attr);
    for (const standard of [0, 1, 2]) addDup2(actions, standard, standard); // Node marks them close-on-exec
    addDup2(actions, fd, 3);
    setDefault(attr, Buffer.alloc(128, 0xff));
    setMask(attr, Buffer.alloc(128));
    setFlags(attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    const errno = posixSpawn(pid, path, actions, attr, argv, new BigUint64Array(1));
    actionsDestroy(actions);
    if (errno !== 0 || strings.length === 0) fail(`posix_spawn ${path}`, errno);
    return pid[0]!;
  };
}
