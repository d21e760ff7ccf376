/**
 * The mappings of a process as image entries: what each one is, which file is behind it, which of its pages belong in the image.
 * What cannot be dumped is refused by name. Page contents are ../../dump/pages.ts's.
 */
import { create } from '../../image/wire.ts';
import { mm_entry, sf_vma_flags_entry, sf_vma_name_entry, type vma_entry } from '../../image/schema/index.ts';
import { textOf } from '../../image/text.ts';
import { O } from '../../kernel/files.ts';
import type { Mapping } from '../../proc/smaps.ts';
import type { ProcStat } from '../../proc/stat.ts';
import { isAioRing, ringEntries } from '../aio/dump.ts';
import { isSysv } from '../sysv-shm/dump.ts';
import type { ProcessFacts } from '../process/dump.ts';
import { nameByLink } from '../../dump/unsupported.ts';
import { ADVICE_OF, FLAG_OF, MAP, PROT, TASK_SIZE } from './kinds.ts';
import { VMA } from './status.ts';

/** A mapping on its way into the image. */
export interface DumpedMapping {
  readonly mapping: Mapping;
  readonly entry: vma_entry;
}

/** Why a mapping cannot be dumped. */
export interface MappingRefusal { readonly why: string; readonly remedy?: string }

/** The file behind a mapping. */
export interface MappedFile {
  /** Id in the files image, what `shmid` holds. */
  readonly id: number;
  /** It is a memory file (memfd or shared anonymous memory). */
  readonly memfd: boolean;
  /** How it was opened: O_RDONLY, O_WRONLY or O_RDWR. */
  readonly access: number;
}

/** Whether a mapping has a file behind it (shared anonymous memory has one too). */
export function hasFile(mapping: Mapping): boolean {
  return (mapping.device !== '00:00' || mapping.inode !== 0n) && !isPrivateHuge(mapping) && !isAioRing(mapping) && !isSysv(mapping) && !isSocketMemory(mapping);
}

/** The rings of a packet socket. */
export const isSocketMemory = ({ name }: Mapping): boolean => name.startsWith('socket:[');

/** Name of the file behind anonymous memory of huge pages (hugetlb_file_setup of the kernel). */
const ANON_HUGE = '/anon_hugepage';

/** Private anonymous memory of huge pages: the kernel shows a file, but nobody else can have it. */
const isPrivateHuge = ({ flags, shared, name }: Mapping): boolean => !shared && name.startsWith(ANON_HUGE) && flags.includes('ht');

/** MAP_HUGE_*: the logarithm of the page size at bit 26 (<linux/mman.h>). */
const sizeBits = (pageSize: number | undefined): number => (pageSize === undefined ? 0 : Math.log2(pageSize) << 26);

/** A range of addresses as people and /proc write it. */
export function describeMapping({ range, name }: Mapping): string {
  return name === '' ? `mapping ${range}` : `mapping ${range} ${name}`;
}

/** What VmFlags come to; worked out once for each list of them (`Mapping.flags` is shared). */
interface FlagFacts {
  /** Flags of mmap(2). */
  readonly map: number;
  /** Bits of `madv`. */
  readonly advice: bigint;
  /** One of them may stand in the way of a dump. */
  readonly suspect: boolean;
}
const facts = new WeakMap<readonly string[], FlagFacts>();
const SUSPECT: ReadonlySet<string> = new Set(['ht', 'ss', 'um', 'uw', 'ui', 'io', 'pf']);

function factsOf(flags: readonly string[]): FlagFacts {
  let known = facts.get(flags);
  if (known === undefined) {
    let map = 0;
    let advice = 0n;
    for (const name of flags) {
      map |= FLAG_OF[name] ?? 0;
      const given = ADVICE_OF[name];
      if (given !== undefined) advice |= 1n << given;
    }
    facts.set(flags, known = { map, advice, suspect: flags.some((name) => SUSPECT.has(name)) });
  }
  return known;
}

const SECRET: MappingRefusal = {
  why: 'secret memory (memfd_secret) can be read by nobody but its process, not even by the kernel on behalf of another', remedy: 'Let the program unmap and close it before the dump, or do without it',
};

/**
 * What stands in the way of dumping it, from what smaps says.
 * @param tracked whether write-protection by a userfaultfd is that of our own tracking
 */
export function refuseMapping(mapping: Mapping, tracked: () => boolean = () => false): MappingRefusal | undefined {
  const { name, flags, shared } = mapping;
  if (name === '' && !factsOf(flags).suspect) return undefined;
  const has = (flag: string): boolean => flags.includes(flag);
  if (has('ht') && !isSysv(mapping) && !name.startsWith(ANON_HUGE) && !name.startsWith('/memfd:') && name.endsWith(' (deleted)')) return { why: 'a deleted file of a hugetlbfs mount cannot be made again by writing', remedy: 'Use memfd_create with MFD_HUGETLB, or MAP_HUGETLB' };
  if (name.startsWith('anon_inode:')) return nameByLink(name);
  if (name.startsWith('/secretmem')) return SECRET;
  if (name === '[uprobes]') return { why: 'a probe (uprobe) was hit in this process; it may be set still', remedy: 'Dump with --allow-uprobes, when the same probes are set where it will be restored, or none is set any more' };
  if (has('ss')) return { why: 'a shadow stack is not supported yet', remedy: 'Start the program with GLIBC_TUNABLES=glibc.cpu.x86_shstk=off' };
  if (has('um') || has('ui') || (has('uw') && !tracked())) return { why: 'it is registered with a userfaultfd, whose handler cannot be dumped', remedy: 'Let the program unregister the range (UFFDIO_UNREGISTER) or close its userfaultfd before the dump' };
  if ((has('io') || has('pf')) && !isVvar(mapping) && !(shared && hasFile(mapping))) return { why: 'memory of a device cannot be dumped', remedy: 'Let the program unmap it before the dump' };
  return undefined;
}

const isVvar = ({ name }: Mapping): boolean => name === '[vvar]' || name === '[vvar_vclock]';

/**
 * The image entries, in address order, the kernel's several vvar mappings as one.
 * @param file what is behind a mapping that `hasFile`
 */
export function describeMappings(mappings: readonly Mapping[], file: (mapping: Mapping) => MappedFile): DumpedMapping[] {
  const dumped: DumpedMapping[] = [];
  for (const mapping of mappings) {
    const last = dumped.at(-1);
    if (last !== undefined && isVvar(mapping) && isVvar(last.mapping) && last.entry.end === mapping.start) {
      last.entry.end = mapping.end;
      continue;
    }
    dumped.push({ mapping, entry: entryOf(mapping, hasFile(mapping) ? file(mapping) : undefined) });
  }
  return dumped;
}

function entryOf(mapping: Mapping, file: MappedFile | undefined): vma_entry {
  const { map, advice } = factsOf(mapping.flags);
  let flags = map | sizeBits(mapping.pageSize) | (mapping.shared ? MAP.SHARED : MAP.PRIVATE);
  if (flags & MAP.DROPPABLE) flags &= ~MAP.PRIVATE;
  if (file === undefined && !isAioRing(mapping) && !isSocketMemory(mapping)) flags |= MAP.ANONYMOUS;
  const prot = (mapping.read ? PROT.READ : 0) | (mapping.write ? PROT.WRITE : 0) | (mapping.exec ? PROT.EXEC : 0);
  // written out, not create(): all of them have one shape, and there may be many thousands
  return {
    start: mapping.start, end: mapping.end, pgoff: mapping.offset, shmid: isSysv(mapping) ? mapping.inode : file === undefined ? 0n : BigInt(file.id),
    prot, flags, status: statusOf(mapping, file), fd: -1n,
    madv: advice === 0n ? undefined : advice, fdflags: isSocketMemory(mapping) ? O.RDWR : file?.access,
  };
}

function statusOf(mapping: Mapping, file: MappedFile | undefined): number {
  if (file !== undefined) return VMA.REGULAR | (mapping.shared ? VMA.FILE_SHARED : VMA.FILE_PRIVATE) | (file.memfd ? VMA.MEMFD : 0);
  if (isAioRing(mapping)) return VMA.AIORING;
  if (isSocketMemory(mapping)) return VMA.REGULAR | VMA.SOCKET;
  if (isSysv(mapping)) return VMA.REGULAR | VMA.ANON_SHARED | VMA.SYSVIPC;
  const anonymous = mapping.shared ? VMA.ANON_SHARED : VMA.ANON_PRIVATE;
  switch (mapping.name) {
    case '[vsyscall]': return VMA.VSYSCALL | anonymous;
    case '[vdso]': return VMA.REGULAR | anonymous | (mapping.read && mapping.exec ? VMA.VDSO : 0);
    case '[vvar]': case '[vvar_vclock]': return VMA.REGULAR | anonymous | (mapping.read ? VMA.VVAR : 0);
    case '[heap]': return VMA.REGULAR | anonymous | VMA.HEAP;
    default: return VMA.REGULAR | anonymous;
  }
}

/** A range covered by MADV_GUARD_INSTALL: the format keeps them as entries of their own, after all mappings. */
export function guardEntry(start: bigint, end: bigint): vma_entry {
  return { start, end, pgoff: 0n, shmid: 0n, prot: 0, flags: 0, status: VMA.GUARD, fd: -1n, madv: undefined, fdflags: undefined };
}

/** Whether the private pages of a mapping go into the image. */
export function holdsPages({ entry }: DumpedMapping): boolean {
  if ((entry.status & VMA.AIORING) !== 0) return true;
  return entry.start < TASK_SIZE && (entry.status & VMA.REGULAR) !== 0 && (entry.status & (VMA.ANON_PRIVATE | VMA.FILE_PRIVATE)) !== 0
    && (entry.status & VMA.VVAR) === 0 && (entry.flags & MAP.DROPPABLE) === 0;
}

/** Whether all pages of it go into the image, whatever the page tables say: a restore may need the old vDSO's code; the kernel writes to rings. */
export function dumpsWhole({ entry }: DumpedMapping): boolean {
  return (entry.status & (VMA.VDSO | VMA.AIORING)) !== 0;
}

/** Whether a restore may bring the pages in later, on demand. */
export function canBeLazy({ entry }: DumpedMapping): boolean {
  const flags = MAP.ANONYMOUS | MAP.PRIVATE;
  return (entry.flags & flags) === flags && (entry.flags & (MAP.LOCKED | MAP.HUGETLB)) === 0 && (entry.status & (VMA.VDSO | VMA.VVAR | VMA.VSYSCALL)) === 0;
}

/** Names given to anonymous mappings (PR_SET_VMA_ANON_NAME), for our own image. */
export function namesOf(mappings: readonly DumpedMapping[]): sf_vma_name_entry[] {
  return mappings.flatMap(({ mapping: { start, end, name } }) => {
    if (!name.startsWith('[anon')) return [];
    const given = /^\[anon(?:_shmem)?:(.*)\]$/su.exec(name)?.[1];
    return given === undefined ? [] : [create(sf_vma_name_entry, { start, end, name: textOf(Buffer.from(given, 'latin1')) })];
  });
}

/** Marks the image format loses, for our own image. */
export function ownFlagsOf(mappings: readonly DumpedMapping[]): sf_vma_flags_entry[] {
  return mappings.flatMap(({ mapping: { start, end, flags, name } }) => {
    const sealed = flags.includes('sl') && !name.startsWith('[v') ? true : undefined;
    const lock_on_fault = flags.includes('lf') ? true : undefined;
    return sealed === undefined && lock_on_fault === undefined ? [] : [create(sf_vma_flags_entry, { start, end, sealed, lock_on_fault })];
  });
}

/** The most words of an auxiliary vector that the format has room for, without its end mark. */
const AUXV_WORDS = 44;

/** @param auxv as the kernel keeps it, AT_NULL included */
export function memoryEntry(stat: ProcStat, facts: ProcessFacts, auxv: readonly bigint[], exeFileId: number, vmas: vma_entry[]): mm_entry {
  const end = auxv.findIndex((word, i) => i % 2 === 0 && word === 0n);
  return create(mm_entry, {
    mm_start_code: stat.startCode, mm_end_code: stat.endCode, mm_start_data: stat.startData, mm_end_data: stat.endData,
    mm_start_stack: stat.startStack, mm_start_brk: stat.startBrk, mm_brk: facts.brk,
    mm_arg_start: stat.argStart, mm_arg_end: stat.argEnd, mm_env_start: stat.envStart, mm_env_end: stat.envEnd,
    exe_file_id: exeFileId, mm_saved_auxv: auxv.slice(0, Math.min(AUXV_WORDS, end < 0 ? auxv.length : end)), vmas,
    dumpable: facts.dumpable, thp_disabled: facts.thpDisabled, aios: ringEntries(vmas),
  });
}
