/**
 * Writes a `FrozenTree` as image files. The inventory comes last: a set without it is a dump that did not finish, and no
 * restorer takes it. Files listed in `tree.rest` are not touched.
 */
import { theCore } from '../core/core.ts';
import type { NewEntry } from './codec.ts';
import { fileName } from './kinds.ts';
import { writeEach, writeImage, type ImageSet } from './set.ts';
import { MEMBERS, pageMapEntries } from './tree-members.ts';
import type { FrozenTree, PageMap, Task } from './tree.ts';
import { MANY } from './wire-rows.ts';

/**
 * Writes everything the tree holds.
 * @returns the names of the files written, in order
 * @throws StillframeError when a message lacks a field, or the set cannot be written (full disk, ...)
 */
export function writeTree(set: ImageSet, tree: FrozenTree): string[] {
  const written: string[] = [];
  const write = (kind: string, id: number | bigint | undefined, entries: readonly NewEntry[]): void => void written.push(writeImage(set, kind, id, entries));
  const tasks = [...tree.tasks.values()];
  const vmas = tasks.reduce((sum, { mm }) => sum + (mm?.vmas.length ?? 0), 0);
  for (const [kind, of] of TASK_IMAGES) {
    const files = tasks.flatMap(of).flatMap(({ id, message }) => (message === undefined ? [] : [{ id, message }]));
    written.push(...writeEach(set, kind, files, (kind === 'MM' ? vmas : files.length) >= MANY));
  }
  for (const { pid, pagemap } of tasks) if (pagemap !== undefined) written.push(writePageMap(set, 'PAGEMAP', pid, pagemap));
  for (const member of MEMBERS) {
    if (member.kind === 'SHMEM_PAGEMAP') for (const [id, map] of tree.shmem) written.push(writePageMap(set, member.kind, id, map));
    else for (const [id, entries] of member.write(tree)) write(member.kind, id, entries);
  }
  write('PSTREE', undefined, tasks.map((task) => ({ message: task.item })));
  write('INVENTORY', undefined, [{ message: tree.inventory }]);
  return written;
}

/** Images of tasks and threads, and the messages a task has for them. */
const TASK_IMAGES: readonly (readonly [string, (task: Task) => { readonly id: number; readonly message: object | undefined }[]])[] = [
  ['CORE', ({ threads }) => [...threads].map(([id, message]) => ({ id, message }))],
  ['IDS', ({ pid, ids }) => [{ id: pid, message: ids }]],
  ['MM', ({ pid, mm }) => [{ id: pid, message: mm }]],
  ['FS', ({ pid, fs }) => [{ id: pid, message: fs }]],
];

/** Fields of the entries that the core writes. */
const PLAIN: ReadonlySet<string | symbol> = new Set(['vaddr', 'compat_nr_pages', 'in_parent', 'flags', 'nr_pages']);

/** A page map, which may have a hundred thousand entries: by the core, unless it has what only its message can tell. @returns the file's name */
export function writePageMap(set: ImageSet, kind: 'PAGEMAP' | 'SHMEM_PAGEMAP', id: number | bigint, map: PageMap): string {
  const { entries } = map;
  const vaddr = new BigUint64Array(entries.length), nrPages = new BigUint64Array(entries.length), flags = new Uint32Array(entries.length);
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i]!;
    if (entry.nr_pages === undefined || entry.flags === undefined || entry.in_parent !== undefined || entry.compat_nr_pages !== 0 || Reflect.ownKeys(entry).some((key) => !PLAIN.has(key))) return writeImage(set, kind, id, pageMapEntries(map));
    vaddr[i] = entry.vaddr;
    nrPages[i] = entry.nr_pages;
    flags[i] = entry.flags;
  }
  const name = fileName(kind, id);
  set.write(name, theCore().pagemap.encode(map.pages_id, { vaddr, nrPages, flags }));
  return name;
}
