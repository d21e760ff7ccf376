/** Memory constants, from `<linux/mman.h>`, `<asm-generic/mman-common.h>` and `<asm/prctl.h>` (x86-64). */
export const PAGE_SIZE = 4096;
/** End of a 64-bit task's address space with 4-level page tables (TASK_SIZE_MAX). */
export const TASK_SIZE = 0x7fff_ffff_f000n;

export const PROT = { NONE: 0, READ: 1, WRITE: 2, EXEC: 4 } as const;

export const MAP = {
  SHARED: 0x01, PRIVATE: 0x02, SHARED_VALIDATE: 0x03, DROPPABLE: 0x08, FIXED: 0x10, ANONYMOUS: 0x20, GROWSDOWN: 0x100, DENYWRITE: 0x800,
  EXECUTABLE: 0x1000, LOCKED: 0x2000, NORESERVE: 0x4000, POPULATE: 0x8000, NONBLOCK: 0x10000, STACK: 0x20000, HUGETLB: 0x40000,
  SYNC: 0x80000, FIXED_NOREPLACE: 0x100000,
} as const;

export const MADV = {
  NORMAL: 0, RANDOM: 1, SEQUENTIAL: 2, WILLNEED: 3, DONTNEED: 4, FREE: 8, REMOVE: 9, DONTFORK: 10, DOFORK: 11, MERGEABLE: 12,
  UNMERGEABLE: 13, HUGEPAGE: 14, NOHUGEPAGE: 15, DONTDUMP: 16, DODUMP: 17, WIPEONFORK: 18, KEEPONFORK: 19, COLD: 20, PAGEOUT: 21,
  POPULATE_READ: 22, POPULATE_WRITE: 23, DONTNEED_LOCKED: 24, COLLAPSE: 25, GUARD_INSTALL: 102, GUARD_REMOVE: 103,
} as const;

export const MLOCK_ONFAULT = 1;

/** arch_prctl codes. */
export const ARCH = { SET_GS: 0x1001, SET_FS: 0x1002, MAP_VDSO_64: 0x2003 } as const;
