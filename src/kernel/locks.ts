/** File locks: <linux/fcntl.h>, <asm-generic/fcntl.h>; kinds as the image format numbers them. */
export const LOCK_KIND = { POSIX: 1, FLOCK: 2, OFD: 4, LEASE: 8 } as const;
/** `type` of a lock; of a lease that is being broken, what it is to become. */
export const LOCK_TYPE = { READ: 0, WRITE: 1, UNLOCK: 2 } as const;
/** With a lease's type: somebody waits for it to be given up. */
export const LEASE_BREAKING = 4;
/** flock(2) */
export const LOCK = { SH: 1, EX: 2, NB: 4, UN: 8, MAND: 32 } as const;
export const F_LOCK = { SETLK: 6, OFD_SETLK: 37, SETLEASE: 1024, GETLEASE: 1025 } as const;
