/** What memory tracking is told about a frozen task. */
import { readProcRecord } from '../proc/read.ts';
import type { Mapping } from '../proc/smaps.ts';
import type { TrackedTask } from '../memory-tracking/tracker.ts';
import { dumpsWhole, holdsPages, type DumpedMapping } from '../resources/memory/dump.ts';
import type { FrozenTask } from './frozen.ts';

export const trackedTask = ({ pid, stat, mappings }: Pick<FrozenTask, 'pid' | 'stat' | 'mappings'>): TrackedTask => ({ pid, start: stat.startTime, mappings });

/** Mappings whose private pages go into images as far as the page tables have them. */
export const eligible = (mappings: readonly DumpedMapping[]): Mapping[] => mappings.filter((one) => holdsPages(one) && !dumpsWhole(one)).map(({ mapping }) => mapping);

/** Microseconds since boot, as the inventory keeps it: a process that started later is not the one of these images. */
export function uptime(): bigint {
  const [, seconds = '0', hundredths = '0'] = /^(\d+)\.(\d{2})/u.exec(readProcRecord('/proc/uptime')) ?? [];
  return BigInt(seconds) * 1_000_000n + BigInt(hundredths) * 10_000n;
}
