/**
 * The C library through koffi: only what the helper's client needs. Loaded at first use, so that everything that only reads
 * images never touches native code.
 */
import { createRequire } from 'node:module';
import { StillframeError } from '../errors.ts';

type Native = (...args: unknown[]) => number;

export interface Libc {
  socketpair(domain: number, type: number, protocol: number, fds: Int32Array): number;
  sendmsg(fd: number, message: Uint8Array, flags: number): number;
  recvmsg(fd: number, message: Uint8Array, flags: number): number;
  send(fd: number, bytes: Uint8Array, size: number, flags: number): number;
  recv(fd: number, bytes: Uint8Array, size: number, flags: number): number;
  close(fd: number): number;
  waitpid(pid: number, status: Int32Array, options: number): number;
  /** Address of a buffer's bytes; valid while the buffer is reachable. */
  address(bytes: Uint8Array): bigint;
  /** errno of the last call. */
  errno(): number;
  /** Starts `path` with exactly these descriptors (as 3, 4, ...) beside 0, 1 and 2, default signal handlers, nothing blocked. Returns the pid or -errno. */
  spawn(path: string, argv: readonly string[], fds: readonly number[]): number;
}

interface Koffi {
  load(path: string | null): { func(declaration: string): Native };
  address(bytes: Uint8Array): bigint;
  errno(): number;
}

let libc: Libc | undefined;

/** @throws StillframeError when koffi cannot be loaded (no prebuilt binary for this system) */
export function loadLibc(): Libc {
  libc ??= bind();
  return libc;
}

function bind(): Libc {
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)('koffi') as Koffi;
  } catch (cause) {
    throw new StillframeError({
      doing: 'start helper', where: 'koffi', why: cause instanceof Error ? cause.message : String(cause),
      remedy: 'Reinstall the package on this system: its native part does not load', cause,
    });
  }
  const lib = koffi.load(null);
  const spawn = bindSpawn(lib);
  return {
    socketpair: lib.func('int socketpair(int, int, int, _Out_ int *)'),
    sendmsg: lib.func('int64_t sendmsg(int, void *, int)'),
    recvmsg: lib.func('int64_t recvmsg(int, void *, int)'),
    send: lib.func('int64_t send(int, void *, size_t, int)'),
    recv: lib.func('int64_t recv(int, void *, size_t, int)'),
    close: lib.func('int close(int)'),
    waitpid: lib.func('int waitpid(int, _Out_ int *, int)'),
    address: (bytes) => koffi.address(bytes),
    errno: () => koffi.errno(),
    spawn,
  };
}
