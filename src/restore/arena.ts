/**
 * The arena of a restore: memory shared by the helper and all tasks, at addresses that none of them uses.
 *   arena := executor | struct sf_shared | blocks
 */
import type { FrozenTree } from '../image/tree.ts';
import { TASK_SIZE } from '../kernel/memory.ts';
import type { BlockPlan } from './block.ts';
import { join, subtract, type Range } from './page-runs.ts';

/** Addresses kept free for it, whatever its size turns out to be. */
export const ARENA_RESERVE = 16n << 30n;
/** At the end of that: for this kernel's vDSO in tasks that keep that of another. */
export const VDSO_RESERVE = 1n << 20n;
/** sizeof(struct sf_shared), rounded up. */
const SHARED_SIZE = 4096;
/** Of each block. */
export const STACK_SIZE = 8192;
const BARRIERS_AT = 16;

/** Where programs and the kernel put nothing by themselves: above any heap, below executables and libraries. */
const USUAL: Range = { start: 0x3000_0000_0000n, end: 0x5000_0000_0000n };
const LOWEST = 0x1_0000_0000n;

/** Addresses no task of the tree has mapped. @throws RangeError when there is no such place */
export function freeRange(tree: FrozenTree): Range {
  const used = join([...tree.tasks.values()].flatMap(({ mm }) => mm?.vmas ?? []).filter(({ end }) => end <= TASK_SIZE).map(({ start, end }) => ({ start, end })));
  const holes = [USUAL, { start: LOWEST, end: TASK_SIZE }].flatMap((range) => subtract([range], used));
  const hole = holes.find(({ start, end }) => end - start >= ARENA_RESERVE);
  if (hole === undefined) throw new RangeError('the tasks leave no 16 GiB of addresses free that all have in common');
  const start = (hole.start + 0xfffn) & ~0xfffn;
  return { start, end: start + ARENA_RESERVE };
}

export interface ArenaLayout {
  readonly size: bigint;
  /** Address of struct sf_shared. */
  readonly shared: bigint;
}

/** Gives every block its place. */
export function layOut(blocks: readonly BlockPlan[], address: bigint, executorSize: number): ArenaLayout {
  const shared = address + BigInt(executorSize);
  let at = shared + BigInt(SHARED_SIZE);
  for (const block of blocks) {
    block.address = at;
    at += BigInt(Math.ceil(block.program.layout(STACK_SIZE).size / 64) * 64);
  }
  const size = (at - address + 0xfffn) & ~0xfffn;
  if (size > ARENA_RESERVE - VDSO_RESERVE) throw new RangeError(`the programs of the restore take ${size} bytes, more than the ${ARENA_RESERVE - VDSO_RESERVE} kept for them`);
  return { size, shared };
}

/** A block's bytes without its stack, which is made of zeros. */
export const encodeBlock = ({ program }: BlockPlan, shared: bigint): Buffer => program.encode({ shared, stackSize: STACK_SIZE });

/** struct sf_shared at the start: how many arrive at each barrier. */
export function encodeShared(parties: readonly number[]): Buffer {
  const bytes = Buffer.alloc(SHARED_SIZE);
  parties.forEach((count, i) => bytes.writeUInt32LE(count, BARRIERS_AT + 8 * i));
  return bytes;
}
