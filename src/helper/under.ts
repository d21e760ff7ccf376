/**
 * A helper that is this process's parent instead of its child, so that what it clones beside itself (CLONE_PARENT) becomes a child of our
 * caller: `restore -S`. This process becomes the helper (execve: same pid, same parent), whose first request, already in its socket,
 * starts the supervisor again below it.
 */
import { StillframeError } from '../errors.ts';
import { errnoName } from '../kernel/errno.ts';
import { Op, Program } from '../program/program.ts';
import { loadLibc } from './koffi.ts';
import { loadKoffi } from './koffi-native.ts';
import * as p from './protocol.ts';

/** In the environment of a supervisor below its helper: the descriptor of its end of the socket pair. */
export const UNDER = 'STILLFRAME_UNDER_HELPER';

const F_SETFD = 2; // <fcntl.h>
const F_DUPFD_CLOEXEC = 1030;
const SIG_SETMASK = 2;
const SIGCHLD = 17;
/** What a socket takes without a reader: half of the kernel's default. */
const MAX_REQUEST = 100 * 1024;

interface Native {
  fcntl(fd: number, command: number, argument: number): number;
  execv(path: string, argv: readonly (string | null)[]): number;
  errno(): number;
}

function native(): Native {
  const koffi = loadKoffi();
  const lib = koffi.load(null);
  return {
    fcntl: lib.func('int fcntl(int, int, int)') as Native['fcntl'],
    execv: lib.func('int execv(const char *, const char **)') as Native['execv'],
    errno: () => koffi.errno(),
  };
}

/** This process's end of the pair, when it runs below its helper. */
let held: number | undefined;

/** Whether this process was started below its helper. */
export const isUnderHelper = (): boolean => process.env[UNDER] !== undefined || held !== undefined;

/**
 * Becomes the helper at `path`, which starts this very command line again below it. Does not return.
 * @param keep descriptors that it is to have as well
 * @throws StillframeError when that cannot be
 */
export function goUnderHelper(path: string, keep: readonly number[] = []): never {
  const libc = loadLibc();
  const { fcntl, execv, errno } = native();
  const [ours, theirs] = libc.socketpair();
  const request = startRequest(ours);
  if (request.length > MAX_REQUEST) {
    throw new StillframeError({ doing: 'start helper', where: '-S', why: `command line and environment have ${request.length} bytes, ${MAX_REQUEST} are possible`, remedy: 'Shorten the environment: env -i' });
  }
  libc.send(ours, request, request.length, 0);
  for (const fd of [0, 1, 2, ours, theirs, ...keep]) fcntl(fd, F_SETFD, 0);
  execv(path, ['stillframe-helper', String(theirs), '--parent', null]);
  throw new StillframeError({ doing: 'start helper', where: path, why: `execv: ${errnoName(errno())}`, remedy: 'Build or install again' });
}

function startRequest(ours: number): Buffer {
  const child = new Program('supervisor');
  child.call('rt_sigprocmask', [SIG_SETMASK, child.reserve(8), 0, 8]);
  const strings = (list: readonly string[]): ReturnType<Program['reserve']> => {
    const array = child.reserve(8 * (list.length + 1));
    list.forEach((text, i) => child.store(array.at(8 * i), child.cstring(text), 8));
    return array;
  };
  const argv = strings([process.execPath, ...process.execArgv, ...process.argv.slice(1)]);
  const env = strings([...Object.entries(process.env).map(([name, value]) => `${name}=${value ?? ''}`), `${UNDER}=${ours}`]);
  child.call('execve', [child.cstring(process.execPath), argv, env]);

  const starter = new Program('helper');
  const bytes = child.encode();
  const block = starter.data(bytes, 16);
  starter.reserve(child.layout().size - bytes.length, 1); // its stack
  starter.control(Op.SPAWN, [0, SIGCHLD, 0, 0, block, 0]);
  starter.call('close', [ours]);
  return request(starter);
}

function request(program: Program): Buffer {
  const block = program.encode();
  const head = Buffer.alloc(p.REQUEST_SIZE);
  [p.REQUEST_MAGIC, p.Req.LOCAL, block.length, 0].forEach((word, i) => head.writeUInt32LE(word, i * 4));
  return Buffer.concat([head, block]);
}

/**
 * The descriptor to speak to that helper by, for one client; undefined when this process is not below one. Another copy stays
 * open until this process ends: its end is the helper's.
 */
export function takeHelper(): number | undefined {
  const fd = holdHelper();
  return fd === undefined ? undefined : native().fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

function holdHelper(): number | undefined {
  const inherited = process.env[UNDER];
  if (inherited !== undefined) {
    delete process.env[UNDER]; // not for action scripts and what they start
    held = Number(inherited);
    native().fcntl(held, F_SETFD, 1);
    skipReply(held);
  }
  return held;
}

/** The answer to the request that started us. */
function skipReply(fd: number): void {
  const libc = loadLibc();
  const read = (size: number): Buffer => {
    const bytes = Buffer.alloc(size);
    for (let at = 0; at < size;) {
      const n = Number(libc.recv(fd, bytes.subarray(at), size - at, 0));
      if (n <= 0) throw new StillframeError({ doing: 'start helper', why: 'the helper above is gone' });
      at += n;
    }
    return bytes;
  };
  read(read(p.REPLY_SIZE).readUInt32LE(8));
}

/** Lets the helper above end with this exit code, which our caller gets; it takes this process along. Everything must be written before. */
export function endHelper(code: number): void {
  const fd = holdHelper();
  if (fd === undefined) return;
  const program = new Program('helper');
  program.call('exit_group', [code]);
  const bytes = request(program);
  loadLibc().send(fd, bytes, bytes.length, 0);
}
