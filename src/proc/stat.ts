/** `/proc/PID/stat` and `/proc/PID/task/TID/stat` (proc_pid_stat(5); fields counted from 1 there). */
export interface ProcStat {
  readonly pid: number;
  /** One character a byte (latin1), at most 15: not necessarily UTF-8. */
  readonly comm: string;
  /** R, S, D, T, t, Z, X, I, ... */
  readonly state: string;
  readonly ppid: number;
  readonly pgid: number;
  readonly sid: number;
  /** Device number of the controlling terminal as the kernel prints it (new_encode_dev), 0 for none. */
  readonly tty: number;
  /** Foreground process group of the controlling terminal, -1 without one. */
  readonly tpgid: number;
  /** PF_* of the kernel. */
  readonly flags: number;
  readonly nice: number;
  readonly numThreads: number;
  /** Clock ticks after boot. */
  readonly startTime: bigint;
  readonly startCode: bigint;
  readonly endCode: bigint;
  readonly startStack: bigint;
  readonly exitSignal: number;
  readonly rtPriority: number;
  /** SCHED_*, without SCHED_RESET_ON_FORK. */
  readonly policy: number;
  readonly startData: bigint;
  readonly endData: bigint;
  readonly startBrk: bigint;
  readonly argStart: bigint;
  readonly argEnd: bigint;
  readonly envStart: bigint;
  readonly envEnd: bigint;
  /** As wait(2) would give it. */
  readonly exitCode: number;
}

/** PF_KTHREAD of `<linux/sched.h>`: a thread of the kernel. */
export const PF_KTHREAD = 0x00200000;
/** PF_EXITING: on its way to be a zombie, its memory may be gone already. */
export const PF_EXITING = 0x4;

/** @throws RangeError when the text is not what the kernel writes */
export function parseStat(text: string): ProcStat {
  const open = text.indexOf(' (');
  const close = text.lastIndexOf(') ');
  const f = text.slice(close + 2).trimEnd().split(' ');
  if (open < 0 || close < open || f.length < 50) throw new RangeError(`not a stat line: ${JSON.stringify(text)}`);
  // f[0] is field 3
  const num = (field: number): number => Number(f[field - 3]);
  const big = (field: number): bigint => BigInt(f[field - 3]!);
  return {
    pid: Number(text.slice(0, open)), comm: text.slice(open + 2, close), state: f[0]!,
    ppid: num(4), pgid: num(5), sid: num(6), tty: num(7), tpgid: num(8), flags: num(9), nice: num(19), numThreads: num(20),
    startTime: big(22), startCode: big(26), endCode: big(27), startStack: big(28), exitSignal: num(38), rtPriority: num(40), policy: num(41),
    startData: big(45), endData: big(46), startBrk: big(47), argStart: big(48), argEnd: big(49), envStart: big(50), envEnd: big(51),
    exitCode: num(52),
  };
}
