/**
 * What dump asks of the helper, in the terms of `helper/protocol.h`. The real one is `src/helper/client.ts`; every call blocks, and a
 * failed one throws a StillframeError that names the request's step.
 */
import type { Program, RanBlock } from '../program/program.ts';

/** struct sf_seized */
export interface Seized {
  readonly tid: number;
  /** 0, or -errno: -ESRCH gone, -EPERM traced by somebody else or not permitted. */
  readonly status: number;
  /** The signal that had stopped the task before, or 0. */
  readonly stopSignal: number;
  /** It was already a zombie, or exited while it was being seized. */
  readonly zombie: boolean;
}

/** struct sf_thread_state with what follows it */
export interface ThreadState {
  readonly tid: number;
  readonly sigmask: bigint;
  readonly robustList: bigint;
  readonly robustLen: bigint;
  readonly rseqPointer: bigint;
  readonly rseqSize: number;
  readonly rseqSignature: number;
  readonly rseqFlags: number;
  /** struct user_regs_struct, 27 words. */
  readonly regs: Buffer;
  /** struct user_desc of GDT entries 12 to 14. */
  readonly tls: Buffer;
  /** NT_X86_XSTATE. */
  readonly xstate: Buffer;
  /** siginfo_t, 128 bytes each: the thread's queue, then the process's (leader only). */
  readonly threadSignals: readonly Buffer[];
  readonly processSignals: readonly Buffer[];
}

/** struct sf_region */
export interface Region { readonly start: bigint; readonly end: bigint; readonly categories: bigint }

/** struct sf_range */
export interface Range { readonly address: bigint; readonly size: bigint }
