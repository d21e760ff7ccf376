/** The clocks that a time namespace has its own of, as the helper reads them: in the namespace that we are in. */
import { CLOCK } from '../../../kernel/anon.ts';
import { joinTime, type Clocks } from '../../../proc/timens.ts';
import type { Program, RanBlock } from '../../../program/program.ts';

/** struct timespec */
const SIZE = 16;

export function askClocks(p: Program): (ran: RanBlock) => Clocks {
  p.resource('clocks');
  const times = p.reserve(2 * SIZE);
  p.call('clock_gettime', [CLOCK.MONOTONIC, times], { keep: false });
  p.call('clock_gettime', [CLOCK.BOOTTIME, times.at(SIZE)], { keep: false });
  return (ran) => {
    const bytes = ran.data(times);
    const at = (offset: number): bigint => joinTime({ tv_sec: bytes.readBigInt64LE(offset), tv_nsec: bytes.readBigInt64LE(offset + 8) });
    return { monotonic: at(0), boottime: at(SIZE) };
  };
}
