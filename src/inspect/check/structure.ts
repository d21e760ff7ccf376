/** Rules about files: missing, left over, damaged, of the wrong size. */
import type { PageMap } from '../../core/pagemap.ts';
import { isDead, type FrozenTree, type Task } from '../../image/tree.ts';
import { isCompanion, threadIds } from '../load.ts';
import { liveTasks } from '../usage.ts';
import { taskText, type CheckContext } from './context.ts';
import { pagesFilesOf } from './pages.ts';

/** What this version writes. */
const PAGE_HASH = 'xxh3-128';
const NEWEST_VERSION = 2;
const OLDEST_VERSION = 1;
export function checkStructure(check: CheckContext): void {
  const { set, tree } = check;
  for (const finding of set.loaded.findings) check.take(finding);
  if (set.parentFinding !== undefined) check.take(set.parentFinding);
  checkInventory(check);
  if (check.link === 0) checkTasks(check);
  for (const { name, why } of tree.rest) {
    if (why === 'unknown' && !isCompanion(name)) check.add('structure/unknown', { file: name, why: 'no image kind is called like this' });
  }
  checkLeftovers(check);
  checkPagesFiles(check);
}

function checkInventory(check: CheckContext): void {
  const { set, tree } = check;
  const damaged = set.loaded.findings.some(({ file }) => file === 'inventory.img');
  if (!set.loaded.inventory && !damaged) {
    check.add('structure/inventory', { file: 'inventory.img', why: 'it is missing: a dump writes it last, so this one did not finish', remedy: 'Dump again; what is here cannot be restored.' });
  } else if (set.loaded.inventory && (tree.inventory.img_version > NEWEST_VERSION || tree.inventory.img_version < OLDEST_VERSION) && !isPreDump(tree)) {
    check.add('structure/version', { file: 'inventory.img', why: `its images have version ${tree.inventory.img_version}; ${OLDEST_VERSION} and ${NEWEST_VERSION} are known`, remedy: 'They were written by a later version: use that one.' });
  }
}

/** CRIU leaves the version out of a pre-dump's inventory. */
const isPreDump = (tree: FrozenTree): boolean => tree.inventory.img_version === 0 && tree.inventory.pre_dump_mode !== undefined;

function checkTasks(check: CheckContext): void {
  const { set, tree } = check;
  if (set.loaded.findings.some(({ file }) => file === 'pstree.img')) return;
  if (tree.tasks.size === 0) {
    const pages = [...set.loaded.pageMaps.keys()];
    if (pages.length > 0 && !check.has('pstree.img')) check.add('structure/pre-dump', { file: 'pstree.img', why: 'it is missing, but there are page maps: this is a pre-dump', remedy: 'Check or restore the set of the final dump, whose parent link leads here.' });
    else check.add('structure/tree', { file: 'pstree.img', why: check.has('pstree.img') ? 'it has no tasks' : 'it is missing' });
    return;
  }
  for (const task of tree.tasks.values()) checkTaskFiles(check, task);
}

/** A file that was there but damaged has a finding already. */
function checkTaskFiles(check: CheckContext, task: Task): void {
  const { loaded } = check.set;
  const damaged = new Set(loaded.findings.map(({ file }) => file));
  const need = (there: boolean, file: string, what: string): void => {
    if (!there && !damaged.has(file)) check.add('structure/missing', { file, where: taskText(task), why: `it is missing; it has ${what}` });
  };
  need(!loaded.coreless.has(task.pid), `core-${task.pid}.img`, "the task's registers, state and name");
  if (!loaded.coreless.has(task.pid) && task.core.tc === undefined) check.add('structure/missing', { file: `core-${task.pid}.img`, where: taskText(task), why: 'it has no task part (field tc), which the core image of a task leader has' });
  for (const tid of threadIds(task)) {
    const file = `core-${tid}.img`;
    if (tid !== task.pid && !task.threads.has(tid) && !damaged.has(file)) check.add('reference/thread', { file, where: `${taskText(task)}, thread ${tid}`, why: 'it is missing; it has the registers of the thread' });
  }
  if (isDead(task) || loaded.coreless.has(task.pid)) return;
  need(task.mm !== undefined, `mm-${task.pid}.img`, "the task's mappings");
  need(task.fs !== undefined, `fs-${task.pid}.img`, "the task's working directory and root");
  need(task.ids !== undefined, `ids-${task.pid}.img`, 'what the task shares with others');
  need(task.mm === undefined || loaded.pageMaps.has(`pagemap-${task.pid}.img`), `pagemap-${task.pid}.img`, 'where the pages of the task are');
}

function checkLeftovers(check: CheckContext): void {
  const { tree, loaded } = check.set;
  if (check.link > 0 || tree.tasks.size === 0) return;
  const tids = new Set([...tree.tasks.values()].flatMap(threadIds));
  const shared = new Set<string>();
  for (const task of liveTasks(check.set)) for (const mapping of check.set.memory(task.pid).mappings) if (mapping.shmem !== undefined) shared.add(mapping.shmem);
  for (const memfd of tree.memfds) shared.add(`pagemap-shmem-${memfd.shmid}.img`);
  for (const ns of tree.ipcns.values()) for (const { entry } of ns.shm) shared.add(`pagemap-shmem-${entry.desc.id}.img`);
  const tables = new Set([...tree.tasks.values()].flatMap((task) => [task.ids?.files_id, task.pid]));
  for (const { name, kind, id } of loaded.files) {
    const number = Number(id ?? -1n);
    const stray = (kind?.name === 'CORE' && !tids.has(number)) || (kind !== undefined && ['MM', 'FS', 'IDS', 'PAGEMAP'].includes(kind.name) && !tree.tasks.has(number))
      || (kind?.name === 'SHMEM_PAGEMAP' && !shared.has(name)) || (kind?.name === 'FDINFO' && !tables.has(number));
    if (stray) check.add('structure/leftover', { file: name, why: 'no task or object of the set has this number: is it from another dump into the same folder?', remedy: 'Dump into an empty folder.' });
  }
}

/** Of the tasks of a family (dump --dedup-pages): a set above this one tells which pages each of them has. */
function sameMap(one: PageMap, other: PageMap): boolean {
  return one.count === other.count && (['vaddr', 'nrPages', 'flags'] as const).every((column) => one[column].every((value: bigint | number, i: number) => value === other[column][i]));
}

function checkPagesFiles(check: CheckContext): void {
  const { loaded } = check.set;
  const sizes = new Map(loaded.files.map((file) => [file.name, file.size]));
  const users = new Map<string, string>();
  const unlike = (one: string, other: string): boolean => !sameMap(loaded.pageMaps.get(one)!, loaded.pageMaps.get(other)!);
  for (const { map, file, needed, wanted } of pagesFilesOf(check.set)) {
    const size = sizes.get(file);
    const before = users.get(file);
    if (before !== undefined && needed > 0n && unlike(before, map)) check.add('structure/pages-shared', { file, where: map, why: `${before} has other pages in it` });
    if (needed > 0n) users.set(file, map);
    if (size === undefined) {
      if (wanted) check.add('structure/pages-missing', { file, why: `it is missing; ${map} has ${needed} bytes of pages in it` });
    } else if (BigInt(size) < needed) check.add('structure/pages-short', { file, why: `it has ${size} bytes; the pages of ${map} are ${needed}`, remedy: 'It was cut: copy the set again, or dump again.' });
    else if (BigInt(size) > needed) check.add('structure/pages-long', { file, why: `it has ${size} bytes; the pages of ${map} are ${needed}` });
  }
  for (const { name, kind } of loaded.files) {
    if (kind?.name === 'PAGES' && !users.has(name) && (sizes.get(name) ?? 0) > 0) check.add('structure/leftover', { file: name, why: 'no page map refers to these pages' });
  }
  for (const [name, { algorithm, page_size, pages }] of loaded.hashes) {
    const file = name.replace('hashes-', 'pages-');
    const size = sizes.get(file);
    if (size === undefined) check.add('structure/leftover', { file: name, why: `it has hashes of the pages of ${file}, which is missing` });
    else if (algorithm === PAGE_HASH && BigInt(size) !== pages * BigInt(page_size)) check.add('structure/hashes', { file: name, why: `it has hashes of ${pages} pages of ${page_size} bytes; ${file} has ${size} bytes`, remedy: 'Remove it: the set is complete without it, the next dump then compares with the pages themselves.' });
  }
}
