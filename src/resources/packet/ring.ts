/** The rings of a packet socket: where they lie in its memory, and what their headers say (packet_mmap of the kernel's documentation). */
import type { packet_ring, packet_sock_entry } from '../../image/schema/index.ts';
import { BLOCK, FRAME, FRAME3, TP_STATUS_USER, TPACKET } from '../../kernel/packet.ts';

export type Rings = Pick<packet_sock_entry, 'version' | 'rx_ring' | 'tx_ring'>;

export const ringBytes = (ring: packet_ring | undefined): number => (ring === undefined ? 0 : ring.block_size * ring.block_nr);
/** The receive ring comes first in its memory. */
export const memoryBytes = ({ rx_ring, tx_ring }: Rings): number => ringBytes(rx_ring) + ringBytes(tx_ring);

/** Where a frame is in its ring. */
export function frameAt({ block_size, frame_size }: packet_ring, i: number): number {
  const each = Math.floor(block_size / frame_size);
  return Math.floor(i / each) * block_size + (i % each) * frame_size;
}

/** What a ring holds: its frames, or its blocks in version 3. */
export const partsOf = (version: number, { block_nr, frame_nr }: packet_ring): number => (version === TPACKET.V3 ? block_nr : frame_nr);
export const partAt = (version: number, ring: packet_ring, i: number): number => (version === TPACKET.V3 ? i * ring.block_size : frameAt(ring, i));
export const partBytes = (version: number, { block_size, frame_size }: packet_ring): number => (version === TPACKET.V3 ? block_size : frame_size);

export interface Received {
  /** The part that the kernel fills next. */
  readonly next: number;
  /** Parts that wait to be read. */
  readonly waiting: readonly { readonly index: number; readonly data: Buffer }[];
  /** Packets of version 3 in the block that is being filled. */
  readonly unfinished: number;
}

/** @param memory of the receive ring */
export function readReceived(version: number, ring: packet_ring, memory: Buffer): Received {
  return version === TPACKET.V3 ? readBlocks(ring, memory) : readFrames(FRAME[version === TPACKET.V1 ? 0 : 1], ring, memory);
}

function readFrames(header: (typeof FRAME)[number], ring: packet_ring, memory: Buffer): Received {
  const frames = Array.from({ length: ring.frame_nr }, (_, i) => {
    const bytes = memory.subarray(frameAt(ring, i), frameAt(ring, i) + ring.frame_size);
    return { bytes, used: (bytes.readUInt32LE(0) & TP_STATUS_USER) !== 0, time: BigInt(bytes.readUInt32LE(header.seconds)) << 32n | BigInt(bytes.readUInt32LE(header.fraction)) };
  });
  const after = (i: number): number => (i + 1) % ring.frame_nr;
  const waiting = frames.flatMap(({ used, bytes }, index) => {
    if (!used) return [];
    const end = Math.min(ring.frame_size, bytes.readUInt16LE(header.mac) + bytes.readUInt32LE(header.snaplen));
    return [{ index, data: Buffer.from(bytes.subarray(0, Math.max(header.size, end))) }];
  });
  const ends = frames.flatMap(({ used }, i) => (used && !frames[after(i)]!.used ? [after(i)] : []));
  if (ends.length === 1) return { next: ends[0]!, waiting, unfinished: 0 };
  // all wait, none does, or some in the middle were read: the one after the newest is next (of several of the same moment, after the last)
  const candidates = frames.filter(({ used }) => waiting.length === 0 || used);
  const newest = candidates.reduce((most, { time }) => (time > most ? time : most), 0n);
  if (newest === 0n) return { next: 0, waiting, unfinished: 0 };
  const last = frames.findIndex((frame, i) => candidates.includes(frame) && frame.time === newest && frames[after(i)]!.time !== newest);
  return { next: last < 0 ? 0 : after(last), waiting, unfinished: 0 };
}

function readBlocks(ring: packet_ring, memory: Buffer): Received {
  const blocks = Array.from({ length: ring.block_nr }, (_, i) => {
    const bytes = memory.subarray(i * ring.block_size, (i + 1) * ring.block_size);
    return { bytes, used: (bytes.readUInt32LE(BLOCK.STATUS) & TP_STATUS_USER) !== 0, sequence: bytes.readBigUInt64LE(BLOCK.SEQUENCE) };
  });
  const last = blocks.reduce((most, { sequence }, i) => (sequence > blocks[most]!.sequence ? i : most), 0);
  const next = blocks[last]!.used ? (last + 1) % ring.block_nr : last;
  return {
    next, unfinished: blocks[last]!.used ? 0 : blocks[last]!.bytes.readUInt32LE(BLOCK.PACKETS),
    waiting: blocks.flatMap(({ used, bytes }, index) => (used ? [{ index, data: Buffer.from(bytes.subarray(0, Math.max(BLOCK.SIZE, Math.min(ring.block_size, bytes.readUInt32LE(BLOCK.LENGTH))))) }] : [])),
  };
}

/** Whether a frame was ever sent from it: which one is next nobody can tell then. @param memory of the sending ring */
export function wasSentFrom(version: number, ring: packet_ring, memory: Buffer): boolean {
  return Array.from({ length: ring.frame_nr }, (_, i) => frameAt(ring, i)).some((at) => (version === TPACKET.V3
    ? memory.readUInt32LE(at + FRAME3.length) !== 0 || memory.readUInt32LE(at + FRAME3.status) !== 0
    : memory.readUInt32LE(at) !== 0 || memory.readUInt32LE(at + FRAME[version === TPACKET.V1 ? 0 : 1].length) !== 0));
}
