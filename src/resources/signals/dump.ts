/** Signals: actions of the process, alternate stack of a thread, queued signals with their siginfo. */
import { create } from '../../image/wire.ts';
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
  return (ran) => ACTIONABLE.map((_, i) => {
    const at = ran.data(actions.at(i * SIGACTION_SIZE), SIGACTION_SIZE);
    return create(sa_entry, {
      sigaction: at.readBigUInt64LE(0), flags: at.readBigUInt64LE(8), restorer: at.readBigUInt64LE(16), mask: at.readBigUInt64LE(24),
      compat_sigaction: false,
    });
  });
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
