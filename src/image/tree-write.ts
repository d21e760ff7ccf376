/**
 * Writes a `FrozenTree` as image files. The inventory comes last: a set without it is a dump that did not finish, and no
 * restorer takes it. Files listed in `tree.rest` are not touched.
 */
import type { NewEntry } from './codec.ts';
import { writeImage, type ImageSet } from './set.ts';
import { MEMBERS, pageMapEntries } from './tree-members.ts';
import type { FrozenTree, Task } from './tree.ts';

/**
 * Writes everything the tree holds.
 * @returns the names of the files written, in order
 * @throws StillframeError when a message lacks a field, or the set cannot be written (full disk, ...)
 */
export function writeTree(set: ImageSet, tree: FrozenTree): string[] {
  const written: string[] = [];
  const write = (kind: string, id: number | bigint | undefined, entries: readonly NewEntry[]): void => void written.push(writeImage(set, kind, id, entries));
  for (const task of tree.tasks.values()) writeTask(task, write);
  for (const member of MEMBERS) for (const [id, entries] of member.write(tree)) write(member.kind, id, entries);
  write('PSTREE', undefined, [...tree.tasks.values()].map((task) => ({ message: task.item })));
  write('INVENTORY', undefined, [{ message: tree.inventory }]);
  return written;
}

function writeTask(task: Task, write: (kind: string, id: number, entries: readonly NewEntry[]) => void): void {
  for (const [tid, core] of task.threads) write('CORE', tid, [{ message: core }]);
  if (task.ids !== undefined) write('IDS', task.pid, [{ message: task.ids }]);
  if (task.mm !== undefined) write('MM', task.pid, [{ message: task.mm }]);
  if (task.fs !== undefined) write('FS', task.pid, [{ message: task.fs }]);
  if (task.pagemap !== undefined) write('PAGEMAP', task.pid, pageMapEntries(task.pagemap));
}
