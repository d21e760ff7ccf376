/** Files: mode bits (<linux/stat.h>), open flags (<asm-generic/fcntl.h>), fcntl commands (<linux/fcntl.h>), file system magics (<linux/magic.h>). */
export const S = { IFMT: 0o170000, IFSOCK: 0o140000, IFLNK: 0o120000, IFREG: 0o100000, IFBLK: 0o060000, IFDIR: 0o040000, IFCHR: 0o020000, IFIFO: 0o010000 } as const;
export const O = { ACCMODE: 3, RDONLY: 0, WRONLY: 1, RDWR: 2, APPEND: 0o2000, NONBLOCK: 0o4000, DIRECT: 0o40000, PATH: 0o10000000 } as const;
export const F = { GETSIG: 11, GETOWN_EX: 16, GETOWNER_UIDS: 17, SETPIPE_SZ: 1031, GETPIPE_SZ: 1032, GET_SEALS: 1034 } as const;
export const FS_MAGIC = { PROC: 0x9fa0, DEVPTS: 0x1cd1, NFS: 0x6969, PIPE: 0x50495045, SOCK: 0x534f434b } as const;
export const SEEK = { DATA: 3, HOLE: 4 } as const;
export const FIONREAD = 0x541b;
