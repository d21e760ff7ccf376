/** System V shared memory segments, as shmctl(2) tells of them (struct shmid64_ds of <asm-generic/shmbuf.h>). */

export const SHMID_DS_SIZE = 112;
/** Where the fields are. `uid`, `gid` and `mode` are the ones IPC_SET takes. */
export const SHM = { KEY: 0, UID: 4, GID: 8, CUID: 12, CGID: 16, MODE: 20, SIZE: 48, ATTACHED: 88 } as const;
/** shmctl's commands and shmget's and shmat's flags (<linux/ipc.h>, <linux/shm.h>). */
export const IPC = { RMID: 0, SET: 1, STAT: 2, CREAT: 0o1000, EXCL: 0o2000 } as const;
export const SHM_LOCK = 11;
export const SHM_RDONLY = 0o10000, SHM_EXEC = 0o100000, SHM_HUGETLB = 0o4000;
/** Bits of `mode` that only the kernel sets: it goes with the last process that is attached; it is locked into memory. */
export const SHM_DEST = 0o1000, SHM_LOCKED = 0o2000;
/** How /proc names a mapping of one: with its key, and always as deleted. */
export const SYSV_NAME = '/SYSV';

export const pages = (bytes: bigint, page = 4096n): bigint => (bytes + page - 1n) / page * page;

/** Bytes of a page of a segment. @param hugetlb_flag of its image entry: MAP_HUGE_* bits hold the logarithm, 0 there is 2 MiB */
export const pageBytes = (hugetlb_flag: number | undefined): bigint => (hugetlb_flag === undefined ? 4096n : 1n << BigInt(((hugetlb_flag >>> 26) & 0x3f) || 21));
