/** Scheduling of threads: policy, priority and nice in CRIU's images; affinity, I/O priority and timer slack in our own. */
import type { sf_thread_entry } from '../../image/schema/index.ts';
import type { ProcStat } from '../../proc/stat.ts';
import type { Program, RanBlock } from '../../program/program.ts';

/** <linux/sched.h> */
const SCHED_FIFO = 1, SCHED_RR = 2, SCHED_DEADLINE = 6, SCHED_RESET_ON_FORK = 0x40000000;
/** IOPRIO_WHO_PROCESS of <linux/ioprio.h> */
const IOPRIO_WHO_PROCESS = 1;
/** struct sched_attr (<linux/sched/types.h>), its first 48 bytes: size, policy, flags, nice, priority, runtime, deadline, period. */
const SCHED_ATTR_SIZE = 56;

export interface SchedFacts {
  /** The policy, SCHED_RESET_ON_FORK included. */
  readonly policy: number;
  readonly nice: number;
  /** Only of real-time policies. */
  readonly priority: number | undefined;
  readonly own: Omit<sf_thread_entry, 'tid'>;
}

/** Steps of the helper, which asks about another thread. @param maskSize bytes of a CPU mask of this kernel */
export function askScheduling(program: Program, tid: number, stat: ProcStat, maskSize: number): (ran: RanBlock) => SchedFacts {
  program.resource(`scheduling of thread ${tid}`);
  const policy = program.call('sched_getscheduler', [tid]);
  const mask = program.reserve(maskSize);
  const masked = program.call('sched_getaffinity', [tid, maskSize, mask], { expect: 'any' });
  const ioprio = program.call('ioprio_get', [IOPRIO_WHO_PROCESS, tid], { expect: 'any' });
  const deadline = stat.policy === SCHED_DEADLINE ? program.reserve(SCHED_ATTR_SIZE) : undefined;
  if (deadline !== undefined) program.call('sched_getattr', [tid, deadline, SCHED_ATTR_SIZE, 0], { keep: false });
  return (ran) => {
    const value = Number(ran.result(policy));
    const size = Number(ran.result(masked));
    const io = Number(ran.result(ioprio));
    const attr = deadline === undefined ? undefined : ran.data(deadline);
    const realtime = [SCHED_FIFO, SCHED_RR].includes(value & ~SCHED_RESET_ON_FORK);
    return {
      policy: value, nice: stat.nice, priority: realtime ? stat.rtPriority : undefined,
      own: {
        affinity: size > 0 ? Uint8Array.from(ran.data(mask, size)) : undefined,
        ioprio: io > 0 ? io : undefined,
        ...(attr === undefined ? {} : {
          sched_flags: attr.readBigUInt64LE(8), sched_runtime: attr.readBigUInt64LE(24), sched_deadline: attr.readBigUInt64LE(32), sched_period: attr.readBigUInt64LE(40),
        }),
      },
    };
  };
}
