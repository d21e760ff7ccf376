/**
 * timerfd: clock, time left, interval, expirations that were not read. A periodic timer that has expired stands still until somebody asks
 * for it; it is asked for the time (timerfd_gettime), which sets it going again and counts what it missed: the program sees no difference.
 */
import { create } from '../../image/wire.ts';
import { fd_types, fown_entry, timerfd_entry } from '../../image/schema/index.ts';
import { fdInfoField, parseFdInfo, type FdInfo } from '../../proc/fdinfo.ts';
import { readProcText } from '../../proc/read.ts';
import type { FileKind, OpenFile } from '../../dump/file-kinds.ts';

/** fdinfo of timers that were asked for the time. */
const later = new WeakMap<OpenFile, FdInfo>();

/** `(1, 500)`: seconds and nanoseconds. */
function pair(text: string): [bigint, bigint] {
  const found = /^\((\d+), (\d+)\)$/u.exec(text);
  if (found === null) throw new RangeError(`not a time: ${JSON.stringify(text)}`);
  return [BigInt(found[1]!), BigInt(found[2]!)];
}

function standsStill(info: FdInfo): boolean {
  const [[sec, nsec], [isec, insec]] = [pair(fdInfoField(info, 'it_value')), pair(fdInfoField(info, 'it_interval'))];
  return sec === 0n && nsec === 0n && (isec !== 0n || insec !== 0n) && fdInfoField(info, 'ticks') !== '0';
}

export const timerfds: FileKind = {
  type: fd_types.TIMERFD,
  claims: ({ link }) => link === 'anon_inode:[timerfd]',
  refuse: () => undefined,
  ask: (program, held, file) => {
    const { task, fd, info } = file.descriptors[0]!;
    if (!standsStill(info)) return () => {};
    program.call('timerfd_gettime', [held, program.reserve(32)], { keep: false });
    return () => { later.set(file, parseFdInfo(readProcText(`/proc/${task.pid}/fdinfo/${fd}`))); };
  },
  entry: (file) => {
    const { id, owner, descriptors } = file;
    const info = later.get(file) ?? descriptors[0]!.info;
    const [[vsec, vnsec], [isec, insec]] = [pair(fdInfoField(info, 'it_value')), pair(fdInfoField(info, 'it_interval'))];
    const tfd = create(timerfd_entry, {
      id, flags: info.flags, fown: create(fown_entry, owner), clockid: Number(fdInfoField(info, 'clockid')), ticks: BigInt(fdInfoField(info, 'ticks')),
      settime_flags: parseInt(fdInfoField(info, 'settime flags'), 8), vsec, vnsec, isec, insec,
    });
    return { tfd };
  },
};
