/**
 * The time namespace of the tree: what its clocks say. A tree that a restore has made is in one of its own, so this is the ordinary case after
 * the first restore. CRIU's `timens-0.img` is of a tree in the namespace of the dump, `timens-ID.img` of another.
 */
import { create } from '../../../image/wire.ts';
import { timens_entry, timespec } from '../../../image/schema/index.ts';
import { readTimeOffsets, splitTime, type Clocks } from '../../../proc/timens.ts';

/** @param now our clocks @param pid a task of the tree */
export function treeClocks(now: Clocks, pid: number): Clocks {
  const [ours, theirs] = [readTimeOffsets('self'), readTimeOffsets(pid)];
  if (ours === undefined || theirs === undefined) return now;
  return { monotonic: now.monotonic - ours.monotonic + theirs.monotonic, boottime: now.boottime - ours.boottime + theirs.boottime };
}

export function timeEntry({ monotonic, boottime }: Clocks): timens_entry {
  const spec = (time: bigint): timespec => {
    const [tv_sec, tv_nsec] = splitTime(time);
    return create(timespec, { tv_sec, tv_nsec });
  };
  return create(timens_entry, { monotonic: spec(monotonic), boottime: spec(boottime) });
}
