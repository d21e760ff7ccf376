/** Runs a plan: the helper's program, the arena, the tasks' programs, the takeover. Takes everything back when something fails. */
import { closeSync, existsSync, readFileSync, readSync, writeSync } from 'node:fs';
import { writePidfile } from '../cli/pidfile.ts';
import { StillframeError } from '../errors.ts';
import type { Helper } from '../helper/client.ts';
import { loadLibc } from '../helper/koffi.ts';
import { AwaitEnd, WHERE, type Taken } from '../helper/protocol.ts';
import { errnoName } from '../kernel/errno.ts';
import { SYSCALLS } from '../kernel/syscalls.ts';
import { CLONE } from '../kernel/process.ts';
import { SIG, signalName } from '../kernel/signals.ts';
import { runCommand } from '../network-lock/run.ts';
import { Level, type Log } from '../log.ts';
import { tryReadProcText } from '../proc/read.ts';
import { Deferred, Program, State, type RanBlock } from '../program/program.ts';
import { askClocks } from '../resources/namespaces/time/clocks.ts';
import { encodeBlock, encodeShared, layOut, type ArenaLayout } from './arena.ts';
import type { BlockPlan } from './block.ts';
import type { RestoreOptions } from './options.ts';
import type { RestorePlan } from './plan.ts';

const doing = 'restore';
/** A program that takes longer than this without any change is stuck. */
const STUCK_MS = 60_000;
const PAGE = 4096;
const SLICE_MS = 1000, WATCHED_SLICE_MS = 100;
/** How long killed tasks may take to be gone. */
const GONE_MS = 10_000;
/** Where the executor writes in a block (helper/program.h). */
const STATE_AT = 48;

export class RestoreRun {
  #arenaFd: number | undefined;
  #arena: ArenaLayout | undefined;
  #root: number | undefined;
  #filled = 0;
  /** What the helper did before there was a task. */
  #ran: RanBlock | undefined;

  constructor(readonly plan: RestorePlan, readonly helper: Helper, readonly options: RestoreOptions, readonly log: Log) {}

  /** Times in microseconds. @throws StillframeError; nothing of the tree is left then */
  run(): { forking: number } {
    const { plan, options } = this;
    try {
      this.#open();
      this.#placeBlocks();
      options.scripts.run('setup-namespaces');
      const forked = performance.now();
      this.#spawn();
      this.#awaitParked();
      if (plan.context.late.steps.length > 0) this.helper.local(plan.context.late).check(doing);
      const forking = Math.round((performance.now() - forked) * 1000);
      options.scripts.run('post-setup-namespaces', { initPid: plan.rootPid });
      this.#takeOver();
      options.scripts.run('post-restore', { initPid: plan.rootPid });
      if (options.pidfile !== undefined) writePidfile(options.pidfile, plan.rootPid);
      if (plan.context.finalCommand !== undefined) runCommand(plan.context.finalCommand);
      if (plan.context.final.steps.length > 0) this.helper.local(plan.context.final).check(doing);
      options.scripts.run('pre-resume', { initPid: plan.rootPid });
      this.#resume();
      this.#afterwards();
      return { forking };
    } catch (error) {
      this.#takeBack();
      throw error;
    } finally {
      if (this.#arenaFd !== undefined) closeSync(this.#arenaFd);
      this.#arenaFd = undefined;
    }
  }

  /** The helper opens and makes what tasks will fetch. */
  #open(): void {
    const { context } = this.plan;
    context.helperPid = this.helper.hello.pid;
    if (context.host.terminal !== undefined && this.options.shellJob) context.terminalFd = this.helper.putFd(context.host.terminal);
    context.inherited.hand((fd) => this.helper.putFd(fd));
    const { local } = context;
    const clocks = new Program('helper');
    const read = askClocks(clocks);
    context.clocks = read(this.helper.local(clocks).check(doing));
    this.log.debug(`Opening ${local.opened.length} files in ${local.program.steps.length} steps`);
    if (local.program.steps.length === 0) return;
    const ran = this.helper.local(local.program);
    if (ran.state !== State.DONE) {
      const undo = local.undoAt(ran, ran.at);
      if (undo !== undefined) this.helper.local(undo);
    }
    local.settle(ran.check(doing));
    this.#ran = ran;
    context.ran = ran;
    for (const text of local.warnings(ran)) this.log.warn('restore', text);
  }

  #placeBlocks(): void {
    const { context, blocks, parties } = this.plan;
    const address = context.arenaAddress!;
    const layout = layOut(blocks, address, this.helper.hello.executorSize);
    context.arenaSize = layout.size;
    this.#arena = layout;
    this.#arenaFd = this.helper.arena(address, layout.size).fd;
    this.log.debug(`Arena of ${layout.size} bytes at 0x${address.toString(16)} for ${blocks.length} programs`);
    this.#write(encodeShared(parties), layout.shared);
    for (const block of blocks) {
      try {
        this.#write(encodeBlock(block, layout.shared), block.address!);
        if (this.log.level >= Level.DEBUG) this.log.forTask(block.pid).debug(`${block.program.subject}: ${block.program.steps.length} steps to do`);
      } catch (cause) {
        if (cause instanceof StillframeError) throw cause;
        throw new StillframeError({ doing, where: block.program.subject, why: `its program cannot be encoded: ${cause instanceof Error ? cause.message : String(cause)}`, cause });
      }
    }
  }

  #write(bytes: Buffer, address: bigint): void {
    const at = Number(address - this.plan.context.arenaAddress!);
    for (let done = 0; done < bytes.length;) done += writeSync(this.#arenaFd!, bytes, done, bytes.length - done, at + done);
  }

  #spawn(): void {
    const { plan } = this;
    const root = plan.blocks[0]!;
    this.log.info(`Forking task with ${plan.rootPid} pid`);
    this.#root = this.helper.spawn(root.address!, plan.rootPid, plan.context.options.parentIsCaller ? BigInt(CLONE.PARENT) : 0n);
  }

  #awaitParked(): void {
    const parking = this.plan.blocks.filter(({ parks }) => parks);
    const addresses = parking.map(({ address }) => address!);
    let last = -1;
    let since = performance.now();
    for (;;) {
      const { end, pid, waitStatus, parked } = this.helper.await(this.#arena!.shared, parking.length, this.options.progress === undefined ? SLICE_MS : WATCHED_SLICE_MS, addresses);
      this.#report();
      if (end === AwaitEnd.ALL_PARKED) {
        if (this.log.level >= Level.DEBUG) for (const block of this.plan.blocks) this.log.forTask(block.pid).debug(`${block.program.subject}: all done, waits to be let go`);
        return;
      }
      if (end === AwaitEnd.ONE_FAILED) throw this.#failure();
      if (end === AwaitEnd.ONE_DIED) throw this.#death(pid, waitStatus);
      const progress = this.#progress() + parked;
      if (progress !== last) since = performance.now();
      last = progress;
      if (performance.now() - since > STUCK_MS) throw this.#stuck();
    }
  }

  /** How much memory is filled, by what the kernel counts for the tasks that are there. */
  #report(): void {
    const { progress } = this.options;
    if (progress === undefined) return;
    const total = Number(this.plan.context.pageCounts.restored) * PAGE;
    let done = 0;
    for (const pid of new Set(this.plan.blocks.map((block) => block.pid))) done += Number(tryReadProcText(`/proc/${pid}/statm`)?.split(' ')[1] ?? 0) * PAGE;
    // the kernel's counters lag behind, each by its own
    this.#filled = Math.max(this.#filled, Math.min(done, total));
    progress.report('memory contents', this.#filled, total);
  }

  /** What the executor wrote into a block. */
  #stateOf(block: BlockPlan): { state: number; at: number; result: bigint; tid: number } {
    const bytes = this.#read(block.address! + BigInt(STATE_AT), 24);
    return { state: bytes.readUInt32LE(0), at: bytes.readUInt32LE(4), result: bytes.readBigInt64LE(8), tid: bytes.readUInt32LE(16) };
  }

  #read(address: bigint, size: number): Buffer {
    const bytes = Buffer.alloc(size);
    readAt(this.#arenaFd!, bytes, Number(address - this.plan.context.arenaAddress!));
    return bytes;
  }

  #progress(): number {
    return this.plan.blocks.reduce((sum, block) => sum + this.#stateOf(block).at, 0);
  }

  /** The step that failed, told. Others only gave up because of it. */
  #failure(): StillframeError {
    for (const block of this.plan.blocks) {
      const { state, at, result } = this.#stateOf(block);
      if (state !== State.FAILED) continue;
      const error = block.program.failure(doing, at, result);
      this.log.forTask(block.pid).info(`step ${at} failed: ${error.message}`);
      return error;
    }
    return new StillframeError({ doing, why: 'a program gave up and no step of it failed' });
  }

  #death(pid: number, status: number): StillframeError {
    const block = this.plan.blocks.find(({ tid }) => tid === pid);
    const how = status === 0 ? 'it died' : (status & 0x7f) !== 0 ? `it was killed by ${signalName(status & 0x7f)}` : `it ended with code ${status >> 8}`;
    if (block === undefined) return new StillframeError({ doing, where: `task ${pid}`, why: how });
    const step = block.program.steps[this.#stateOf(block).at];
    return new StillframeError({
      doing, where: step === undefined || step.resource === '' ? block.program.subject : `${block.program.subject}, ${step.resource}`, why: how,
      remedy: 'Was it killed for want of memory? The kernel log says (dmesg)',
    });
  }

  #stuck(): StillframeError {
    const where = this.plan.blocks.filter((block) => this.#stateOf(block).state === State.RUNNING).slice(0, 5)
      .map((block) => `${block.program.subject} (${block.program.steps[this.#stateOf(block).at]?.resource ?? '?'})`);
    return new StillframeError({ doing, where: where.join(', '), why: `no step was done for ${STUCK_MS / 1000} seconds` });
  }

  /** Threads first, leaders after, whose last call takes the arena away from all threads of the process. */
  #takeOver(): void {
    const blocks = [...this.plan.blocks.filter(({ parks }) => parks)].sort((a, b) => rank(a) - rank(b));
    const taken = this.helper.takeover(blocks.map(({ pid, tid, takeover }) => ({
      tid, group: rank({ pid, tid, takeover }), sigmask: takeover!.sigmask, regs: takeover!.registers, xstate: takeover!.xstate,
      calls: takeover!.calls.map(({ name, args, expect }) => ({ nr: SYSCALLS[name], expect, args: args.map((arg) => (arg instanceof Deferred ? BigInt(arg.value()) : arg)) })),
    })));
    const failed = taken.find(({ status }) => status !== 0 && errnoName(-status) !== 'ECANCELED') ?? taken.find(({ status }) => status !== 0);
    if (failed !== undefined) throw this.#takeoverFailure(failed, blocks.find(({ tid }) => tid === failed.tid));
    for (const { pid, takeover } of blocks) {
      if (takeover!.rseqCs !== undefined) this.helper.poke(pid, takeover!.rseqCs.address, quad(takeover!.rseqCs.value));
    }
  }

  #takeoverFailure({ tid, status, where, call }: Taken, block: BlockPlan | undefined): StillframeError {
    const [step, sentence] = WHERE[where] ?? ['NOTHING', `step ${where}`];
    const subject = block?.program.subject ?? `thread ${tid}`;
    const remote = step === 'REMOTE_CALL' ? block?.takeover?.calls[call] : undefined;
    if (remote !== undefined) {
      return new StillframeError({ doing, where: `${subject}, ${remote.resource}`, why: `${remote.name}(${remote.args.map((arg) => (arg instanceof Deferred ? `<${arg.label}>` : String(arg))).join(', ')}): ${errnoName(-status)}` });
    }
    return new StillframeError({
      doing, where: subject, why: `${sentence}: ${errnoName(-status)}`,
      remedy: step === 'SEIZE' ? 'Is it traced by a debugger, or does a security module forbid tracing?' : undefined,
    });
  }

  /** Lets all go at once; what was stopped stays stopped. */
  #resume(): void {
    // those that stop first, so that nobody who runs finds them running
    const bySignal = new Map<number, number[]>();
    for (const { parks, pid, tid, takeover } of this.plan.blocks) {
      if (!parks) continue;
      const signal = takeover!.stopSignal !== 0 ? takeover!.stopSignal : this.options.leaveStopped && pid === tid ? SIG.STOP : 0;
      const tids = bySignal.get(signal);
      if (tids === undefined) bySignal.set(signal, [tid]);
      else tids.push(tid);
    }
    for (const [signal, tids] of [...bySignal].sort(([a], [b]) => b - a)) {
      const results = this.helper.detach(tids, { signal });
      const at = results.findIndex((status) => status !== 0);
      if (at >= 0) throw new StillframeError({ doing, where: `thread ${tids[at]}`, why: `it could not be let go: ${errnoName(-results[at]!)}` });
    }
  }

  /** The tree runs: what fails now is told, and no failure of the restore. */
  #afterwards(): void {
    const { afterwards } = this.plan.context;
    if (afterwards.steps.length === 0) return;
    try {
      this.helper.local(afterwards).check(doing);
    } catch (error) {
      this.log.warn('restore', error instanceof Error ? error.message : String(error));
    }
  }

  /** Kills what was made, and waits until it is gone. Only tasks that are known to be ours. */
  #takeBack(): void {
    if (this.#root !== undefined) this.#endTasks(this.#root);
    this.#undo();
    this.helper.close();
  }

  /** What the helper made that lasts without a task. */
  #undo(): void {
    const undo = this.#ran === undefined ? undefined : this.plan.context.local.undoAt(this.#ran);
    if (undo === undefined) return;
    try {
      this.helper.local(undo);
    } catch {
      this.log.warn('restore', `the helper is gone and could not take back: ${[...new Set(undo.steps.map(({ resource }) => resource))].join(', ')}`);
    }
  }

  #endTasks(root: number): void {
    const ours = new Set([root]);
    if (this.#arenaFd !== undefined) for (const block of this.plan.blocks) if (this.#stateOf(block).tid !== 0) ours.add(block.pid);
    try {
      this.helper.kill([root]);
      this.helper.kill([...ours].filter((pid) => pid !== root));
    } catch {
      // the helper is gone: what it had taken over died with it, the rest has PR_SET_PDEATHSIG
      for (const pid of ours) killQuietly(pid);
    }
    if (this.plan.context.options.parentIsCaller) loadLibc().waitpid(root, true);
    const until = performance.now() + GONE_MS;
    const left = (): number[] => [...ours].filter(isThere);
    while (left().length > 0 && performance.now() < until) pause(2);
    for (const pid of left()) this.log.warn('restore', `task ${pid}, which was half restored, is still there; kill -9 ${pid} ends it`);
  }

  /** Waits for the end of the root task, whose parent we are. */
  awaitRoot(): number | undefined {
    return loadLibc().waitpid(this.plan.rootPid, true);
  }
}

const rank = ({ pid, tid, takeover }: Pick<BlockPlan, 'pid' | 'tid' | 'takeover'>): number => (pid !== tid ? 0 : takeover!.calls.some(({ name }) => name === 'munmap') ? 2 : 1);

function quad(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

function readAt(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length;) {
    const n = readSync(fd, bytes, done, bytes.length - done, position + done);
    if (n === 0) throw new RangeError('the arena ended');
    done += n;
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it is gone already
  }
}

/** Whether a process is there and not just waiting to be waited for. */
function isThere(pid: number): boolean {
  if (!existsSync(`/proc/${pid}`)) return false;
  try {
    return !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
