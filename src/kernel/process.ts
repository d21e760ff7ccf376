/** Process constants, from `<linux/prctl.h>`, `<linux/sched.h>`, `<linux/capability.h>`, `<linux/securebits.h>`, `<asm-generic/resource.h>`, `<linux/wait.h>`. */
export const PR = {
  SET_PDEATHSIG: 1, GET_PDEATHSIG: 2, GET_DUMPABLE: 3, SET_DUMPABLE: 4, GET_KEEPCAPS: 7, SET_KEEPCAPS: 8, SET_NAME: 15, GET_NAME: 16,
  GET_SECCOMP: 21, SET_SECCOMP: 22, CAPBSET_READ: 23, CAPBSET_DROP: 24, GET_SECUREBITS: 27, SET_SECUREBITS: 28,
  SET_TSC: 26, SET_TIMERSLACK: 29, GET_TIMERSLACK: 30, SET_MM: 35, SET_CHILD_SUBREAPER: 36, GET_CHILD_SUBREAPER: 37, SET_NO_NEW_PRIVS: 38,
  GET_NO_NEW_PRIVS: 39, SET_THP_DISABLE: 41, GET_THP_DISABLE: 42, CAP_AMBIENT: 47, MCE_KILL: 33, SET_IO_FLUSHER: 57, SET_MDWE: 65, SET_MEMORY_MERGE: 67, TIMER_CREATE_RESTORE_IDS: 77, SET_VMA: 0x53564d41,
} as const;
/** Second argument of PR_SET_MM: the whole `struct prctl_mm_map` at once. */
export const PR_SET_MM_MAP = 14;
export const PR_SET_MM_MAP_SIZE = 15;
/** sizeof(struct prctl_mm_map): eleven addresses, the auxv pointer, its size, the exe descriptor. */
export const PRCTL_MM_MAP_SIZE = 104;
export const PR_CAP_AMBIENT = { IS_SET: 1, RAISE: 2, LOWER: 3, CLEAR_ALL: 4 } as const;

export const CLONE = {
  VM: 0x100, FS: 0x200, FILES: 0x400, SIGHAND: 0x800, PIDFD: 0x1000, PTRACE: 0x2000, VFORK: 0x4000, PARENT: 0x8000, THREAD: 0x10000,
  NEWNS: 0x20000, SYSVSEM: 0x40000, SETTLS: 0x80000, PARENT_SETTID: 0x100000, CHILD_CLEARTID: 0x200000, CHILD_SETTID: 0x1000000,
  NEWTIME: 0x80, NEWCGROUP: 0x2000000, NEWUTS: 0x4000000, NEWIPC: 0x8000000, NEWUSER: 0x10000000, NEWPID: 0x20000000, NEWNET: 0x40000000, IO: 0x80000000,
} as const;

export const SECBIT = { NOROOT: 1, NO_SETUID_FIXUP: 4, KEEP_CAPS: 0x10, NO_CAP_AMBIENT_RAISE: 0x40 } as const;
/** _LINUX_CAPABILITY_VERSION_3: two words a set. */
export const CAPABILITY_VERSION_3 = 0x20080522;
/** By number; their names without CAP_. */
export const CAPABILITIES = [
  'CHOWN', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP', 'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE', 'NET_BROADCAST', 'NET_ADMIN', 'NET_RAW', 'IPC_LOCK', 'IPC_OWNER', 'SYS_MODULE', 'SYS_RAWIO', 'SYS_CHROOT',
  'SYS_PTRACE', 'SYS_PACCT', 'SYS_ADMIN', 'SYS_BOOT', 'SYS_NICE', 'SYS_RESOURCE', 'SYS_TIME', 'SYS_TTY_CONFIG', 'MKNOD', 'LEASE',
  'AUDIT_WRITE', 'AUDIT_CONTROL', 'SETFCAP', 'MAC_OVERRIDE', 'MAC_ADMIN', 'SYSLOG', 'WAKE_ALARM', 'BLOCK_SUSPEND', 'AUDIT_READ',
  'PERFMON', 'BPF', 'CHECKPOINT_RESTORE',
] as const;
export const CAP = { SETPCAP: 8, SYS_PTRACE: 19, SYS_ADMIN: 21, SYS_RESOURCE: 24, SYS_TIME: 25, CHECKPOINT_RESTORE: 40 } as const;

/** By number; their names without RLIMIT_. */
export const RLIMITS = [
  'CPU', 'FSIZE', 'DATA', 'STACK', 'CORE', 'RSS', 'NPROC', 'NOFILE', 'MEMLOCK', 'AS', 'LOCKS', 'SIGPENDING', 'MSGQUEUE', 'NICE', 'RTPRIO', 'RTTIME',
] as const;
export const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;

export const WAIT = { NOHANG: 1, UNTRACED: 2, EXITED: 4, NOWAIT: 0x1000000, WALL: 0x40000000, P_PID: 1 } as const;

/** rseq(2): flags of a registration. */
export const RSEQ_FLAG_UNREGISTER = 1;
