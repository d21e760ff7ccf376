/** Mappings of a task with the names /proc/PID/maps would show. Flag values: linux/mman.h; `status` bits: CRIU 4.2 criu/include/image.h. */
import type * as s from '../image/schema/index.ts';
import type { FrozenTree, Task } from '../image/tree.ts';

/** Bits of `vma_entry.status`. */
export const VmaStatus = {
  REGULAR: 1 << 0, STACK: 1 << 1, VSYSCALL: 1 << 2, VDSO: 1 << 3, HEAP: 1 << 5, FILE_PRIVATE: 1 << 6, FILE_SHARED: 1 << 7, ANON_SHARED: 1 << 8,
  ANON_PRIVATE: 1 << 9, SYSVIPC: 1 << 10, SOCKET: 1 << 11, VVAR: 1 << 12, AIORING: 1 << 13, MEMFD: 1 << 14, SHSTK: 1 << 15, GUARD: 1 << 16, UPROBES: 1 << 17,
} as const;

const MAP_GROWSDOWN = 0x100;

export type MappingKind = 'file' | 'anonymous' | 'heap' | 'stack' | 'shared' | 'sysv' | 'memfd' | 'vdso' | 'vvar' | 'vsyscall' | 'aio' | 'socket' | 'shadow-stack';

export interface Mapping {
  readonly start: bigint;
  readonly end: bigint;
  readonly kind: MappingKind;
  /** `rwxp` as in /proc/PID/maps. */
  readonly perms: string;
  /** Path, `[heap]`, `/memfd:name`; empty for plain anonymous memory. */
  readonly name: string;
  /** Byte offset in the file or shared object. */
  readonly pgoff: bigint;
  readonly shared: boolean;
  /** Id of the file description it maps. */
  readonly file?: number;
  /** The page map its pages are in, for shared memory: `pagemap-shmem-ID.img`. */
  readonly shmem?: string;
  /** A page nobody stored reads as zeros (as opposed to a mapped file's contents). */
  readonly zeroFilled: boolean;
  readonly vma: s.vma_entry;
}

/** A task's mappings by address. Guard entries are left out (`guardsOf`). */
export function mappingsOf(tree: FrozenTree, task: Task): Mapping[] {
  const names = tree.own?.tasks.find((own) => own.pid === task.pid)?.vma_names ?? [];
  const mappings = (task.mm?.vmas ?? []).filter((vma) => (vma.status & VmaStatus.GUARD) === 0).map((vma) => mappingOf(tree, vma, names));
  return mappings.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
}

/** Ranges under MADV_GUARD_INSTALL. */
export function guardsOf(task: Task): { start: bigint; end: bigint }[] {
  return (task.mm?.vmas ?? []).filter((vma) => (vma.status & VmaStatus.GUARD) !== 0).map(({ start, end }) => ({ start, end }));
}

function mappingOf(tree: FrozenTree, vma: s.vma_entry, names: readonly s.sf_vma_name_entry[]): Mapping {
  const kind = kindOf(vma);
  const shared = (vma.flags & 3) === 1 || (vma.flags & 3) === 3;
  const onFile = kind === 'file' || kind === 'memfd' || kind === 'socket';
  const file = onFile ? Number(vma.shmid) : undefined;
  const object = sharedObject(tree, vma, kind);
  const given = names.find((name) => vma.start >= name.start && vma.end <= name.end)?.name;
  return {
    start: vma.start, end: vma.end, kind, perms: perms(vma.prot, shared), name: nameOf(tree, vma, kind, file, given), pgoff: vma.pgoff, shared,
    ...(file === undefined ? {} : { file }), ...(object === undefined ? {} : { shmem: `pagemap-shmem-${object}.img` }),
    zeroFilled: kind === 'anonymous' || kind === 'heap' || kind === 'stack' || kind === 'shared' || kind === 'sysv' || kind === 'memfd', vma,
  };
}

function kindOf({ status, flags }: s.vma_entry): MappingKind {
  const has = (bit: number): boolean => (status & bit) !== 0;
  if (has(VmaStatus.VDSO)) return 'vdso';
  if (has(VmaStatus.VVAR)) return 'vvar';
  if (has(VmaStatus.VSYSCALL)) return 'vsyscall';
  if (has(VmaStatus.AIORING)) return 'aio';
  if (has(VmaStatus.SHSTK)) return 'shadow-stack';
  if (has(VmaStatus.SYSVIPC)) return 'sysv';
  if (has(VmaStatus.MEMFD)) return 'memfd';
  if (has(VmaStatus.SOCKET)) return 'socket';
  if (has(VmaStatus.FILE_PRIVATE) || has(VmaStatus.FILE_SHARED)) return 'file';
  if (has(VmaStatus.ANON_SHARED)) return 'shared';
  if (has(VmaStatus.HEAP)) return 'heap';
  return has(VmaStatus.STACK) || (flags & MAP_GROWSDOWN) !== 0 ? 'stack' : 'anonymous';
}

/** Id of the shared memory object whose page map has the pages. */
function sharedObject(tree: FrozenTree, vma: s.vma_entry, kind: MappingKind): bigint | undefined {
  if (kind === 'shared' || kind === 'sysv') return vma.shmid;
  if (kind !== 'memfd' || (vma.flags & 1) === 0) return undefined;
  const inode = tree.files.get(Number(vma.shmid))?.memfd?.inode_id;
  const memfd = tree.memfds.find((one) => Number(one.inode_id) === inode);
  return memfd === undefined ? undefined : BigInt(memfd.shmid);
}

function perms(prot: number, shared: boolean): string {
  return `${(prot & 1) !== 0 ? 'r' : '-'}${(prot & 2) !== 0 ? 'w' : '-'}${(prot & 4) !== 0 ? 'x' : '-'}${shared ? 's' : 'p'}`;
}

const FIXED: Partial<Readonly<Record<MappingKind, string>>> = {
  heap: '[heap]', stack: '[stack]', vdso: '[vdso]', vvar: '[vvar]', vsyscall: '[vsyscall]', aio: '/[aio]', 'shadow-stack': '[shadow stack]', shared: '/dev/zero',
};

function nameOf(tree: FrozenTree, vma: s.vma_entry, kind: MappingKind, file: number | undefined, given: string | undefined): string {
  if (file !== undefined) {
    const entry = tree.files.get(file);
    if (entry?.memfd !== undefined) {
      const memfd = tree.memfds.find((one) => Number(one.inode_id) === entry.memfd!.inode_id);
      // shared anonymous memory is dumped as the memfd the kernel makes of it
      return memfd === undefined ? 'memfd' : memfd.name.startsWith('/') ? memfd.name : `/memfd:${memfd.name}`;
    }
    return entry?.reg?.name ?? (entry === undefined ? `file ${file}` : '');
  }
  if (kind === 'sysv') return `SysV shm ${vma.shmid}`;
  return FIXED[kind] ?? (given === undefined ? '' : `[anon:${given}]`);
}
