/** Host features that freezing and starting tasks need. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { ERRNO } from '../kernel/errno.ts';
import { KCMP, PR, PTRACE, SIG, WAIT } from '../kernel/probes.ts';
import { Cond, Op, Program } from '../program/program.ts';
import type { Feature } from './feature.ts';
import { missing, startChild, struct, withTracee, words } from './host.ts';

const CHECKPOINT_RESTORE = 'a kernel with CONFIG_CHECKPOINT_RESTORE=y';

/** struct clone_args up to tls, <linux/sched.h>: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls. */
const CLONE_ARGS = [[8, 0], [8, 0], [8, 0], [8, 0], [8, SIG.CHLD], [8, 0], [8, 0], [8, 0]] as const;

export const PROCESS_FEATURES: readonly Feature[] = [
  {
    name: 'ptrace', level: 'required', needed: 'freezing tasks and reading their registers, signals and masks', from: 'Linux 3.11, and root or CAP_SYS_PTRACE',
    probe(host) {
      withTracee(host, () => {}, (p, pid) => {
        const state = p.reserve(16384, 64);
        const iov = p.data(struct([8, 0], [8, 16384]));
        p.store(iov, state, 8);
        p.call('ptrace', [PTRACE.GETREGSET, pid, PTRACE.NT_X86_XSTATE, iov], { resource: 'extended registers' });
        p.call('ptrace', [PTRACE.PEEKSIGINFO, pid, p.data(struct([8, 0], [4, 0], [4, 1])), p.reserve(128)], { resource: 'pending signals' });
        p.call('ptrace', [PTRACE.GETSIGMASK, pid, 8, p.reserve(8)], { resource: 'signal mask' });
      });
    },
  },
  {
    name: 'clone3_set_tid', level: 'required', needed: 'restoring tasks and threads with their ids', from: 'Linux 5.5, and root or CAP_CHECKPOINT_RESTORE (Linux 5.9)',
    probe(host) {
      host.run((p) => {
        // A set_tid pointer with size 0: EINVAL from a kernel that knows the field, E2BIG from one that does not.
        p.call('clone3', [p.data(struct(...CLONE_ARGS, [8, -1], [8, 0])), 80], { expect: { equals: -ERRNO.EINVAL } });
        // Process 1 exists: EEXIST for who may choose ids, EPERM for who may not.
        const args = p.data(struct(...CLONE_ARGS, [8, 0], [8, 1]));
        p.store(args.at(64), words(p, 1), 8);
        p.call('clone3', [args, 80], { expect: { equals: -ERRNO.EEXIST } });
      });
    },
  },
  {
    name: 'pidfd_store', level: 'required', needed: 'taking descriptors out of tasks (pidfd_open, pidfd_getfd)', from: 'Linux 5.6',
    probe(host) {
      host.run((p) => {
        const pair = p.reserve(8);
        p.call('pipe2', [pair, 0]);
        const reading = p.load(pair, 4);
        const writing = p.load(pair.at(4), 4);
        const pidfd = p.call('pidfd_open', [p.call('getpid'), 0]);
        const copy = p.call('pidfd_getfd', [pidfd, reading, 0]);
        p.call('write', [writing, p.data(Buffer.from('x')), 1], { expect: { equals: 1 } });
        p.call('read', [copy, p.reserve(1), 1], { expect: { equals: 1 } });
      });
    },
  },
  {
    name: 'kcmp', level: 'required', needed: 'finding what tasks share', from: `${CHECKPOINT_RESTORE} or CONFIG_KCMP=y`,
    probe(host) {
      host.run((p) => {
        const pid = p.call('getpid');
        p.call('kcmp', [pid, pid, KCMP.VM, 0, 0], { expect: { equals: 0 } });
      });
    },
  },
  {
    name: 'prctl_mm_map', level: 'required', needed: 'restoring argv, environ, brk and the exe link', from: `${CHECKPOINT_RESTORE} (Linux 3.18)`,
    probe(host) {
      host.run((p) => { p.call('prctl', [PR.SET_MM, PR.SET_MM_MAP_SIZE, p.reserve(8), 0, 0]); });
    },
  },
  {
    name: 'tid_address', level: 'required', needed: 'threads that are joined (clear_child_tid)', from: CHECKPOINT_RESTORE,
    probe(host) { host.run((p) => { p.call('prctl', [PR.GET_TID_ADDRESS, p.reserve(8), 0, 0, 0]); }); },
  },
  {
    name: 'sigqueueinfo', level: 'required', needed: 'pending signals with their siginfo', from: 'Linux 3.9',
    probe(host) {
      host.run((p) => {
        const info = p.data(Buffer.concat([struct([4, SIG.URG], [4, 0], [4, 1]), Buffer.alloc(116)]));
        p.call('rt_sigqueueinfo', [p.call('getpid'), SIG.URG, info]);
      });
    },
  },
  {
    name: 'can_map_vdso', level: 'required', needed: 'placing the vDSO where the task had it', from: `${CHECKPOINT_RESTORE} (Linux 4.8)`,
    probe(host) {
      const child = new Program('a test child');
      // EEXIST: the call is there, and the child has its vDSO already.
      child.call('arch_prctl', [PR.ARCH_MAP_VDSO_64, 0x10000000], { expect: { orErrno: ERRNO.EEXIST } });
      let started: ReturnType<typeof startChild> | undefined;
      const ran = host.run((p) => { started = startChild(p, child); started.wait(); });
      started?.check(ran);
    },
  },
  {
    name: 'get_rseq_conf', level: 'required', needed: 'tasks with restartable sequences (every program of glibc 2.35 and later)', from: 'Linux 5.13',
    probe(host) {
      withTracee(host, () => {}, (p, pid) => { p.call('ptrace', [PTRACE.GET_RSEQ_CONFIGURATION, pid, 24, p.reserve(24)], { expect: { equals: 24 } }); });
    },
  },
  {
    name: 'seccomp_suspend', level: 'extra', needed: 'tasks under a seccomp filter', from: `Linux 4.3, ${CHECKPOINT_RESTORE}, CAP_SYS_ADMIN`,
    probe(host) { withTracee(host, () => {}, (p, pid) => { p.call('ptrace', [PTRACE.SETOPTIONS, pid, 0, PTRACE.O_SUSPEND_SECCOMP]); }); },
  },
  {
    name: 'seccomp_filters', level: 'extra', needed: 'tasks under a seccomp filter', from: `Linux 4.4, ${CHECKPOINT_RESTORE}, CAP_SYS_ADMIN`,
    probe(host) {
      withTracee(host, (child) => {
        // BPF: load the call's number; allow all. struct sock_fprog { u16 len; struct sock_filter *filter }
        const filter = child.data(struct([2, 0x20], [1, 0], [1, 0], [4, 0], [2, 0x06], [1, 0], [1, 0], [4, 0x7fff0000]));
        const program = child.data(struct([8, 2], [8, 0]));
        child.store(program.at(8), filter, 8);
        child.call('prctl', [PR.SET_NO_NEW_PRIVS, 1, 0, 0, 0]);
        child.call('seccomp', [1 /* SECCOMP_SET_MODE_FILTER */, 0, program]);
      }, (p, pid) => { p.call('ptrace', [PTRACE.SECCOMP_GET_FILTER, pid, 0, 0], { expect: { equals: 2 } }); });
    },
  },
  {
    name: 'timer_cr_ids', level: 'extra', needed: 'POSIX timers whose ids have gaps, quickly', from: 'Linux 6.15',
    probe(host) { host.run((p) => { p.call('prctl', [PR.TIMER_CREATE_RESTORE_IDS, PR.TIMER_CREATE_RESTORE_IDS_GET, 0, 0, 0]); }); },
  },
  {
    name: 'posix_timers', level: 'extra', needed: 'POSIX timers', from: CHECKPOINT_RESTORE,
    probe() { accessSync('/proc/self/timers', constants.R_OK); },
  },
  {
    name: 'membarrier_get_registrations', level: 'extra', needed: 'tasks that use membarrier (Java, userspace RCU)', from: 'Linux 6.3',
    probe(host) { host.run((p) => { p.call('membarrier', [1 << 9, 0, 0]); }); },
  },
  {
    name: 'loginuid', level: 'extra', needed: 'tasks with a login uid', from: 'CONFIG_AUDITSYSCALL=y, and CAP_AUDIT_CONTROL',
    probe(host) {
      const old = readFileSync(`/proc/${host.pid}/loginuid`, 'latin1').trim();
      host.run((p) => {
        const fd = p.call('openat', [-100, p.cstring('/proc/self/loginuid'), 2 /* O_RDWR */, 0]);
        for (const value of ['4294967295', old]) p.call('pwrite64', [fd, p.data(Buffer.from(value)), value.length, 0], { resource: `loginuid := ${value}` });
      });
    },
  },
  {
    name: 'breakpoints', level: 'named', needed: 'nothing here: criu stops tasks by hardware breakpoints, Stillframe does not', from: 'a processor or hypervisor with debug registers',
    probe(host) {
      const child = new Program('a test child');
      for (let i = 0; i < 400; i++) child.call('nanosleep', [child.data(struct([8, 0], [8, 5_000_000])), 0], { expect: 'any' });
      host.run((p) => {
        const { pid } = startChild(p, child);
        const status = p.reserve(8);
        const rip = p.reserve(8);
        p.call('ptrace', [PTRACE.SEIZE, pid, 0, 0]);
        p.call('ptrace', [PTRACE.INTERRUPT, pid, 0, 0]);
        p.call('wait4', [pid, status, WAIT.WALL, 0]);
        p.call('ptrace', [PTRACE.PEEKUSER, pid, PTRACE.USER_RIP, rip]);
        p.call('ptrace', [PTRACE.POKEUSER, pid, PTRACE.USER_DEBUGREG, p.load(rip, 8)], { resource: 'DR0' });
        p.call('ptrace', [PTRACE.POKEUSER, pid, PTRACE.USER_DEBUGREG + 7 * 8, 1], { resource: 'DR7' });
        p.call('ptrace', [PTRACE.CONT, pid, 0, 0]);
        p.call('wait4', [pid, status, WAIT.WALL, 0]);
        // 0x57f: stopped by SIGTRAP; the child's own end would be 0.
        p.control(Op.EXPECT, [p.load(status, 4), Cond.EQ, 0x57f, ERRNO.EIO], { keep: false, resource: 'trap at the breakpoint' });
      });
    },
  },
  {
    name: 'compat_cr', level: 'experimental', needed: '32-bit tasks', from: 'a later Stillframe',
    probe() { throw missing('Stillframe does not dump 32-bit tasks yet'); },
  },
  {
    name: 'apparmor_stacking', level: 'named', needed: 'AppArmor profiles inside a policy namespace', from: 'a kernel with AppArmor 4.2 or later, active',
    probe() {
      const stack = readFileSync('/sys/kernel/security/apparmor/features/domain/stack', 'latin1').trim();
      if (stack !== 'yes') throw missing(`apparmor/features/domain/stack says ${JSON.stringify(stack)}`);
    },
  },
  {
    name: 'cap_sys_resource', level: 'named', needed: 'raising the limits of a restored task above this process\'s own hard limits', from: 'CAP_SYS_RESOURCE',
    probe() {
      const match = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'));
      if (match === null || (BigInt(`0x${match[1]}`) >> 24n & 1n) === 0n) throw missing('this process does not have CAP_SYS_RESOURCE');
    },
  },
];
