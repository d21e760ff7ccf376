/** Scheduling of a thread: policy, priority and nice from CRIU's images; affinity, I/O priority, timer slack and the like from our own. */
import type { sf_thread_entry, thread_core_entry } from '../../image/schema/index.ts';
import { ERRNO } from '../../kernel/errno.ts';
import { PR } from '../../kernel/process.ts';
import type { Program } from '../../program/program.ts';

/** <linux/sched.h>, <linux/resource.h>, <linux/ioprio.h> */
const SCHED_OTHER = 0, SCHED_FIFO = 1, SCHED_RR = 2, SCHED_DEADLINE = 6;
/** Or'ed to a policy: children start with the default one. */
const SCHED_RESET_ON_FORK = 0x40000000;
const PRIO_PROCESS = 0;
const IOPRIO_WHO_PROCESS = 1;
/** struct sched_attr up to its utilisation hints. */
const SCHED_ATTR_SIZE = 56;
const { EINVAL } = ERRNO;
/** PR_MCE_KILL's second argument. */
const MCE_KILL_SET = 1;

const NICE_REMEDY = { EACCES: 'A lower nice value needs CAP_SYS_NICE', EPERM: 'A lower nice value needs CAP_SYS_NICE' };
const REALTIME_REMEDY = { EPERM: 'A real-time policy needs CAP_SYS_NICE' };

/** @param nice that of the process that restores, which threads start with */
export function addScheduling(p: Program, core: thread_core_entry, own: sf_thread_entry | undefined, nice: number | undefined): void {
  const asked = core.sched_policy ?? SCHED_OTHER;
  const policy = asked & ~SCHED_RESET_ON_FORK;
  p.resource('scheduling');
  if (policy === SCHED_DEADLINE && own !== undefined) {
    p.call('sched_setattr', [0, p.data(encodeDeadline(asked, own)), 0], { keep: false, remedy: { ...REALTIME_REMEDY, EBUSY: 'The processors are already promised to other deadline tasks' } });
  } else if (asked !== SCHED_OTHER) {
    const priority = policy === SCHED_FIFO || policy === SCHED_RR ? core.sched_prio ?? 1 : 0;
    p.call('sched_setscheduler', [0, asked, p.data(Buffer.from(Int32Array.of(priority).buffer))], { keep: false, remedy: REALTIME_REMEDY });
  }
  const fair = policy !== SCHED_FIFO && policy !== SCHED_RR && policy !== SCHED_DEADLINE;
  if (fair && (core.sched_nice ?? 0) !== nice) p.call('setpriority', [PRIO_PROCESS, 0, core.sched_nice ?? 0], { keep: false, remedy: NICE_REMEDY });
  if (own !== undefined) addOwn(p, own);
}

function addOwn(p: Program, own: sf_thread_entry): void {
  if (own.affinity !== undefined) {
    // EINVAL: none of its processors is there, or may be used here
    p.resource('CPU affinity').call('sched_setaffinity', [0, own.affinity.length, p.data(own.affinity)], { keep: false, expect: { orErrno: EINVAL } });
  }
  if (own.ioprio !== undefined) p.resource('I/O priority').call('ioprio_set', [IOPRIO_WHO_PROCESS, 0, own.ioprio], { keep: false, remedy: { EPERM: 'A real-time I/O priority needs CAP_SYS_ADMIN' } });
  if (own.timer_slack_ns !== undefined && own.timer_slack_ns !== 0n) p.resource('timer slack').call('prctl', [PR.SET_TIMERSLACK, own.timer_slack_ns, 0, 0, 0], { keep: false });
  if (own.tsc_mode !== undefined) p.resource('time stamp counter').call('prctl', [PR.SET_TSC, own.tsc_mode, 0, 0, 0], { keep: false });
  if (own.io_flusher === true) p.resource('I/O flusher').call('prctl', [PR.SET_IO_FLUSHER, 1, 0, 0, 0], { keep: false, remedy: { EPERM: 'It needs CAP_SYS_RESOURCE' } });
  [own.store_bypass, own.indirect_branch].forEach((mode, which) => {
    if (mode !== undefined) p.resource('speculation control').call('prctl', [PR.SET_SPECULATION_CTRL, which, mode, 0, 0], {
      // ENXIO: this processor has no such weakness, or nobody may choose
      keep: false, expect: { orErrno: ERRNO.ENXIO }, remedy: { EPERM: 'This kernel does not let a thread choose that (mitigations=)' },
    });
  });
  if (own.mce_kill !== undefined) p.resource('machine check policy').call('prctl', [PR.MCE_KILL, MCE_KILL_SET, own.mce_kill, 0, 0], { keep: false });
}

function encodeDeadline(policy: number, own: sf_thread_entry): Buffer {
  const bytes = Buffer.alloc(SCHED_ATTR_SIZE);
  bytes.writeUInt32LE(SCHED_ATTR_SIZE, 0);
  bytes.writeUInt32LE(policy & ~SCHED_RESET_ON_FORK, 4);
  bytes.writeBigUInt64LE((own.sched_flags ?? 0n) | ((policy & SCHED_RESET_ON_FORK) === 0 ? 0n : 1n), 8);
  [own.sched_runtime, own.sched_deadline, own.sched_period].forEach((value, i) => bytes.writeBigUInt64LE(value ?? 0n, 24 + 8 * i));
  return bytes;
}
