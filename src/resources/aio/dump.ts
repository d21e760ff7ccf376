/**
 * Asynchronous I/O contexts (io_setup). A context is the mapping of its ring, which the kernel knows it by; what waits in the ring is kept as
 * pages. Requests that are under way are not: nobody can ask the kernel for them.
 */
import { aio_ring_entry, type vma_entry } from '../../image/schema/index.ts';
import { create } from '../../image/wire.ts';
import type { Mapping } from '../../proc/smaps.ts';
import type { Program, RanBlock } from '../../program/program.ts';
import { MAP } from '../memory/kinds.ts';
import { VMA } from '../memory/status.ts';
import { AIO_NAME, requestsOf } from './ring.ts';

export const isAioRing = ({ name }: Pick<Mapping, 'name'>): boolean => name.startsWith(AIO_NAME);

/** Steps of the process: which of the rings are contexts of its own. After a fork the child has the memory, but not the context. */
export function askRings(program: Program, mappings: readonly Mapping[]): (ran: RanBlock) => ReadonlySet<bigint> {
  const asked = mappings.filter(isAioRing).map(({ start }) => ({
    start, got: program.call('io_getevents', [start, 0, 0, 0, 0], { expect: 'any', resource: 'asynchronous I/O context' }),
  }));
  return (ran) => new Set(asked.filter(({ got }) => ran.result(got) >= 0n).map(({ start }) => start));
}

/** Memory of a context that is the parent's is memory, no more. */
export function settleRing(vma: vma_entry, contexts: ReadonlySet<bigint>): void {
  if ((vma.status & VMA.AIORING) === 0 || contexts.has(vma.start)) return;
  vma.status = VMA.REGULAR | VMA.ANON_PRIVATE;
  vma.flags = (vma.flags & ~MAP.SHARED) | MAP.PRIVATE | MAP.ANONYMOUS;
}

/** `mm_entry.aios` */
export function ringEntries(vmas: readonly vma_entry[]): aio_ring_entry[] {
  return vmas.filter(({ status }) => (status & VMA.AIORING) !== 0).map(({ start, end }) =>
    create(aio_ring_entry, { id: start, nr_req: requestsOf(end - start), ring_len: Number(end - start) }));
}
