/** /proc/PID/timens_offsets: how far the clocks of the time namespace a task's children live in are from those of the first one (time_namespaces(7)). */
import { readProcRecord, isGone } from './read.ts';

/** Two clocks, in nanoseconds: CLOCK_MONOTONIC and CLOCK_BOOTTIME, or offsets of them. */
export interface Clocks { readonly monotonic: bigint; readonly boottime: bigint }

const SECOND = 1_000_000_000n;

/** Lines of a clock's name or number, seconds (may be negative) and nanoseconds. */
export function parseTimeOffsets(text: string): Clocks {
  const offset = (name: string): bigint => {
    const [, sec, nsec] = new RegExp(`^${name}\\s+(-?\\d+)\\s+(\\d+)$`, 'm').exec(text) ?? [];
    if (sec === undefined || nsec === undefined) throw new RangeError(`no offset of ${name} in ${JSON.stringify(text)}`);
    return BigInt(sec) * SECOND + BigInt(nsec);
  };
  return { monotonic: offset('monotonic'), boottime: offset('boottime') };
}

/** Undefined on a kernel without time namespaces. */
export function readTimeOffsets(pid: number | 'self'): Clocks | undefined {
  try {
    return parseTimeOffsets(readProcRecord(`/proc/${pid}/timens_offsets`));
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Seconds and nanoseconds, the latter from 0 to 999,999,999. */
export function splitTime(time: bigint): readonly [bigint, bigint] {
  const nsec = ((time % SECOND) + SECOND) % SECOND;
  return [(time - nsec) / SECOND, nsec];
}

export const joinTime = ({ tv_sec, tv_nsec }: { readonly tv_sec: bigint; readonly tv_nsec: bigint }): bigint => tv_sec * SECOND + tv_nsec;
