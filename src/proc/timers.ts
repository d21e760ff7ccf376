/** `/proc/PID/timers`: the POSIX timers of a process (proc_pid_timers(5)). Their times are not in it. */
export interface ProcTimer {
  readonly id: number;
  readonly signal: number;
  /** `sigev_value`, 64 bits. */
  readonly value: bigint;
  /** SIGEV_SIGNAL 0, SIGEV_NONE 1, SIGEV_THREAD 2, SIGEV_THREAD_ID 4. */
  readonly notify: number;
  /** Target of the signal: a tid with SIGEV_THREAD_ID, else the pid. 0: it has exited. */
  readonly target: number;
  readonly clock: number;
}

export const SIGEV_SIGNAL = 0, SIGEV_NONE = 1, SIGEV_THREAD = 2, SIGEV_THREAD_ID = 4;

/** The timers by ascending id (the kernel lists the newest first). @throws RangeError */
export function parseTimers(text: string): ProcTimer[] {
  const timers: ProcTimer[] = [];
  for (const block of text.split(/^(?=ID: )/mu)) {
    if (block === '') continue;
    const m = /^ID: (\d+)\nsignal: (\d+)\/(\S+)\nnotify: (\w+)\/(\w+)\.(-?\d+)\nClockID: (-?\d+)\n/u.exec(block);
    if (m === null) throw new RangeError(`not a timer: ${JSON.stringify(block)}`);
    const [, id, signal, value, kind, to, target, clock] = m as unknown as [string, ...string[]];
    timers.push({
      id: Number(id), signal: Number(signal), value: value === '(null)' ? 0n : BigInt(`0x${value!.replace(/^0x/u, '')}`),
      notify: to === 'tid' ? SIGEV_THREAD_ID : kind === 'signal' ? SIGEV_SIGNAL : kind === 'thread' ? SIGEV_THREAD : SIGEV_NONE,
      target: Number(target), clock: Number(clock),
    });
  }
  return timers.sort((a, b) => a.id - b.id);
}
