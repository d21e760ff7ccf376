/** System V IPC as the kernel tells of it: <linux/ipc.h>, <linux/sem.h>, <linux/msg.h>, <linux/shm.h>, <asm-generic/ipcbuf.h>, msgbuf.h, sembuf.h (x86-64). */

/** struct ipc64_perm, with which each of the descriptions begins. `uid`, `gid` and `mode` are what IPC_SET takes. */
export const PERM = { KEY: 0, UID: 4, GID: 8, CUID: 12, CGID: 16, MODE: 20 } as const;
export const SEM = { SIZE: 104, NSEMS: 80, GETALL: 13, SETALL: 17, STAT: 18, INFO: 19, INFO_SIZE: 40 } as const;
export const MSG = { SIZE: 120, CBYTES: 72, QNUM: 80, QBYTES: 88, STAT: 11, INFO: 12, INFO_SIZE: 40, NOWAIT: 0o4000, COPY: 0o40000 } as const;
export const SHM_ASK = { STAT: 13, INFO: 14, INFO_SIZE: 48 } as const;
export const SETTING_MODE = 0o777;

/** A field of ipc_var_entry and its file below /proc/sys. */
export interface Setting { readonly field: NumberField | 'shm_ctlmax' | 'shm_ctlall' | 'sem_ctls'; readonly file: string; readonly optional?: true }
type NumberField = 'msg_ctlmax' | 'msg_ctlmnb' | 'auto_msgmni' | 'msg_ctlmni' | 'shm_ctlmni' | 'shm_rmid_forced' | 'mq_queues_max' | 'mq_msg_max' | 'mq_msgsize_max'
  | 'mq_msg_default' | 'mq_msgsize_default';

/** Optional: a kernel without POSIX message queues does not have it. */
export const SETTINGS: readonly Setting[] = [
  { field: 'sem_ctls', file: 'kernel/sem' }, { field: 'msg_ctlmax', file: 'kernel/msgmax' }, { field: 'msg_ctlmnb', file: 'kernel/msgmnb' },
  { field: 'auto_msgmni', file: 'kernel/auto_msgmni' }, { field: 'msg_ctlmni', file: 'kernel/msgmni' }, { field: 'shm_ctlmax', file: 'kernel/shmmax' },
  { field: 'shm_ctlall', file: 'kernel/shmall' }, { field: 'shm_ctlmni', file: 'kernel/shmmni' }, { field: 'shm_rmid_forced', file: 'kernel/shm_rmid_forced' },
  { field: 'mq_queues_max', file: 'fs/mqueue/queues_max', optional: true }, { field: 'mq_msg_max', file: 'fs/mqueue/msg_max', optional: true },
  { field: 'mq_msgsize_max', file: 'fs/mqueue/msgsize_max', optional: true }, { field: 'mq_msg_default', file: 'fs/mqueue/msg_default', optional: true },
  { field: 'mq_msgsize_default', file: 'fs/mqueue/msgsize_default', optional: true },
];
/** The number that the next object is to have; -1, which cannot be written: any. */
export const NEXT_IDS = [{ field: 'msg_next_id', file: 'kernel/msg_next_id' }, { field: 'sem_next_id', file: 'kernel/sem_next_id' }, { field: 'shm_next_id', file: 'kernel/shm_next_id' }] as const;
export const NEXT_ID_FILES = { msg: '/proc/sys/kernel/msg_next_id', sem: '/proc/sys/kernel/sem_next_id' } as const;
