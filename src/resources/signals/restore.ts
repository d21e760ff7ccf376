/** Signals: actions, queued signals with their siginfo, the alternate stack. The mask is set when a thread is taken over. */
import type { Task } from '../../image/tree.ts';
import type { sa_entry, signal_queue_entry, thread_sas_entry } from '../../image/schema/index.ts';
import { KERNEL_SIGACTION_SIZE, NSIG, SIG, SIGINFO_SIZE, signalName, SIGSET_SIZE, STACK_T_SIZE } from '../../kernel/signals.ts';
import { SELF_PID, SELF_TID, type Program } from '../../program/program.ts';

/** All signals, as a kernel signal set. */
export const ALL_SIGNALS = 0xffff_ffff_ffff_ffffn;
const EAGAIN = 11;
const SS_DISABLE = 2;

/**
 * The image has one action a signal, without SIGKILL and SIGSTOP. A task starts with the default actions (CLONE_CLEAR_SIGHAND for the root;
 * children are made before their parent sets its own), so only others are set.
 */
export function addActions(p: Program, actions: readonly sa_entry[]): void {
  let i = 0;
  for (let signal = 1; signal <= NSIG; signal++) {
    if (signal === SIG.KILL || signal === SIG.STOP) continue;
    const action = actions[i++];
    if (action === undefined) return;
    if (action.sigaction === 0n && action.flags === 0n && action.restorer === 0n && action.mask === 0n) continue;
    p.resource(`action of ${signalName(signal)}`);
    p.call('rt_sigaction', [signal, p.data(encodeAction(action)), 0, SIGSET_SIZE], { keep: false });
  }
}

function encodeAction(action: sa_entry): Buffer {
  const bytes = Buffer.alloc(KERNEL_SIGACTION_SIZE);
  [action.sigaction, action.flags, action.restorer, action.mask].forEach((word, i) => bytes.writeBigUInt64LE(word, 8 * i));
  return bytes;
}

/**
 * Queues the signals that were waiting, to the whole task or to this thread.
 * All signals are blocked while this runs.
 */
export function addQueue(p: Program, queue: signal_queue_entry | undefined, whose: 'task' | 'thread'): void {
  for (const { siginfo } of queue?.signals ?? []) {
    const info = Buffer.alloc(SIGINFO_SIZE);
    Buffer.from(siginfo).copy(info, 0, 0, SIGINFO_SIZE);
    const signal = info.readInt32LE(0);
    if (signal === SIG.STOP) continue; // nothing blocks it: see stopsWith
    p.resource(`pending ${signalName(signal)}`);
    const remedy = { EAGAIN: 'The limit of queued signals (sigpending) is reached: raise it' };
    if (whose === 'task') p.call('rt_sigqueueinfo', [SELF_PID, signal, p.data(info)], { keep: false, remedy });
    else p.call('rt_tgsigqueueinfo', [SELF_PID, SELF_TID, signal, p.data(info)], { keep: false, remedy });
  }
}

/** Stop signals that a handler or a blocking mask can keep from stopping: SIGTSTP, SIGTTIN, SIGTTOU. */
const SOFT_STOPS: ReadonlySet<number> = new Set([SIG.TSTP, SIG.TTIN, SIG.TTOU]);

/**
 * The signal that stops a task when it is let go; 0: it goes on. A task that was stopped stops by the same signal where that would stop it
 * again, else by SIGSTOP; one that had SIGSTOP pending stops at once, as it was about to.
 * @param orphaned whether its process group is orphaned: the kernel ignores the soft ones there (setpgid(2))
 */
export function stopsWith({ core, item, threads }: Task, stopped: boolean, orphaned: boolean): number {
  const tc = core.tc;
  const queues = [tc?.signals_s, ...[...threads.values()].map(({ thread_core }) => thread_core?.signals_p)];
  const pending = queues.some((queue) => queue?.signals.some(({ siginfo }) => Buffer.from(siginfo).readInt32LE(0) === SIG.STOP));
  if (!stopped) return pending ? SIG.STOP : 0;
  const signal = tc?.stop_signo ?? SIG.STOP;
  const blocked = threads.get(item.pid)?.thread_core?.blk_sigset ?? tc?.blk_sigset ?? 0n;
  const action = tc?.sigactions[signal - (signal > SIG.STOP ? 3 : signal > SIG.KILL ? 2 : 1)]?.sigaction ?? 0n;
  const stops = SOFT_STOPS.has(signal) && !orphaned && (blocked >> BigInt(signal - 1) & 1n) === 0n && action === 0n;
  return stops ? signal : SIG.STOP;
}

/** Takes away what the making of the tree itself queued: one SIGCHLD stands for any number of them. */
export function addDrainChildSignals(p: Program): void {
  p.resource('SIGCHLD of zombies');
  const set = p.data(new Uint8Array(BigUint64Array.of(1n << BigInt(SIG.CHLD - 1)).buffer));
  p.call('rt_sigtimedwait', [set, 0, p.reserve(16), SIGSET_SIZE], { keep: false, expect: { orErrno: EAGAIN } });
}

export function addAlternateStack(p: Program, sas: thread_sas_entry | undefined): void {
  if (sas === undefined || (sas.ss_flags === SS_DISABLE && sas.ss_sp === 0n)) return; // what a new thread has
  const bytes = Buffer.alloc(STACK_T_SIZE);
  bytes.writeBigUInt64LE(sas.ss_sp, 0);
  bytes.writeInt32LE(sas.ss_flags | 0, 8);
  bytes.writeBigUInt64LE(sas.ss_size, 16);
  p.resource('alternate signal stack').call('sigaltstack', [p.data(bytes), 0], { keep: false });
}
