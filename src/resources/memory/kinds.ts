/** Numbers of mappings: mmap flags (<asm/mman.h>, <linux/mman.h>), madvise advice. What an image entry is: ./status.ts. */

export const PROT = { READ: 1, WRITE: 2, EXEC: 4 } as const;

export const MAP = {
  SHARED: 0x01, PRIVATE: 0x02, DROPPABLE: 0x08, ANONYMOUS: 0x20, GROWSDOWN: 0x100, LOCKED: 0x2000, NORESERVE: 0x4000, HUGETLB: 0x40000,
} as const;

/** VmFlags that are flags of mmap(2). */
export const FLAG_OF: Readonly<Record<string, number>> = { gd: MAP.GROWSDOWN, lo: MAP.LOCKED, nr: MAP.NORESERVE, ht: MAP.HUGETLB, dp: MAP.DROPPABLE };

/** VmFlags that madvise(2) sets, by the advice that sets them (<asm-generic/mman-common.h>): `madv` has bit 1 << advice. */
export const ADVICE_OF: Readonly<Record<string, bigint>> = {
  rr: 1n, sr: 2n, dc: 10n, mg: 12n, hg: 14n, nh: 15n, dd: 16n, wf: 18n,
};

/** End of the user's address space (4-level page tables); mappings above it belong to the kernel. */
export const TASK_SIZE = 0x7fff_ffff_f000n;
export const PAGE_SIZE = 4096n;
