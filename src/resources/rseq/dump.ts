/**
 * Restartable sequences (<linux/rseq.h>): the registration of a thread. A thread stopped inside a critical section was already moved to the
 * section's abort address by the helper, as the kernel would have done when it ran again.
 */
import { create } from '../../image/wire.ts';
import { rseq_entry } from '../../image/schema/index.ts';
import type { ThreadState } from '../../helper/protocol.ts';

export function rseqEntry({ rseq }: ThreadState): rseq_entry | undefined {
  if (rseq.pointer === 0n) return undefined;
  return create(rseq_entry, { rseq_abi_pointer: rseq.pointer, rseq_abi_size: rseq.size, signature: rseq.signature });
}
