/** Rules about page maps and mappings, and what pages files have to hold. */
import { MARKS_BAD, PageFlag, PageMark, type PageMap } from '../../core/core.ts';
import { pageMapRanges } from './ranges.ts';
import { liveTasks } from '../usage.ts';
import { runsOf } from '../memory.ts';
import { guardsOf, type Mapping } from '../mappings.ts';
import type { OpenSet } from '../open.ts';
import { taskText, type CheckContext } from './context.ts';

export const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
const range = (start: bigint, end: bigint): string => `${hex(start)}-${hex(end)}`;

/** For each page map: its pages file, how many bytes it needs, and whether it has to exist (a map without pages needs none). */
export function* pagesFilesOf(set: OpenSet): Generator<{ map: string; file: string; needed: bigint; wanted: boolean }> {
  const size = BigInt(set.loaded.pageSize);
  for (const [name, map] of set.loaded.pageMaps) {
    let needed = 0n;
    for (let i = 0; i < map.count; i++) if ((map.flags[i]! & PageFlag.PRESENT) !== 0) needed += map.nrPages[i]! * size;
    yield { map: name, file: `pages-${map.pagesId}.img`, needed, wanted: needed > 0n };
  }
}

const MARK_TEXTS: readonly (readonly [number, string])[] = [
  [PageMark.UNALIGNED, 'its address is no multiple of the page size'], [PageMark.OVERFLOW, 'it reaches beyond the address space'],
  [PageMark.OVERLAP, 'it overlaps an entry before it'], [PageMark.UNORDERED, 'it starts below the entry before it'], [PageMark.EMPTY, 'it has no pages'],
];

export function checkPages(check: CheckContext): void {
  for (const [name, map] of check.set.loaded.pageMaps) checkMap(check, name, map);
  if (check.link > 0) return;
  for (const task of liveTasks(check.set)) {
    const { mappings } = check.set.memory(task.pid);
    checkMappings(check, `mm-${task.pid}.img`, taskText(task), mappings);
    checkInside(check, task.pid, [...mappings, ...guardsOf(task)]);
  }
  checkChain(check);
  checkPageSizes(check);
}

function checkMap(check: CheckContext, file: string, map: PageMap): void {
  if ((map.allMarks & MARKS_BAD) !== 0) {
    for (let i = 0; i < map.count; i++) {
      const texts = MARK_TEXTS.filter(([mark]) => (map.marks[i]! & mark) !== 0).map(([, text]) => text);
      if (texts.length > 0) check.add('sense/page-map', { file, record: i + 1, where: `${map.nrPages[i]} pages at ${hex(map.vaddr[i]!)}`, why: texts.join(', ') });
    }
  }
  let lazy = 0n;
  for (let i = 0; i < map.count; i++) if ((map.flags[i]! & (PageFlag.LAZY | PageFlag.PRESENT | PageFlag.PARENT)) === PageFlag.LAZY) lazy += map.nrPages[i]!;
  if (lazy > 0n) check.add('chain/lazy', { file, why: `${lazy} pages were not dumped but left for a lazy-pages daemon on the source host` });
}

function checkMappings(check: CheckContext, file: string, where: string, mappings: readonly Mapping[]): void {
  const size = BigInt(check.set.loaded.pageSize);
  let last: Mapping | undefined;
  for (const mapping of mappings) {
    const { start, end } = mapping;
    if (end <= start || start % size !== 0n || end % size !== 0n) check.add('sense/mapping-order', { file, where: `${where}, ${range(start, end)}`, why: end <= start ? 'the mapping ends before it starts' : `it is not aligned to pages of ${size} bytes` });
    else if (last !== undefined && start < last.end) check.add('sense/mapping-overlap', { file, where: `${where}, ${range(start, end)}`, why: `it overlaps the mapping ${range(last.start, last.end)}` });
    if (last === undefined || end > last.end) last = mapping;
  }
}

/** Every page of a task's own map lies in one of its mappings. */
function checkInside(check: CheckContext, pid: number, mappings: readonly { start: bigint; end: bigint }[]): void {
  const file = `pagemap-${pid}.img`;
  const map = check.set.loaded.pageMaps.get(file);
  if (map === undefined) return;
  const size = BigInt(check.set.loaded.pageSize);
  // an old program's map can name a page of an anonymous shared mapping as private: only the address counts here
  for (const outside of pageMapRanges(map, size, mappings)) {
    check.add('sense/page-outside', { file, record: outside.entry + 1, where: `task ${pid}, ${range(outside.start, outside.end)}`, why: 'no mapping of the task is there' });
  }
}

function checkChain(check: CheckContext): void {
  const { chain } = check.set;
  for (const [name, map] of check.set.loaded.pageMaps) {
    let parents = false;
    for (let i = 0; i < map.count && !parents; i++) parents = (map.flags[i]! & PageFlag.PARENT) !== 0;
    if (!parents) continue;
    if (chain.length === 1) {
      check.add('chain/page', { file: name, why: 'it says that pages are in a parent set, but the set has none', remedy: "Put the parent set back, and the link 'parent' to it." });
      continue;
    }
    for (const run of runsOf(chain, name)) {
      if (run.state === 'missing') check.add('chain/page', { file: name, where: range(run.start, run.end), why: 'no set before this one has these pages', remedy: 'A set of the chain was replaced, cut or deduplicated too far.' });
    }
  }
}

/** Shared memory: pages beyond the object's size. */
export function checkShared(check: CheckContext): void {
  const { tree, loaded } = check.set;
  const size = BigInt(loaded.pageSize);
  const objects = new Map<string, { size: bigint; what: string }>();
  for (const memfd of tree.memfds) objects.set(`pagemap-shmem-${memfd.shmid}.img`, { size: memfd.size, what: `the memory file ${memfd.name}` });
  for (const [name, object] of objects) {
    const map = loaded.pageMaps.get(name);
    if (map === undefined) continue;
    const limit = (object.size + size - 1n) / size * size;
    for (let i = 0; i < map.count; i++) {
      const end = map.vaddr[i]! + map.nrPages[i]! * size;
      if (end > limit) check.add('sense/shared-size', { file: name, record: i + 1, why: `its pages reach ${hex(end)}; ${object.what} has ${hex(object.size)} bytes` });
    }
  }
}

function checkPageSizes(check: CheckContext): void {
  const sizes = new Map<bigint, number>();
  for (const task of liveTasks(check.set)) {
    const auxv = task.mm!.mm_saved_auxv;
    for (let i = 0; i + 1 < auxv.length; i += 2) if (auxv[i] === 6n) sizes.set(auxv[i + 1]!, task.pid);
  }
  if (sizes.size > 1) check.add('sense/page-size', { why: `tasks say that a page is ${[...sizes].map(([bytes, pid]) => `${bytes} bytes (task ${pid})`).join(', ')}` });
}
