/**
 * A task's address space: what is inherited from the parent and kept, what is unmapped, mapped, filled; later protections,
 * advice and locks. Mapping and filling come before the task's children are made, the rest after (`finish`).
 */
import type { vma_entry } from '../../image/schema/index.ts';
import type { Task } from '../../image/tree.ts';
import { O } from '../../kernel/files.ts';
import { MADV, MAP, MLOCK_ONFAULT, PROT, TASK_SIZE } from '../../kernel/memory.ts';
import { PR } from '../../kernel/process.ts';
import type { Program, ResultRef } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import type { HelperFd } from '../../restore/helper-fd.ts';
import { cut, distribute, join, pageRuns, subtract, total, type PageRun, type Range } from '../../restore/page-runs.ts';
import { addRing } from '../aio/restore.ts';
import { addAttachment, isWhole } from '../sysv-shm/restore.ts';
import { socketOfMemory } from '../packet/restore.ts';
import { openForMapping } from '../regular/restore.ts';
import type { Redirect } from '../vdso/redirect.ts';
import { addVdso } from '../vdso/restore.ts';
import { addCopies, splitLarge } from './copy.ts';
import { addCompares, addFills } from './fill.ts';
import { memoryFileToMap, sharedMemory } from '../shared-memory/restore.ts';
import { pagesFile, withoutHoles } from './pages.ts';
import { VMA } from './status.ts';

const HUGE_ADVICE = (1n << BigInt(MADV.HUGEPAGE)) | (1n << BigInt(MADV.NOHUGEPAGE));
/** mmap flags of an image entry that a mapping is made with; the others are applied later or are not for mmap. */
const MAP_FLAGS = MAP.SHARED | MAP.PRIVATE | MAP.ANONYMOUS | MAP.GROWSDOWN | MAP.NORESERVE | MAP.DROPPABLE;
/** Where mmap flags have the logarithm of the size of huge pages (<linux/mman.h>); bit 31 is never needed. */
const HUGE_SIZE = 0x7c00_0000;
const KERNEL_MADE = VMA.VSYSCALL | VMA.VVAR | VMA.VDSO | VMA.GUARD | VMA.UPROBES | VMA.AIORING;
const HUGE_REMEDY = { ENOMEM: 'There are not enough huge pages of this size: raise vm.nr_hugepages' };
const MAP_REMEDY = { ENOMEM: 'There is not enough memory, or the limits on it (vm.max_map_count, vm.overcommit_memory) are lower than where it was dumped' };
const PRIVATE = VMA.ANON_PRIVATE | VMA.FILE_PRIVATE;

interface Mapping {
  readonly vma: vma_entry;
  readonly runs: readonly PageRun[];
  readonly inherited: boolean;
  /** Protection it has until `finish`. */
  working: number;
}

const hex = (n: bigint): string => `0x${n.toString(16)}`;
export const describeVma = (vma: vma_entry): string => `mapping ${hex(vma.start)}-${hex(vma.end)}`;
const isKind = (vma: vma_entry, kinds: number): boolean => (vma.status & kinds) !== 0;

/** Two entries that are one mapping when a task is forked: same place, same object, same kind. */
function sameMapping(a: vma_entry, b: vma_entry): boolean {
  return a.start === b.start && a.end === b.end && a.pgoff === b.pgoff && a.shmid === b.shmid && a.flags === b.flags
    && a.status === b.status && ((a.madv ?? 0n) & HUGE_ADVICE) === ((b.madv ?? 0n) & HUGE_ADVICE);
}

/** MAP_HUGETLB and the bits of the page size, for memory without a file; a file has its page size. */
const hugeFlags = (vma: vma_entry): number => ((vma.flags & MAP.HUGETLB) === 0 ? 0 : MAP.HUGETLB | (vma.flags & HUGE_SIZE));

/** Private anonymous memory that is not to be of huge pages, which page by page copies would prevent. */
const copyable = (vma: vma_entry): boolean =>
  isKind(vma, VMA.ANON_PRIVATE) && (vma.flags & (MAP.GROWSDOWN | MAP.HUGETLB)) === 0 && ((vma.madv ?? 0n) & (1n << BigInt(MADV.HUGEPAGE))) === 0n;

export class TaskMemory {
  readonly mappings: Mapping[] = [];
  readonly runs: readonly PageRun[];
  readonly #inherited: Map<vma_entry, vma_entry>;
  #fetched = new Map<HelperFd, ResultRef>();

  /** @param parent memory that the task starts with: undefined for the root, which starts with the helper's */
  constructor(readonly context: RestoreContext, readonly task: Task, readonly parent: TaskMemory | undefined) {
    this.runs = pageRuns(context.set, { pid: task.pid });
    this.#inherited = this.#findInherited();
  }

  /** The protection a mapping of this task has while children are made. */
  working(vma: vma_entry): number {
    this.#byVma ??= new Map(this.mappings.map((m) => [m.vma, m]));
    return this.#byVma.get(vma)!.working;
  }
  #byVma: Map<vma_entry, Mapping> | undefined;

  /** Entries that are mappings of the task's own. */
  get #vmas(): readonly vma_entry[] {
    return this.#own ??= (this.task.mm?.vmas ?? []).filter((vma) => !isKind(vma, KERNEL_MADE));
  }
  #own: readonly vma_entry[] | undefined;

  /** Unmaps all that is not the task's own. `arena` is left alone. */
  unmap(p: Program, arena: Range): void {
    const inherited = this.#inherited;
    const vdso = addVdso.find(this.task);
    const keepVdso = this.#keepsVdso;
    p.resource('memory of the process it was made from');
    const kept = join([...inherited.values(), arena, ...(keepVdso && vdso !== undefined ? [this.#redirect === undefined ? vdso : { start: vdso.code, end: vdso.end }] : [])].map(({ start, end }) => ({ start, end })));
    for (const { start, end } of subtract([{ start: 0n, end: TASK_SIZE }], kept)) p.call('munmap', [start, end - start], { keep: false });
  }

  /** Maps and fills. */
  map(p: Program): void {
    const vdso = addVdso.find(this.task);
    const redirect = this.#redirect;
    if (!this.#keepsVdso && vdso !== undefined) {
      if (redirect === undefined) addVdso.map(p, vdso);
      else addVdso.mapRedirected(p, vdso, redirect, this.context.vdsoAddress!, () => addFills(p, cut(this.runs, [{ start: vdso.code, end: vdso.end }]), (run) => this.#fetch(p, pagesFile(this.context, run))));
    }
    const vmas = this.#vmas;
    const runs = distribute(this.runs, vmas);
    vmas.forEach((vma, i) => this.mappings.push(this.#mapping(p, vma, isKind(vma, PRIVATE) ? runs[i]! : [], this.#inherited.get(vma))));
    this.#fill(p);
    this.#addRings(p);
    p.resource('memory');
    for (const ref of this.#fetched.values()) p.call('close', [ref], { keep: false });
    this.#fetched.clear();
  }

  /** How the old vDSO of a task of another kernel leads into this one's. */
  get #redirect(): Redirect | undefined { return this.context.options.vdsos?.get(this.task.pid); }

  /** Whether the parent's vDSO lies where the task's does. */
  get #keepsVdso(): boolean {
    const vdso = addVdso.find(this.task);
    const parent = this.parent === undefined ? undefined : addVdso.find(this.parent.task);
    return vdso !== undefined && parent?.start === vdso.start && parent.end === vdso.end;
  }

  /** Entries that the task has from its parent, with the parent's. */
  #findInherited(): Map<vma_entry, vma_entry> {
    const found = new Map<vma_entry, vma_entry>();
    if (this.parent === undefined) return found;
    const [exe, parentExe] = [this.task.mm?.exe_file_id, this.parent.task.mm?.exe_file_id];
    const byStart = new Map(this.parent.#vmas.map((vma) => [vma.start, vma]));
    for (const vma of this.#vmas) {
      const other = byStart.get(vma.start);
      // a copy of a huge page on write can fail when the pool is used up: the child gets pages of its own at once
      if (other === undefined || !sameMapping(vma, other) || (isKind(vma, PRIVATE) && (vma.flags & MAP.HUGETLB) !== 0)) continue;
      if (isKind(vma, VMA.SYSVIPC) && !isWhole(this.context, this.task, vma)) continue;
      // the exe link can only be changed while no mapping of the old exe is left
      if (exe !== parentExe && isKind(vma, VMA.FILE_PRIVATE | VMA.FILE_SHARED) && this.#fileName(other) === this.#exeName(parentExe)) continue;
      found.set(vma, other);
    }
    return found;
  }

  #fileName(vma: vma_entry): string | undefined { return this.context.tree.files.get(Number(vma.shmid))?.reg?.name; }
  #exeName(id: number | undefined): string | undefined { return id === undefined ? undefined : this.context.tree.files.get(id)?.reg?.name; }

  #mapping(p: Program, vma: vma_entry, runs: readonly PageRun[], inherited: vma_entry | undefined): Mapping {
    const wanted = runs.length > 0 ? vma.prot | PROT.READ | PROT.WRITE : vma.prot;
    p.resource(describeVma(vma));
    if (inherited !== undefined) {
      const has = this.parent!.working(inherited);
      const mapping = { vma, runs, inherited: true, working: has };
      if ((wanted & ~has) !== 0) {
        mapping.working = wanted;
        p.call('mprotect', [vma.start, vma.end - vma.start, wanted], { keep: false });
      }
      return mapping;
    }
    if (isKind(vma, VMA.SYSVIPC)) {
      addAttachment(p, this.context, this.task, vma);
      return { vma, runs, inherited: false, working: vma.prot };
    }
    const [fd, offset] = this.#object(p, vma);
    p.call('mmap', [vma.start, vma.end - vma.start, wanted, (vma.flags & MAP_FLAGS & (fd === undefined ? ~0 : ~MAP.ANONYMOUS)) | (fd === undefined ? hugeFlags(vma) : 0) | MAP.FIXED_NOREPLACE, fd ?? -1, offset], {
      keep: false, expect: { equals: vma.start },
      remedy: (vma.flags & MAP.HUGETLB) !== 0 ? HUGE_REMEDY : MAP_REMEDY,
    });
    const advice = (vma.madv ?? 0n) & HUGE_ADVICE;
    if (advice !== 0n) this.#advise(p, vma, advice);
    return { vma, runs, inherited: false, working: wanted };
  }

  /** The descriptor to map, in this task; undefined for private anonymous memory. */
  #object(p: Program, vma: vma_entry): [ResultRef | undefined, bigint] {
    if (isKind(vma, VMA.SOCKET)) return [this.#fetch(p, socketOfMemory(this.context, vma)!), 0n];
    if (isKind(vma, VMA.ANON_SHARED)) return [this.#fetch(p, sharedMemory(this.context, vma.shmid)), vma.pgoff];
    if (isKind(vma, VMA.FILE_PRIVATE | VMA.FILE_SHARED)) {
      const shared = isKind(vma, VMA.FILE_SHARED);
      const access = !shared ? O.RDONLY : vma.fdflags !== undefined ? vma.fdflags & O.ACCMODE : (vma.prot & PROT.WRITE) !== 0 ? O.RDWR : O.RDONLY;
      const open = isKind(vma, VMA.MEMFD) ? memoryFileToMap : openForMapping;
      const fd = open(this.context, Number(vma.shmid), access);
      if (fd === undefined) throw new RangeError(`${describeVma(vma)}: file ${vma.shmid} is not in the files image`);
      return [this.#fetch(p, fd), vma.pgoff];
    }
    return [undefined, 0n];
  }

  #fetch(p: Program, fd: HelperFd): ResultRef {
    let ref = this.#fetched.get(fd);
    if (ref === undefined) {
      ref = p.call('pidfd_getfd', [this.context.pidfd, fd.arg, 0]);
      this.#fetched.set(fd, ref);
    }
    return ref;
  }

  #addRings(p: Program): void {
    for (const vma of this.task.mm?.vmas ?? []) {
      if (!isKind(vma, VMA.AIORING)) continue;
      p.resource(`asynchronous I/O context ${hex(vma.start)}`);
      addRing(p, vma, cut(this.runs, [vma]), (run) => this.#fetch(p, pagesFile(this.context, run)));
    }
  }

  #fill(p: Program): void {
    const fdOf = (run: PageRun): ResultRef => this.#fetch(p, pagesFile(this.context, run));
    p.resource('memory contents');
    const fresh = this.mappings.filter((m) => !m.inherited && m.runs.length > 0);
    const filled = (m: Mapping): readonly PageRun[] => (isKind(m.vma, VMA.ANON_PRIVATE) ? withoutHoles(this.context, m.runs) : m.runs);
    const { runs, rest } = splitLarge(fresh.filter((m) => copyable(m.vma)).flatMap(filled));
    if (runs.length > 0) {
      const ranges = fresh.filter((m) => copyable(m.vma) && runs.some(({ start }) => start >= m.vma.start && start < m.vma.end)).map(({ vma }) => vma);
      addCopies(p, this.context, this.task.pid, ranges, runs, fdOf);
    }
    p.resource('memory contents');
    addFills(p, [...fresh.filter((m) => !copyable(m.vma)).flatMap(filled), ...rest], fdOf);
    const inherited = this.mappings.filter((m) => m.inherited && isKind(m.vma, PRIVATE));
    const stale = subtract(cut(this.parent?.runs ?? [], inherited.map(({ vma }) => vma)), inherited.flatMap((m) => m.runs));
    for (const { start, end } of join(stale)) p.call('madvise', [start, end - start, MADV.DONTNEED], { keep: false });
    const compared = inherited.flatMap((m) => m.runs);
    addCompares(p, compared, fdOf);
    this.context.count(fresh.reduce((sum, m) => sum + total(m.runs), 0n) + total(compared), total(compared));
  }

  /** Protections, advice, names, guards and locks: after the children were made, which must not inherit them half-made. */
  finish(p: Program): void {
    const own = this.context.tree.own?.tasks.find(({ pid }) => pid === this.task.pid);
    for (const { vma, working } of this.mappings) {
      if (working === vma.prot && ((vma.madv ?? 0n) & ~HUGE_ADVICE) === 0n) continue;
      p.resource(describeVma(vma));
      if (working !== vma.prot) p.call('mprotect', [vma.start, vma.end - vma.start, vma.prot], { keep: false });
      this.#advise(p, vma, (vma.madv ?? 0n) & ~HUGE_ADVICE);
    }
    for (const vma of this.task.mm?.vmas ?? []) {
      if (isKind(vma, VMA.GUARD)) p.resource(`guard region ${hex(vma.start)}-${hex(vma.end)}`).call('madvise', [vma.start, vma.end - vma.start, MADV.GUARD_INSTALL], { keep: false });
    }
    for (const { start, end, name } of own?.vma_names ?? []) {
      p.resource(`mapping ${hex(start)}-${hex(end)}`).call('prctl', [PR.SET_VMA, 0, start, end - start, p.cstring(name)], { keep: false });
    }
    for (const { vma } of this.mappings) {
      if ((vma.flags & MAP.LOCKED) === 0) continue;
      const onFault = own?.vma_flags.some((f) => f.lock_on_fault === true && f.start <= vma.start && f.end >= vma.end) ?? false;
      p.resource(describeVma(vma)).call('mlock2', [vma.start, vma.end - vma.start, onFault ? MLOCK_ONFAULT : 0], {
        keep: false, remedy: { EPERM: 'Locked memory needs CAP_IPC_LOCK or a higher memlock limit', ENOMEM: 'Locked memory needs CAP_IPC_LOCK or a higher memlock limit' },
      });
    }
    for (const { start, end, sealed } of own?.vma_flags ?? []) {
      if (sealed === true) p.resource(`mapping ${hex(start)}-${hex(end)}`).call('mseal', [start, end - start, 0], { keep: false });
    }
  }

  #advise(p: Program, vma: vma_entry, bits: bigint): void {
    if (bits === 0n) return;
    // in halves: each shift of a bigint makes another, and thousands of stacks may have advice
    const [low, high] = [Number(bits & 0xffff_ffffn), Number(bits >> 32n)];
    for (let advice = 0; advice < 64 && (low | high) !== 0; advice++) {
      if ((((advice < 32 ? low : high) >>> (advice & 31)) & 1) !== 0) p.call('madvise', [vma.start, vma.end - vma.start, advice], { keep: false });
    }
  }
}
