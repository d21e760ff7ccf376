/**
 * Restartable sequences (<linux/rseq.h>): the registration of a thread. A thread stopped inside a critical section was already moved to the
 * section's abort address by the helper, as the kernel would have done when it ran again.
 */
import { create } from '../../image/wire.ts';
import { rseq_entry } from '../../image/schema/index.ts';
import type { ThreadState } from '../../dump/mechanism.ts';

export function rseqEntry(state: ThreadState): rseq_entry | undefined {
  if (state.rseqPointer === 0n) return undefined;
  return create(rseq_entry, { rseq_abi_pointer: state.rseqPointer, rseq_abi_size: state.rseqSize, signature: state.rseqSignature });
}
