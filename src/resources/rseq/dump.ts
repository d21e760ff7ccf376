/**
 * Restartable sequences (<linux/rseq.h>): the registration of a thread, and a thread stopped inside a critical section. Such a thread
 * must go on at the section's abort address: the kernel would have sent it there when it ran again.
 */
import { create } from '../../image/wire.ts';
import { rseq_entry } from '../../image/schema/index.ts';
import type { ThreadState } from '../../dump/mechanism.ts';

/** Offset of `rseq_cs` in struct rseq; size of struct rseq_cs. */
const RSEQ_CS_AT = 8n;
const RSEQ_CS_SIZE = 32;
/** Removed from Linux 6.1 on, but older programs' sections may carry it. */
const NO_RESTART_ON_SIGNAL = 2;

export type Peek = (address: bigint, size: number) => Buffer;

export interface CriticalSection { readonly abortIp: bigint; readonly pointer: bigint; readonly noRestart: boolean }

/** The critical section the thread is in, if it is in one. */
export function criticalSection(state: ThreadState, ip: bigint, peek: Peek): CriticalSection | undefined {
  if (state.rseqPointer === 0n) return undefined;
  const word = peek(state.rseqPointer + RSEQ_CS_AT, 8);
  const pointer = word.length < 8 ? 0n : word.readBigUInt64LE(0);
  if (pointer === 0n) return undefined;
  const cs = peek(pointer, RSEQ_CS_SIZE);
  if (cs.length < RSEQ_CS_SIZE || cs.readUInt32LE(0) !== 0) return undefined;
  const start = cs.readBigUInt64LE(8);
  const size = cs.readBigUInt64LE(16);
  if (BigInt.asUintN(64, ip - start) >= size) return undefined;
  return { abortIp: cs.readBigUInt64LE(24), pointer, noRestart: (cs.readUInt32LE(4) & NO_RESTART_ON_SIGNAL) !== 0 };
}

export function rseqEntry(state: ThreadState, section: CriticalSection | undefined): rseq_entry | undefined {
  if (state.rseqPointer === 0n) return undefined;
  return create(rseq_entry, {
    rseq_abi_pointer: state.rseqPointer, rseq_abi_size: state.rseqSize, signature: state.rseqSignature,
    rseq_cs_pointer: section?.noRestart === true ? section.pointer : undefined,
  });
}
