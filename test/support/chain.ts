/** A chain of small image sets in memory: one task, pid 5, with one anonymous mapping at 0x1000-0x10000. */
import '../../src/core/node.ts';
import { theCore } from '../../src/core/core.ts';
import { encodeImage } from '../../src/image/codec.ts';
import { fileName, kindNamed } from '../../src/image/kinds.ts';
import { core_entry, inventory_entry, mm_entry, pstree_entry, task_core_entry, vma_entry } from '../../src/image/schema/index.ts';
import { create } from '../../src/image/wire.ts';
import { MemoryStore } from '../../src/image/source/store.ts';
import { openStore, type OpenSet } from '../../src/inspect/open.ts';

export interface Link {
  /** Address of a page to the byte it is filled with. */
  readonly pages: Readonly<Record<number, number>>;
  /** Addresses of pages that are in the parent. */
  readonly parent?: readonly number[];
}

const PAGE = 4096;

export function image(kind: string, messages: readonly object[]): Uint8Array {
  return encodeImage(kind, kindNamed(kind)!, messages.map((message) => ({ message })));
}

export function linkFiles({ pages, parent = [] }: Link): Map<string, Uint8Array> {
  const entries = [...Object.keys(pages).map((at) => [Number(at), 4] as const), ...parent.map((at) => [at, 1] as const)].sort((a, b) => a[0] - b[0]);
  const bytes = new Uint8Array(Object.keys(pages).length * PAGE);
  Object.values(pages).forEach((value, i) => bytes.fill(value, i * PAGE, (i + 1) * PAGE));
  const zero = { mm_start_code: 0n, mm_end_code: 0n, mm_start_data: 0n, mm_end_data: 0n, mm_start_stack: 0n, mm_start_brk: 0n, mm_brk: 0n, mm_arg_start: 0n, mm_arg_end: 0n, mm_env_start: 0n, mm_env_end: 0n };
  const vma = create(vma_entry, { start: 0x1000n, end: 0x10000n, pgoff: 0n, shmid: 0n, prot: 3, flags: 0x22, status: 0x201, fd: -1n });
  const tc = create(task_core_entry, { task_state: 1, exit_code: 0, personality: 0, flags: 0, blk_sigset: 0n, comm: 'linked' });
  return new Map([
    ['inventory.img', image('INVENTORY', [create(inventory_entry, { img_version: 2 })])],
    ['pstree.img', image('PSTREE', [create(pstree_entry, { pid: 5, ppid: 0, pgid: 5, sid: 5, threads: [5] })])],
    ['core-5.img', image('CORE', [create(core_entry, { mtype: 1, tc })])],
    ['mm-5.img', image('MM', [create(mm_entry, { ...zero, exe_file_id: 1, vmas: [vma] })])],
    [fileName('PAGEMAP', 5), theCore().pagemap.encode(1, {
      vaddr: BigUint64Array.from(entries, ([at]) => BigInt(at)), nrPages: BigUint64Array.from(entries, () => 1n), flags: Uint32Array.from(entries, ([, flags]) => flags),
    })],
    ['pages-1.img', bytes],
  ]);
}

/** The youngest set of a chain; the oldest is given first. */
export function chainOf(...links: readonly Link[]): Promise<OpenSet> {
  let store: MemoryStore | undefined;
  links.forEach((link, i) => { store = new MemoryStore(`link${i}`, linkFiles(link), store); });
  return openStore(store!);
}
