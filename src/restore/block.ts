/** One program of a restore with all that belongs to it: whose it is, where its block lies, how its thread is taken over. */
import { Deferred, type Program } from '../program/program.ts';
import type { SyscallName } from '../kernel/syscalls.ts';

/** A call made in a thread by ptrace after its program ran, with absolute arguments. */
export interface RemoteCall {
  readonly name: SyscallName;
  readonly args: readonly (number | bigint | Deferred)[];
  readonly resource: string;
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
}
