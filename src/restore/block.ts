/** One program of a restore with all that belongs to it: whose it is, where its block lies, how its thread is taken over. */
import { DataRef, Deferred, Op, type Expect, type Program, type StepInfo } from '../program/program.ts';
import { syscallName } from '../kernel/syscalls.ts';
import type { SyscallName } from '../kernel/syscalls.ts';

/** A call made in a thread by ptrace after its program ran, with absolute arguments. */
export interface RemoteCall {
  readonly name: SyscallName;
  readonly args: readonly (number | bigint | Deferred)[];
  readonly resource: string;
  readonly expect?: Expect;
}

/** What a thread is given when it is taken over. */
export interface Takeover {
  readonly sigmask: bigint;
  readonly registers: Buffer;
  readonly xstate: Buffer;
  readonly calls: readonly RemoteCall[];
  /** The restartable sequence it was in: what its rseq area pointed to. Registering the area clears it. */
  readonly rseqCs: { readonly address: bigint; readonly value: bigint } | undefined;
  /** Left stopped by this signal; 0: goes on. */
  readonly stopSignal: number;
}

export class BlockPlan {
  /** Set when the arena is laid out. */
  address: bigint | undefined;
  takeover: Takeover | undefined;
  readonly arg: Deferred;

  /** @param parks whether its thread lives on */
  constructor(readonly program: Program, readonly pid: number, readonly tid: number, readonly parks: boolean) {
    this.arg = new Deferred(`block of ${program.subject}`, () => {
      if (this.address === undefined) throw new RangeError(`the block of ${program.subject} has no place yet`);
      return this.address;
    });
  }

  /** Where something of the program's data is in the task. */
  dataAt(ref: DataRef): Deferred {
    return new Deferred(`data+${ref.offset} of ${this.program.subject}`, () => BigInt(this.arg.value()) + BigInt(this.program.layout().data + ref.offset));
  }

  /**
   * Takes the steps from index `from` on out of the program, to be made by ptrace after it ran. They must be system calls that use
   * nothing of each other's results.
   */
  takeOut(from: number): RemoteCall[] {
    return this.program.steps.splice(from).map((step) => this.#remote(step));
  }

  #remote({ op, nr, args, resource, expect }: StepInfo): RemoteCall {
    if (op !== Op.SYSCALL) throw new RangeError('only a system call can be made by ptrace');
    return {
      name: syscallName(nr) as SyscallName, resource, expect,
      args: args.map((arg) => {
        if (arg instanceof DataRef) return this.dataAt(arg);
        if (typeof arg === 'number' || typeof arg === 'bigint' || arg instanceof Deferred) return arg;
        throw new RangeError('a call made by ptrace cannot use the result of another');
      }),
    };
  }
}
