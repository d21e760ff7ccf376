/**
 * timerfd. It is made by the helper and set by the task that has it, as late as possible: the time a restore takes is not counted. A timer that
 * was set to a point of time stays one (a change of the clock moves it): that point is now plus what was left.
 */
import { fd_types, type timerfd_entry } from '../../image/schema/index.ts';
import { CLOCK, TFD_IOC_SET_TICKS, TFD_TIMER } from '../../kernel/anon.ts';
import { O } from '../../kernel/files.ts';
import { Cond, type DataRef, type Program } from '../../program/program.ts';
import type { FileKind } from '../../restore/kinds.ts';
import { addStatusFlags } from '../../restore/status-flags.ts';

const SECOND = 1_000_000_000n;
const KNOWN: ReadonlySet<number> = new Set(Object.values(CLOCK));
const REMEDY = {
  EPERM: 'Timers that wake the machine (CLOCK_*_ALARM) need CAP_WAKE_ALARM: run the restore as root',
  EOPNOTSUPP: 'Timers that wake the machine (CLOCK_*_ALARM) need a real-time clock, which this machine lacks',
};

export const timerfds: FileKind = {
  types: [fd_types.TIMERFD],
  describe: () => 'timerfd',
  check(files, context) {
    for (const { id, tfd } of files) {
      if (tfd === undefined) context.refuse(`file ${id}`, 'its record in files.img has no timerfd in it', 'The image is damaged: take another');
      else if (!KNOWN.has(tfd.clockid)) context.refuse(`file ${id} (timerfd)`, `its clock ${tfd.clockid} is not one that timers can have`, 'The image is damaged: take another');
    }
  },
  open(files, context) {
    const p = context.local.program;
    for (const { id, tfd } of files) {
      if (tfd === undefined) continue;
      const resource = `file ${id} (timerfd)`;
      const ref = p.resource(resource).call('timerfd_create', [tfd.clockid, O.CLOEXEC], { remedy: REMEDY });
      addStatusFlags(p, ref, tfd.flags);
      context.files.set(id, context.local.open(resource, ref));
    }
  },
  finish(p, { tfd }, fd) {
    if (tfd === undefined) return;
    const times = p.data(Buffer.from(BigInt64Array.of(tfd.isec, tfd.insec, ...left(tfd)).buffer));
    const [sec, nsec] = left(tfd);
    if ((tfd.settime_flags & TFD_TIMER.ABSTIME) !== 0 && (sec !== 0n || nsec !== 0n)) addNow(p, tfd, times.at(16));
    p.call('timerfd_settime', [fd, tfd.settime_flags, times, 0], { keep: false, remedy: REMEDY });
    if (tfd.ticks !== 0n) p.call('ioctl', [fd, TFD_IOC_SET_TICKS, p.data(Buffer.from(BigUint64Array.of(tfd.ticks).buffer))], { keep: false });
  },
};

/** A periodic timer that had expired and stood still (an image of CRIU's) goes on with a whole interval. */
function left({ vsec, vnsec, isec, insec, ticks }: timerfd_entry): [bigint, bigint] {
  return vsec === 0n && vnsec === 0n && ticks !== 0n ? [isec, insec] : [vsec, vnsec];
}

/** Turns the time left into a point of time. */
function addNow(p: Program, tfd: timerfd_entry, value: DataRef): void {
  const [sec, nsec] = left(tfd);
  const now = p.reserve(16);
  const clock = tfd.clockid === CLOCK.REALTIME_ALARM ? CLOCK.REALTIME : tfd.clockid === CLOCK.BOOTTIME_ALARM ? CLOCK.BOOTTIME : tfd.clockid;
  p.call('clock_gettime', [clock, now], { keep: false });
  const seconds = p.add(p.load(now, 8), sec);
  const nanoseconds = p.add(p.load(now.at(8), 8), nsec);
  p.store(value, seconds);
  p.store(value.at(8), nanoseconds);
  const end = { at: 0 };
  p.jump(nanoseconds, Cond.LT, SECOND, () => end.at);
  p.store(value, p.add(seconds, 1));
  p.store(value.at(8), p.add(nanoseconds, -SECOND));
  end.at = p.here;
}
