/**
 * An image store as a `FrozenTree`, as far as it can be read: a file that is damaged becomes a finding and the rest is still there.
 * (Restore reads strictly; whoever looks at a set wants to see what is left of it.) Page maps are kept as columns, not as messages.
 */
import { StillframeError } from '../errors.ts';
import { theCore, type PageMap } from '../core/core.ts';
import type { Entry, Image } from '../image/codec.ts';
import { fileName, kindOfFile, type Kind } from '../image/kinds.ts';
import type * as s from '../image/schema/index.ts';
import { core_entry, inventory_entry } from '../image/schema/index.ts';
import { DuplicateError, MEMBERS } from '../image/tree-members.ts';
import { OLD_KINDS, readOldImages, type OldImages } from '../image/tree-old.ts';
import { emptyTree, type FrozenTree, type Task } from '../image/tree.ts';
import { create } from '../image/wire.ts';
import { readAll, type ByteFile } from '../image/source/source.ts';
import type { ImageStore } from '../image/source/store.ts';
import { findingOf, type Finding } from './finding.ts';
import { readImageFile } from './read.ts';

export interface SetFile {
  readonly name: string;
  readonly size: number;
  readonly kind?: Kind;
  readonly id?: bigint;
  /** Records, when it was decoded. */
  records?: number;
}

export interface Loaded {
  readonly tree: FrozenTree;
  readonly files: readonly SetFile[];
  /** Bytes of a page, by the tasks' auxiliary vector. */
  readonly pageSize: number;
  /** Page maps by file name (`pagemap-5.img`, `pagemap-shmem-7.img`). */
  readonly pageMaps: ReadonlyMap<string, PageMap>;
  /** Statistics files by name (`stats-dump`). */
  readonly stats: ReadonlyMap<string, s.stats_entry>;
  /** Page hashes by file name (`hashes-1.img`); the hashes themselves stay there. */
  readonly hashes: ReadonlyMap<string, s.sf_hashes_entry>;
  /** Zombies and tasks without a core image have a made-up core; the latter are named here. */
  readonly coreless: ReadonlySet<number>;
  /** Tids there are core images of, those of nobody in the tree included. */
  readonly cores: ReadonlySet<number>;
  /** Whether there is an inventory; else `tree.inventory` is made up. */
  readonly inventory: boolean;
  /** What could not be read. */
  readonly findings: readonly Finding[];
}

/** Files that are no images, but that engines and CRIU itself put beside them. */
const COMPANIONS = /\.(log|pid|json|txt|sock)$|^(descriptors\.json|criu\.work|.*\.lock)$/;
export const isCompanion = (name: string): boolean => COMPANIONS.test(name);

/** Largest page map that is decoded: the core's limit. */
const MAX_PAGEMAP = 512 << 20;
const PAGEMAPS = new Set(['PAGEMAP', 'SHMEM_PAGEMAP']);

const TASK_PARTS = new Set(['IDS', 'MM', 'FS']);

interface TaskPart { readonly kind: string; readonly id: number; readonly message: object }

const members = new Map(MEMBERS.map((member) => [member.kind, member]));

/** AT_PAGESZ of the auxiliary vector (linux/auxvec.h). */
const AT_PAGESZ = 6n;

/** The page size a task saw; undefined when its vector does not say a sensible one. */
function pageSizeOf(mm: s.mm_entry): number | undefined {
  const at = mm.mm_saved_auxv.findIndex((value, i) => i % 2 === 0 && value === AT_PAGESZ);
  const size = Number(at < 0 ? 0n : mm.mm_saved_auxv[at + 1] ?? 0n);
  return size >= 4096 && size <= 65536 && (size & (size - 1)) === 0 ? size : undefined;
}

/** Reads all of a store but raw files. */
export async function loadSet(store: ImageStore): Promise<Loaded> {
  const loader = new Loader(store);
  for (const name of store.files) await loader.take(name);
  await store.close();
  return loader.finish();
}

class Loader {
  readonly #findings: Finding[] = [];
  readonly #files: SetFile[] = [];
  readonly #pageMaps = new Map<string, PageMap>();
  readonly #stats = new Map<string, s.stats_entry>();
  readonly #hashes = new Map<string, s.sf_hashes_entry>();
  readonly #cores = new Map<number, s.core_entry>();
  readonly #parts: TaskPart[] = [];
  readonly #old: OldImages = new Map();
  readonly #tree = emptyTree(create(inventory_entry, { img_version: 0 }));
  #inventory = false;
  /** mm-N comes before pagemap-N in the order of names. */
  #pageSize = 4096;

  constructor(readonly store: ImageStore) {}

  async take(name: string): Promise<void> {
    const found = kindOfFile(name);
    let file: SetFile = { name, size: 0, ...(found === undefined ? {} : { kind: found.kind, ...(found.id === undefined ? {} : { id: found.id }) }) };
    if (found === undefined) this.#tree.rest.push({ name, why: 'unknown' });
    else if (found.kind.framing === 'raw') this.#tree.rest.push({ name, why: 'raw' });
    try {
      const source = await this.store.source(name);
      file = { ...file, size: source?.size ?? 0 };
      if (source === undefined) this.#findings.push({ rule: 'structure/unreadable', severity: 'warning', file: name, why: 'it is no regular file' });
      else if (found !== undefined && found.kind.framing !== 'raw') file.records = await this.#decode(source, name, found.kind, found.id ?? 0n);
    } catch (error) {
      if (!(error instanceof StillframeError || error instanceof DuplicateError)) throw error;
      this.#findings.push(error instanceof DuplicateError
        ? { rule: 'sense/id', severity: 'error', file: name, why: error.message } : findingOf('structure/decode', name, error));
    }
    this.#files.push(file);
  }

  /** Returns how many records there are. */
  async #decode(source: ByteFile, name: string, kind: Kind, id: bigint): Promise<number> {
    if (PAGEMAPS.has(kind.name)) {
      const map = theCore().pagemap.decode(await readAll(source, MAX_PAGEMAP), this.#pageSize);
      this.#pageMaps.set(name, map);
      return map.count + 1;
    }
    const image = await readImageFile(source, name, kind, (decoded) => members.get(kind.name)?.read(this.#tree, decoded, id));
    if (!members.has(kind.name)) this.#put(name, kind.name, image, Number(id));
    return image.entries.length;
  }

  #put(name: string, kind: string, image: Image, id: number): void {
    const { message } = image.entries[0] ?? {};
    if (kind === 'PSTREE') addTasks(this.#tree, image.entries, this.#findings);
    else if (message === undefined) return;
    else if (kind === 'INVENTORY') {
      this.#tree.inventory = message as s.inventory_entry;
      this.#inventory = true;
    } else if (kind === 'STILLFRAME_HASHES') this.#hashes.set(name, message as s.sf_hashes_entry);
    else if (kind === 'STATS') this.#stats.set(name, message as s.stats_entry);
    else if (kind === 'CORE') this.#cores.set(id, message as s.core_entry);
    else if (TASK_PARTS.has(kind)) {
      this.#parts.push({ kind, id, message });
      if (kind === 'MM') this.#pageSize = pageSizeOf(message as s.mm_entry) ?? this.#pageSize;
    } else if (OLD_KINDS.has(kind)) this.#old.set(name, { kind, id, entries: image.entries });
    else this.#tree.rest.push({ name, why: 'kind' });
  }

  finish(): Loaded {
    const coreless = finishTasks(this.#tree, this.#cores, this.#parts);
    readOldImages(this.#tree, this.#old);
    return {
      tree: this.#tree, files: this.#files, pageSize: this.#pageSize, pageMaps: this.#pageMaps, stats: this.#stats, hashes: this.#hashes, coreless,
      inventory: this.#inventory, cores: new Set(this.#cores.keys()), findings: this.#findings,
    };
  }
}

/** Puts the images of tasks where the model has them, and makes up the cores that are missing. */
function finishTasks(tree: FrozenTree, cores: ReadonlyMap<number, s.core_entry>, parts: readonly TaskPart[]): Set<number> {
  const coreless = new Set<number>();
  for (const { kind, id, message } of parts) {
    const task = tree.tasks.get(id);
    if (task === undefined) tree.rest.push({ name: fileName(kind, id), why: 'kind' });
    else if (kind === 'IDS') task.ids = message as s.task_kobj_ids_entry;
    else if (kind === 'MM') task.mm = message as s.mm_entry;
    else task.fs = message as s.fs_entry;
  }
  for (const task of tree.tasks.values()) {
    const core = cores.get(task.pid);
    if (core === undefined) coreless.add(task.pid);
    else task.core = core;
    for (const tid of threadIds(task)) {
      const thread = tid === task.pid ? task.core : cores.get(tid);
      if (thread !== undefined) task.threads.set(tid, thread);
    }
    task.ids ??= task.core.ids;
  }
  return coreless;
}

/** The tids of a task; a zombie's list is a single 0. */
export function threadIds(task: Task): number[] {
  return [...new Set([task.pid, ...task.item.threads.filter((tid) => tid !== 0)])];
}

function addTasks(tree: FrozenTree, entries: readonly Entry[], findings: Finding[]): void {
  entries.forEach(({ message }, record) => {
    const item = message as s.pstree_entry;
    if (tree.tasks.has(item.pid)) {
      findings.push({ rule: 'sense/pid', severity: 'error', file: 'pstree.img', record, where: `task ${item.pid}`, why: 'this pid is in the process tree twice' });
      return;
    }
    tree.tasks.set(item.pid, { pid: item.pid, item, core: create(core_entry, { mtype: 0 }), threads: new Map() });
  });
}
