/** Signals: actions of the process, alternate stack of a thread, queued signals with their siginfo. */
import { create, shared } from '../../image/wire.ts';
import { sa_entry, siginfo_entry, signal_queue_entry, thread_sas_entry } from '../../image/schema/index.ts';
import type { Program, RanBlock } from '../../program/program.ts';

export const SIGKILL = 9, SIGSTOP = 19;
const NSIG = 64;
/** struct sigaction of the x86-64 kernel: handler, flags, restorer, mask. */
const SIGACTION_SIZE = 32;
/** stack_t: ss_sp, ss_flags, padding, ss_size. */
const STACK_T_SIZE = 24;

/** Signals whose action can be set, in order. */
export const ACTIONABLE = Array.from({ length: NSIG }, (_, i) => i + 1).filter((signal) => signal !== SIGKILL && signal !== SIGSTOP);

/** Steps of a process's leader: what every signal does. */
export function askActions(program: Program): (ran: RanBlock) => sa_entry[] {
  program.resource('signal actions');
  const actions = program.reserve(ACTIONABLE.length * SIGACTION_SIZE);
  ACTIONABLE.forEach((signal, i) => program.call('rt_sigaction', [signal, 0, actions.at(i * SIGACTION_SIZE), 8], { keep: false }));
  return (ran) => readActions(ran.data(actions));
}

const action = (at: Buffer): sa_entry => create(sa_entry, {
  sigaction: at.readBigUInt64LE(0), flags: at.readBigUInt64LE(8), restorer: at.readBigUInt64LE(16), mask: at.readBigUInt64LE(24), compat_sigaction: false,
});

const NOTHING = Buffer.alloc(SIGACTION_SIZE);
const DEFAULT_ACTION = shared(action(NOTHING));
/** What the last process said: its children mostly say the same. */
let last: { bytes: Buffer; actions: sa_entry[] } | undefined;

function readActions(bytes: Buffer): sa_entry[] {
  if (last?.bytes.equals(bytes) !== true) {
    last = {
      bytes: Buffer.from(bytes),
      actions: shared(ACTIONABLE.map((_, i) => {
        const at = bytes.subarray(i * SIGACTION_SIZE, (i + 1) * SIGACTION_SIZE);
        return at.equals(NOTHING) ? DEFAULT_ACTION : action(at);
      })),
    };
  }
  return last.actions;
}

/** Steps of each thread: its alternate signal stack. */
export function askStack(program: Program): (ran: RanBlock) => thread_sas_entry {
  const stack = program.reserve(STACK_T_SIZE);
  program.call('sigaltstack', [0, stack], { keep: false, resource: 'alternate signal stack' });
  return (ran) => {
    const at = ran.data(stack);
    return create(thread_sas_entry, { ss_sp: at.readBigUInt64LE(0), ss_flags: at.readUInt32LE(8), ss_size: at.readBigUInt64LE(16) });
  };
}

/** @param queue siginfo_t's, oldest first */
export function signalQueue(queue: readonly Uint8Array[]): signal_queue_entry {
  return create(signal_queue_entry, { signals: queue.map((siginfo) => create(siginfo_entry, { siginfo: Uint8Array.from(siginfo) })) });
}
