/**
 * The supervisor's side of the helper: one typed, blocking method for each request of `helper/protocol.h`. While tasks are
 * frozen nothing here goes through the event loop. Policy is elsewhere; images are unknown here.
 */
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { StillframeError } from '../errors.ts';
import { errnoName } from '../kernel/errno.ts';
import { RanBlock, type Program, type ResultRef } from '../program/program.ts';
import { loadLibc } from './koffi.ts';
import * as p from './protocol.ts';
import { takeHelper } from './under.ts';
import { Wire, WireClosed, type Reply } from './wire.ts';

export interface RunOptions {
  /** From `findLanding`. */
  readonly landing: bigint;
  /** With another landing right beside it (from `findLandings`) several threads of the process `pid` are faster. */
  readonly together?: { readonly second: bigint; readonly pid: number } | undefined;
  /** From `pickDoneSignal`; 0 (default): system-call stops, works always but costs two stops a system call. */
  readonly doneSignal?: number;
  /** After this, for all threads together, the program is interrupted and the thread sent home. Default 10,000. */
  readonly timeoutMs?: number;
  /**
   * A result that is a descriptor of the task: where the program pauses (raises `doneSignal` with tkill) the helper takes a copy. The result
   * is then the helper's number, or -errno. One thread only.
   */
  readonly take?: ResultRef;
}

/** A thread and how it runs a program: as in `RunOptions`. */
export interface Visit { readonly tid: number; readonly landing: bigint; readonly doneSignal: number }

export interface ScanOptions {
  /** Pages with at least one of these `PageIs` bits (0: every page). */
  readonly anyOf: bigint;
  /** ... and none of these ... */
  readonly noneOf?: bigint;
  /** ... and all of these. */
  readonly allOf?: bigint;
  /**
   * Write-protect what is found, in the same walk. Every range must be registered with an asynchronous userfaultfd, else EPERM;
   * `tracked`: what is not is passed over.
   */
  readonly protect?: boolean | 'tracked';
  /** With `protect`: nothing is told of what was found. */
  readonly quiet?: boolean;
  /** Pages of mappings that are not present (swapped out, or nothing at all) match `anyOf` too. Not on kernels without PAGEMAP_SCAN. */
  readonly orAbsent?: boolean;
  /** Which bits to tell apart in the answer. */
  readonly report: bigint;
  /** At most so many regions (0: no limit). When as many came, go on from the last one's end. */
  readonly maxRegions?: number;
  /** Reads /proc/PID/pagemap as on a kernel without PAGEMAP_SCAN: for tests. */
  readonly oldKernel?: boolean;
}

export interface SeizeOptions {
  /** 0: 10 s. */
  readonly timeoutMs?: number;
  /** A freezer holds the threads: what is written to which file when all are asked, so that they come to their stop. */
  readonly thaw?: { readonly path: string; readonly text: string } | undefined;
}

export interface FaultPlan {
  readonly request: p.ReqName;
  /** 1: the first point of the request. */
  readonly nth: number;
  /** The errno it fails with; 0: the helper kills itself with SIGKILL there. */
  readonly errno: number;
  /** Only points of this step. */
  readonly where?: p.WhereName;
}

/** What a request is for, when its failure is told. */
const DOING: Record<p.ReqName, string> = {
  HELLO: 'start helper', SEIZE: 'seize threads', STATE: 'read thread state', RUN: 'run a program in a task', DETACH: 'let threads go',
  KILL: 'kill processes', SCAN: 'scan memory', PAGES: 'copy memory', PEEK: 'read memory', POKE: 'write memory', LOCAL: 'run a program in the helper',
  CPUID: 'ask the processor', VISIT: 'run a program in tasks', SEIZE_FROZEN: 'seize frozen threads',
  PUT_FD: 'hand a descriptor to the helper', GET_FD: 'fetch a descriptor from the helper', CLOSE: 'close descriptors in the helper',
  ARENA: 'map the arena', SPAWN: 'start the first task', AWAIT: 'wait for the restored tasks', TAKEOVER: 'take restored threads over',
  FILE_PAGES: 'copy file ranges', FAULT: 'plan a fault', KEEP: 'leave a keeper behind', GUARD: 'set a guard',
  DESCRIPTORS: 'read descriptors', SAME: 'compare kernel objects',
};

const REMEDIES: Record<string, string> = {
  'SEIZE EPERM': 'Another tracer may hold it (a debugger, strace: see TracerPid in /proc/PID/status), or more privilege is needed (root, CAP_SYS_PTRACE)',
  'OPEN EACCES': 'More privilege is needed (root, CAP_SYS_PTRACE)',
  'CLONE EEXIST': 'That pid is in use. Wait until it is free, or restore into a new pid namespace',
  'CLONE EPERM': 'Choosing pids needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN',
  'WRITE ENOSPC': 'Free space there, or choose another directory',
  'READ ESRCH': 'The task is gone',
};

export class Helper {
  readonly #wire: Wire;
  #exited: number | undefined;
  #closed = false;
  /** The first task of a restore, until it is let go. */
  #root: number | undefined;
  /** The fixed facts of this helper: sizes, its pid. */
  readonly hello: p.Hello;

  private constructor(wire: Wire, readonly pid: number) {
    this.#wire = wire;
    this.hello = p.decodeHello(this.#ask('HELLO').payload);
    if (this.hello.version !== p.PROTOCOL_VERSION) {
      throw new StillframeError({ doing: 'start helper', why: `it speaks protocol ${this.hello.version}, this is ${p.PROTOCOL_VERSION}`, remedy: 'Build or install again' });
    }
  }

  /**
   * Starts a helper.
   * @param faults allow `fault()`: for tests
   * @throws StillframeError: no Linux on x86-64, no binary, koffi does not load
   */
  static start({ faults = false, path = helperPath() }: { faults?: boolean; path?: string } = {}): Helper {
    const libc = loadLibc();
    const above = takeHelper();
    if (above !== undefined) return new Helper(new Wire(above), process.ppid);
    const [ours, theirs] = libc.socketpair();
    try {
      const pid = libc.spawn(path, faults ? ['3', '--faults'] : ['3'], theirs);
      libc.close(theirs);
      return new Helper(new Wire(ours), pid);
    } catch (error) {
      libc.close(ours);
      throw error;
    }
  }

  /** Ends the helper: it lets go (or kills, when taken over) what it still traces. A restore that was not let go is killed. Waits for its end. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#wire.close();
    this.#ended();
  }

  #ended(): void {
    this.#exited ??= loadLibc().waitpid(this.pid, true);
    if (this.#root === undefined) return;
    // with CLONE_PARENT it is our child and outlives the helper; its own children die with it
    if (parentOf(this.#root) === process.pid) process.kill(this.#root, 'SIGKILL');
    this.#root = undefined;
  }

  /** Stops threads: all are asked, then waited for. What went wrong with one is in its `status`; nothing is thrown for it. */
  seize(tids: readonly number[], { timeoutMs = 0, thaw }: SeizeOptions = {}): p.Seized[] {
    if (thaw !== undefined) {
      const fd = openSync(thaw.path, 'r+');
      try {
        return p.decodeSeized(this.#exchange('SEIZE_FROZEN', [p.encodeThaw(timeoutMs, thaw.text, tids)], fd).payload);
      } finally {
        closeSync(fd);
      }
    }
    return p.decodeSeized(this.#ask('SEIZE', p.encodeWords([timeoutMs, ...tids])).payload);
  }

  /** Registers, masks and queues of seized threads, in the order asked for. */
  state(tids: readonly number[]): p.ThreadState[] {
    return this.beginState(tids)();
  }

  /** The same, while the caller does something else that does not need the helper. What is returned waits for the answer. */
  beginState(tids: readonly number[]): () => p.ThreadState[] {
    const reply = this.#begin('STATE', [p.encodeWords(tids)]);
    return () => p.decodeStates(reply().payload);
  }

  /** Runs a program in a seized thread and brings the thread home. The block tells how it went: `check()` it. */
  run(tid: number, program: Program, options: RunOptions): RanBlock {
    return this.runEach([tid], program, options)[0]!;
  }

  /** The same for several threads of one process, one after the other, with one request. Blocks in the order of `tids`. */
  runEach(tids: readonly number[], program: Program, { landing, together, doneSignal = 0, timeoutMs = 0, take }: RunOptions): RanBlock[] {
    const head = Buffer.alloc(RUN + Math.ceil(tids.length / 2) * 8);
    head.writeUInt32LE(tids.length, 0);
    head.writeUInt32LE(doneSignal, 4);
    head.writeBigUInt64LE(landing, 8);
    head.writeUInt32LE(timeoutMs, 16);
    head.writeUInt32LE(take === undefined ? 0 : take.index + 1, 20);
    head.writeBigUInt64LE(together?.second ?? 0n, 24);
    head.writeUInt32LE(together?.pid ?? 0, 32);
    tids.forEach((tid, i) => head.writeUInt32LE(tid, RUN + 4 * i));
    const block = program.encode();
    const { payload } = this.#ask('RUN', head, block);
    return tids.map((_, i) => new RanBlock(program, payload.subarray(i * block.length, (i + 1) * block.length)));
  }

  /** The same in threads of processes that do not share memory, side by side. Landings must be unused (`findLandings`). Blocks in the order of `visits`. */
  visit(visits: readonly Visit[], program: Program, timeoutMs = 0): RanBlock[] {
    const block = program.encode();
    const ran: RanBlock[] = [];
    for (let from = 0; from < visits.length; from += MAX_VISITS) {
      const some = visits.slice(from, from + MAX_VISITS);
      const head = Buffer.alloc(8 + 16 * some.length);
      head.writeUInt32LE(some.length, 0);
      head.writeUInt32LE(timeoutMs, 4);
      some.forEach(({ tid, doneSignal, landing }, i) => {
        head.writeUInt32LE(tid, 8 + 16 * i);
        head.writeUInt32LE(doneSignal, 12 + 16 * i);
        head.writeBigUInt64LE(landing, 16 + 16 * i);
      });
      const { payload } = this.#ask('VISIT', head, block);
      for (let i = 0; i < some.length; i++) ran.push(new RanBlock(program, payload.subarray(i * block.length, (i + 1) * block.length)));
    }
    return ran;
  }

  /** Runs a program in the helper. Descriptors it opens stay open there under their numbers. */
  local(program: Program): RanBlock {
    return new RanBlock(program, this.#ask('LOCAL', program.encode()).payload);
  }

  /** Sees that a program is run when the helper dies before `guard()` without one is called. It has what the helper has open now. */
  guard(program?: Program): void {
    this.#ask('GUARD', ...(program === undefined ? [] : [program.encode()]));
  }

  /** CPUID's four registers. A leaf that this processor has not answers with something of another one (Intel) or zeros (AMD). */
  cpuid(leaf: number, sub: number): { eax: number; ebx: number; ecx: number; edx: number } {
    const { payload } = this.#ask('CPUID', p.encodeWords([leaf, sub]));
    return { eax: payload.readUInt32LE(0), ebx: payload.readUInt32LE(4), ecx: payload.readUInt32LE(8), edx: payload.readUInt32LE(12) };
  }

  /** Lets threads go on as they were. `signal`: 0, or SIGSTOP to leave them stopped. Answers 0 or -errno for each. */
  detach(tids: readonly number[], { signal = 0 }: { signal?: number } = {}): number[] {
    const answers = p.decodeWords(this.#ask('DETACH', p.encodeWords(tids.flatMap((tid) => [tid, signal]))).payload);
    if (tids.some((tid, i) => tid === this.#root && answers[i] === 0)) this.#root = undefined;
    return answers;
  }

  /** SIGKILL, then waits until each is gone or a zombie. Answers 0 or -errno for each. */
  kill(pids: readonly number[]): number[] {
    return p.decodeWords(this.#ask('KILL', p.encodeWords(pids)).payload);
  }

  /** What the page tables say about ranges of a task; regions come in the order of the ranges and never span two. */
  scan(pid: number, ranges: readonly p.Range[], { anyOf, noneOf = 0n, allOf = 0n, report, maxRegions = 0, oldKernel = false, protect = false, quiet = false, orAbsent = false }: ScanOptions): p.Region[] {
    if (ranges.length === 0) return [];
    const head = Buffer.concat([p.encodeWords([pid, (oldKernel ? 1 : 0) | (protect === 'tracked' ? 6 : protect ? 2 : 0) | (quiet ? 8 : 0) | (orAbsent ? 16 : 0)]), p.encodeQuads([0n, 0n, BigInt(maxRegions), anyOf, noneOf, report, allOf])]);
    return p.decodeRegions(this.#ask('SCAN', head, p.encodeRanges(ranges)).payload);
  }

  /**
   * Copies ranges of a task's memory, laid end to end, to a file at `offset`. `to`: our descriptor, or `{ held }` a number in
   * the helper. Returns the bytes copied. A full disk is ENOSPC; the file then has what was written before.
   * @param mayVanish the task runs: what cannot be read any more is zeros in the file
   * @param places where in the file each range goes, in place of `offset`
   */
  pages(pid: number, to: number | { readonly held: number }, offset: bigint, ranges: readonly p.Range[], { workers = 0, mayVanish = false, places }: { workers?: number; mayVanish?: boolean; places?: readonly bigint[] } = {}): bigint {
    const held = typeof to === 'number' ? -1 : to.held;
    if (places !== undefined && places.length !== ranges.length) throw new RangeError(`${places.length} places for ${ranges.length} ranges`);
    const flags = (workers | (mayVanish ? PAGES_MAY_VANISH : 0) | (places === undefined ? 0 : PAGES_PLACED)) >>> 0;
    const head = Buffer.concat([p.encodeWords([pid, held]), p.encodeQuads([offset]), p.encodeWords([ranges.length, flags])]);
    return this.#exchange('PAGES', [head, p.encodeRanges(ranges), p.encodeQuads(places ?? [])], typeof to === 'number' ? to : undefined).payload.readBigUInt64LE(0);
  }

  /** Copies ranges (addresses are offsets in `from`) of a held descriptor, laid end to end, to another at `offset`. To the same: each range is moved as a whole, one after the other. */
  filePages(from: number, to: number, offset: bigint, ranges: readonly p.Range[]): bigint {
    const head = Buffer.concat([p.encodeWords([from, to]), p.encodeQuads([offset]), p.encodeWords([ranges.length, 0])]);
    return this.#ask('FILE_PAGES', head, p.encodeRanges(ranges)).payload.readBigUInt64LE(0);
  }

  /** Bytes of a task's memory; shorter when a page cannot be read. */
  peek(pid: number, address: bigint, size: number): Buffer {
    return this.#ask('PEEK', p.encodeWords([pid, size]), p.encodeQuads([address])).payload;
  }

  poke(pid: number, address: bigint, bytes: Uint8Array): void {
    this.#ask('POKE', p.encodeWords([pid, bytes.length]), p.encodeQuads([address]), bytes);
  }

  /**
   * What the kernel tells of descriptors of a task, which must be seized or be ours.
   * @param fds in this order; undefined: all of its table, by ascending number
   */
  descriptors(pid: number, fds?: readonly number[]): p.HeldDescriptor[] {
    return fds?.length === 0 ? [] : p.decodeDescriptors(this.#ask('DESCRIPTORS', p.encodeWords([pid, ...fds ?? []])).payload);
  }

  /**
   * For each kernel object the place of the first that is the very same (kcmp(2)). Only those with the same type and key are compared: at
   * most n log n times.
   * @param objects OBJECT_WORDS words each
   */
  same(objects: Uint32Array): Uint32Array {
    if (objects.length === 0) return objects;
    const { payload } = this.#ask('SAME', new Uint8Array(objects.buffer, objects.byteOffset, objects.byteLength));
    return new Uint32Array(payload.buffer, payload.byteOffset, payload.length / 4);
  }

  /** Gives the helper a copy of our descriptor; returns its number there. */
  putFd(fd: number): number {
    return this.#exchange('PUT_FD', [], fd).payload.readInt32LE(0);
  }

  /** A copy, ours to close, of a descriptor the helper holds. */
  getFd(held: number): number {
    const { fd } = this.#ask('GET_FD', p.encodeWords([held]));
    if (fd < 0) throw new StillframeError({ doing: DOING.GET_FD, where: `descriptor ${held}`, why: 'none came along', remedy: "The limit of open files may be reached: 'ulimit -n'" });
    return fd;
  }

  closeFds(held: readonly number[]): void {
    this.#ask('CLOSE', p.encodeWords(held));
  }

  /**
   * Makes the restore's shared memory, mapped at `address` in the helper and so in every task spawned from it. Its first
   * `executorSize` bytes are the executor. EEXIST: choose another address. `fd` is ours: write the blocks through it.
   */
  arena(address: bigint, size: bigint): { readonly fd: number; readonly executorSize: number } {
    const reply = this.#ask('ARENA', p.encodeQuads([address, size]));
    return { fd: reply.fd, executorSize: Number(reply.payload.readBigUInt64LE(0)) };
  }

  /**
   * Starts the first task of a restore on its block in the arena. `pid` 0: any. Returns its pid. It is the helper's child and dies
   * with it until it is taken over; when the helper ends later, it becomes ours (after `adoptOrphans`) or init's.
   */
  spawn(block: bigint, pid: number, cloneFlags = 0n): number {
    return this.#root = this.#ask('SPAWN', p.encodeQuads([block]), p.encodeWords([pid, 0]), p.encodeQuads([cloneFlags])).payload.readInt32LE(0);
  }

  /**
   * Waits until `parked` threads have parked, one has failed or died, or the time is up.
   * @param shared address of `struct sf_shared` in the arena
   * @param blocks of threads whose death while they run is to be noticed (their tids as the helper sees them)
   */
  await(shared: bigint, parked: number, timeoutMs: number, blocks: readonly bigint[] = []): p.Awaited {
    return p.decodeAwaited(this.#ask('AWAIT', p.encodeQuads([shared]), p.encodeWords([parked, timeoutMs]), p.encodeQuads(blocks)).payload);
  }

  /** Makes parked threads into what they were. They stay stopped until `detach`, and die if the helper does. */
  takeover(threads: readonly p.Takeover[]): p.Taken[] {
    return p.decodeTaken(this.#ask('TAKEOVER', ...threads.map(p.encodeTakeover)).payload);
  }

  /**
   * Leaves a process behind that holds a descriptor for as long as the task has the address space that `space` (a held /proc/PID/pagemap) is of.
   * @param held the descriptor, a number of the helper's; its 3 there. Undefined: the process alone is what counts
   * @param words its command line behind the name
   * @returns its pid
   */
  keep(pid: number, held: number | undefined, space: number, words: readonly string[]): number {
    const text = Buffer.from([KEEPER_NAME, ...words].map((word) => `${word}\0`).join(''), 'latin1');
    return this.#ask('KEEP', p.encodeWords([pid, held ?? -1, space, text.length]), text).payload.readInt32LE(0);
  }

  /** Plans a fault, replacing the last plan; returns how many points the last plan saw. Only with `faults`. */
  fault({ request, nth, errno, where }: FaultPlan): number {
    return this.#ask('FAULT', p.encodeWords([p.Req[request], nth, errno, where === undefined ? 0 : p.where(where)])).payload.readUInt32LE(0);
  }

  #ask(name: p.ReqName, ...parts: Uint8Array[]): Reply {
    return this.#exchange(name, parts);
  }

  #exchange(name: p.ReqName, parts: readonly Uint8Array[], fd?: number): Reply {
    return this.#begin(name, parts, fd)();
  }

  #begin(name: p.ReqName, parts: readonly Uint8Array[], fd?: number): () => Reply {
    if (this.#closed) throw new StillframeError({ doing: DOING[name], where: 'helper', why: 'it was closed before' });
    const finish = this.#alive(name, () => this.#wire.begin(p.Req[name], parts, fd));
    return () => {
      const reply = this.#alive(name, finish);
      if (reply.status !== 0) throw requestError(name, reply);
      return reply;
    };
  }

  #alive<T>(name: p.ReqName, speak: () => T): T {
    try {
      return speak();
    } catch (error) {
      throw error instanceof WireClosed ? this.#death(name, error) : error;
    }
  }

  #death(name: p.ReqName, cause: WireClosed): StillframeError {
    this.#ended();
    return new StillframeError({ doing: DOING[name], where: `helper (pid ${this.pid})`, why: `it ended: ${describeExit(this.#exited)}`, cause });
  }
}

/** First word of a keeper's command line. */
export const KEEPER_NAME = 'stillframe-keeper';
const PAGES_MAY_VANISH = 0x8000_0000, PAGES_PLACED = 0x4000_0000;
/** SF_MAX_VISITS */
const MAX_VISITS = 64;
/** Bytes of struct sf_run. */
const RUN = 40;

/** Parent of a process; undefined when it is gone. */
function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

const PR_SET_CHILD_SUBREAPER = 36;

/** Lets this process become the parent of restored tasks when the helper ends, so that it can wait for them. */
export function adoptOrphans(): void {
  loadLibc().prctl(PR_SET_CHILD_SUBREAPER, 1);
}

function describeExit(status: number | undefined): string {
  if (status === undefined) return 'somebody else waited for it';
  return (status & 0x7f) !== 0 ? `killed by signal ${status & 0x7f}` : `exit code ${(status >> 8) & 0xff}`;
}

function requestError(name: p.ReqName, { status, where, subject }: Reply): StillframeError {
  const [step, sentence] = p.WHERE[where] ?? ['NOTHING', `step ${where}`];
  const errno = errnoName(-status);
  const remedy = REMEDIES[`${step} ${errno}`];
  return new StillframeError({ doing: DOING[name], where: subject === 0 && step !== 'FD' ? 'helper' : `${SUBJECT[step] ?? 'task'} ${subject}`, why: `${sentence}: ${errno}`, ...(remedy === undefined ? {} : { remedy }) });
}

/** What `subject` of a failed step is, when not a task. */
const SUBJECT: Readonly<Partial<Record<p.WhereName, string>>> = { DECODE: 'entry', WRITE: 'descriptor', FD: 'descriptor', CLONE: 'pid' };

/** Where the binary is: `STILLFRAME_HELPER`, the source tree, or beside the bundle. */
export function helperPath(): string {
  const wanted = process.env['STILLFRAME_HELPER'];
  if (wanted !== undefined) return wanted;
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new StillframeError({ doing: 'start helper', why: `this is ${process.platform} on ${process.arch}`, remedy: 'dump and restore need Linux on x86-64; images can be read anywhere' });
  }
  const tried = ['../../helper/stillframe-helper', './stillframe-helper', '../stillframe-helper', '../helper/stillframe-helper'].map((path) => fileURLToPath(new URL(path, import.meta.url)));
  const found = tried.find((path) => existsSync(path));
  if (found === undefined) throw new StillframeError({ doing: 'start helper', where: tried[0], why: 'ENOENT', remedy: "Build it with 'make helper'" });
  return found;
}
