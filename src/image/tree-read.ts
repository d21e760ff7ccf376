/**
 * Reads an image set into a `FrozenTree`: the inventory, the process tree, each task's images, then everything else. What the
 * model has no place for is listed in `rest`, never dropped. Images that only older versions wrote become what 4.2 writes
 * (./tree-old.ts). References between parts (file ids, page maps, parents) are not judged here.
 */
import { StillframeError } from '../errors.ts';
import { decodeImage, type Image } from './codec.ts';
import { kindOfFile, type Kind } from './kinds.ts';
import type { core_entry, fs_entry, inventory_entry, mm_entry, pstree_entry, task_kobj_ids_entry } from './schema/index.ts';
import { needImage, type ImageSet } from './set.ts';
import { DuplicateError, MEMBERS, pageMapOf } from './tree-members.ts';
import { OLD_KINDS, readOldImages, type OldImages } from './tree-old.ts';
import { emptyTree, isDead, type FrozenTree, type Task } from './tree.ts';

/** `inventory_entry.img_version` of images that every version since 1.1 reads and writes. */
export const IMAGE_VERSION = 2;
/** Oldest version that is read: before it, files had no common magic. */
const OLDEST_VERSION = 1;

const members = new Map(MEMBERS.map((member) => [member.kind, member]));

/**
 * Reads a whole set.
 * @throws StillframeError naming the file that is missing or damaged
 */
export function readTree(set: ImageSet): FrozenTree {
  const inventory = readInventory(set);
  const tree = emptyTree(inventory);
  const owners = readTasks(set, tree);
  const old: OldImages = new Map();
  for (const name of set.names()) {
    const found = kindOfFile(name);
    if (found === undefined) tree.rest.push({ name, why: 'unknown' });
    else if (found.kind.framing === 'raw') tree.rest.push({ name, why: 'raw' });
    else if (found.kind.name !== 'INVENTORY' && found.kind.name !== 'PSTREE') readFile(set, tree, owners, old, name, found.kind, found.id ?? 0n);
  }
  readOldImages(tree, old);
  for (const task of tree.tasks.values()) finishTask(set, task);
  return tree;
}

/** Reads and checks the inventory alone. */
export function readInventory(set: ImageSet): inventory_entry {
  const inventory = needImage(set, 'INVENTORY').entries[0]!.message as inventory_entry;
  // CRIU leaves the version out of a pre-dump's
  if (inventory.img_version === 0 && inventory.pre_dump_mode !== undefined) return inventory;
  if (inventory.img_version < OLDEST_VERSION || inventory.img_version > IMAGE_VERSION) {
    throw new StillframeError({
      doing: 'read image', where: `${set.label}/inventory.img`, why: `its images have version ${inventory.img_version}; ${OLDEST_VERSION} and ${IMAGE_VERSION} are known`,
      remedy: 'They were written by a later version: use that one, or a later Stillframe.',
    });
  }
  return inventory;
}

/** The process tree image and the core images of its tasks. Returns which task each thread belongs to. */
function readTasks(set: ImageSet, tree: FrozenTree): Map<number, Task> {
  const owners = new Map<number, Task>();
  const image = needImage(set, 'PSTREE');
  image.entries.forEach((entry, record) => {
    const item = entry.message as pstree_entry;
    const core = needImage(set, 'CORE', item.pid, `task ${item.pid} of pstree.img`).entries[0]!.message as core_entry;
    const task: Task = { pid: item.pid, item, core, threads: new Map([[item.pid, core]]) };
    if (core.tc === undefined) {
      throw new StillframeError({ doing: 'read image', where: `${set.label}/core-${task.pid}.img`, why: 'it has no task part (field tc), which the core image of a task leader has' });
    }
    for (const tid of threadsOf(task)) {
      if (owners.has(tid)) {
        throw new StillframeError({ doing: 'read image', where: `${set.label}/pstree.img, record ${record}`, why: `the number ${tid} is already that of a task or thread before it` });
      }
      owners.set(tid, task);
    }
    tree.tasks.set(item.pid, task);
  });
  return owners;
}

/** A task's threads, the leader first. For the only one of a dead task CRIU lists whatever number was in its memory. */
function threadsOf(task: Task): number[] {
  return isDead(task) ? [task.pid] : [...new Set([task.pid, ...task.item.threads])];
}

function readFile(set: ImageSet, tree: FrozenTree, owners: Map<number, Task>, old: OldImages, name: string, kind: Kind, id: bigint): void {
  const decode = (): Image => decodeImage(set.open(name)!, kind);
  const task = owners.get(Number(id));
  if (TASK_KINDS.has(kind.name) || kind.name === 'CORE') {
    if (task === undefined || (kind.name !== 'CORE' && task.pid !== Number(id))) tree.rest.push({ name, why: 'kind' });
    // the leader's core image has been read with the process tree
    else if (kind.name !== 'CORE' || task.pid !== Number(id)) readTaskFile(task, decode(), kind.name, Number(id));
    return;
  }
  const member = members.get(kind.name);
  if (member !== undefined) {
    try {
      member.read(tree, decode(), id);
    } catch (error) {
      if (!(error instanceof DuplicateError)) throw error;
      throw new StillframeError({ doing: 'read image', where: `${set.label}/${name}`, why: error.message });
    }
  } else if (OLD_KINDS.has(kind.name)) {
    old.set(name, { kind: kind.name, id: Number(id), entries: decode().entries });
  } else {
    tree.rest.push({ name, why: 'kind' });
  }
}

const TASK_KINDS = new Set(['IDS', 'MM', 'FS', 'PAGEMAP']);

function readTaskFile(task: Task, image: Image, kind: string, id: number): void {
  const message = image.entries[0]?.message;
  if (kind === 'CORE') task.threads.set(id, message as core_entry);
  else if (kind === 'IDS') task.ids = message as task_kobj_ids_entry;
  else if (kind === 'MM') task.mm = message as mm_entry;
  else if (kind === 'FS') task.fs = message as fs_entry;
  else task.pagemap = pageMapOf(image);
}

/** Puts the threads in order and makes sure that nothing a task cannot be without is missing. */
function finishTask(set: ImageSet, task: Task): void {
  const threads = threadsOf(task).map((tid) => {
    const core = task.threads.get(tid) ?? (needImage(set, 'CORE', tid, `task ${task.pid} of pstree.img`).entries[0]!.message as core_entry);
    return [tid, core] as const;
  });
  task.threads = new Map(threads);
  if (isDead(task)) return;
  if (task.mm === undefined) needImage(set, 'MM', task.pid, `task ${task.pid} of pstree.img`);
  if (task.fs === undefined) needImage(set, 'FS', task.pid, `task ${task.pid} of pstree.img`);
}
