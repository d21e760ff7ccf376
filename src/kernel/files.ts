/**
 * Files: mode bits (<linux/stat.h>), open flags (<asm-generic/fcntl.h>), fcntl commands (<linux/fcntl.h>), file system magics
 * (<linux/magic.h>), ioctls (<asm-generic/ioctls.h>); all for x86-64.
 */
export const S = { IFMT: 0o170000, IFSOCK: 0o140000, IFLNK: 0o120000, IFREG: 0o100000, IFBLK: 0o060000, IFDIR: 0o040000, IFCHR: 0o020000, IFIFO: 0o010000 } as const;

export const O = {
  RDONLY: 0, WRONLY: 1, RDWR: 2, ACCMODE: 3, CREAT: 0o100, EXCL: 0o200, NOCTTY: 0o400, TRUNC: 0o1000, APPEND: 0o2000, NONBLOCK: 0o4000,
  DSYNC: 0o10000, ASYNC: 0o20000, DIRECT: 0o40000, LARGEFILE: 0o100000, DIRECTORY: 0o200000, NOFOLLOW: 0o400000, NOATIME: 0o1000000,
  CLOEXEC: 0o2000000, SYNC: 0o4010000, PATH: 0o10000000, TMPFILE: 0o20200000,
} as const;

/**
 * What to open a file with that is there, as a description is that has `flags` (F_GETFL): without what only had a meaning when it was made. O_TMPFILE is
 * told of a file as long as it is open, also when it has got a name (linkat), and holds the bit of O_DIRECTORY.
 */
export function flagsToReopen(flags: number): number {
  const known = (flags & O.TMPFILE) === O.TMPFILE ? flags & ~O.TMPFILE : flags;
  return (known & ~(O.CREAT | O.EXCL | O.TRUNC)) | O.NOCTTY;
}

export const F = {
  DUPFD: 0, GETFD: 1, SETFD: 2, GETFL: 3, SETFL: 4, SETOWN: 8, SETSIG: 10, GETSIG: 11, SETOWN_EX: 15, GETOWN_EX: 16, GETOWNER_UIDS: 17,
  DUPFD_CLOEXEC: 1030, SETPIPE_SZ: 1031, GETPIPE_SZ: 1032, ADD_SEALS: 1033, GET_SEALS: 1034,
} as const;
export const FD_CLOEXEC = 1;
/** `type` of struct f_owner_ex. */
export const F_OWNER = { TID: 0, PID: 1, PGRP: 2 } as const;

export const AT_FDCWD = -100;
export const AT = { SYMLINK_NOFOLLOW: 0x100, REMOVEDIR: 0x200, SYMLINK_FOLLOW: 0x400, EMPTY_PATH: 0x1000 } as const;
export const SEEK = { SET: 0, DATA: 3, HOLE: 4 } as const;

export const FS_MAGIC = { PROC: 0x9fa0, DEVPTS: 0x1cd1, NFS: 0x6969, PIPE: 0x50495045, SOCK: 0x534f434b, SECRETMEM: 0x5345434d, MQUEUE: 0x19800202 } as const;

export const FIONREAD = 0x541b;
export const TCSETS = 0x5402;
export const TIOCSCTTY = 0x540e;
export const TIOCSPGRP = 0x5410;
