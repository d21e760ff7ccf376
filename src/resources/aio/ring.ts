/**
 * The ring of an asynchronous I/O context, as the kernel lays it out in the memory of its process (struct aio_ring of the kernel's fs/aio.c;
 * libaio reads it too): u32 id, nr, head, tail, magic, compat, incompat, header_length, then `nr` events of 32 bytes.
 */

/** /proc's name of such a mapping, without the mark of a deleted file. */
export const AIO_NAME = '/[aio]';

export const RING = { NR: 4, HEAD: 8, TAIL: 12, EVENTS: 32 } as const;
const EVENT_SIZE = 32;

/** How many events fit into a ring of so many bytes: what the kernel makes of it. */
export const eventsOf = (bytes: bigint): number => Number((bytes - BigInt(RING.EVENTS)) / BigInt(EVENT_SIZE));

/** The number of requests to ask io_setup(2) for to get such a ring: it doubles what it is asked for, and adds 2. */
export const requestsOf = (bytes: bigint): number => Math.floor((eventsOf(bytes) - 2) / 2);
