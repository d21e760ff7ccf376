/**
 * `open`: an image set, wherever it lies, with the chain of sets it builds on. The entry to everything that looks at images.
 * Nothing here knows a file system; Node's paths are in ./node/open.ts.
 */
import { StillframeError } from '../errors.ts';
import { kindOfFile } from '../image/kinds.ts';
import type { stats_entry } from '../image/schema/index.ts';
import type { FrozenTree, Task } from '../image/tree.ts';
import type { Payload } from '../image/payload.ts';
import { BlobSource, MemorySource, readAll, type ByteFile } from '../image/source/source.ts';
import { MemoryStore, openArchive, type Archive, type ImageStore } from '../image/source/store.ts';
import { loadSet, type Loaded } from './load.ts';
import { payloadBytes, readImageFile } from './read.ts';
import { AddressSpace } from './memory.ts';
import type { Finding } from './finding.ts';

/** Longest chain that is followed. */
const MAX_CHAIN = 4096;

export class OpenSet {
  readonly tree: FrozenTree;
  #spaces = new Map<number, AddressSpace>();

  constructor(
    readonly store: ImageStore,
    readonly loaded: Loaded,
    /** The set the `parent` link leads to; undefined at the chain's end. */
    readonly parent: OpenSet | undefined,
    /** What is wrong with the parent link, if something is. */
    readonly parentFinding: Finding | undefined,
    /** The container archive it lies in. */
    readonly archive: Archive | undefined,
  ) {
    this.tree = loaded.tree;
  }

  /** Statistics by file name; engines put them beside the folder of images. */
  async stats(): Promise<ReadonlyMap<string, stats_entry>> {
    const stats = new Map(this.loaded.stats);
    for (const name of ['stats-dump', 'stats-restore']) {
      const source = stats.has(name) ? undefined : this.archive?.file(name);
      const kind = kindOfFile(name)?.kind;
      if (source === undefined || kind === undefined) continue;
      const { entries } = await readImageFile(source, name, kind);
      if (entries[0] !== undefined) stats.set(name, entries[0].message as stats_entry);
    }
    return stats;
  }

  get name(): string { return this.store.name; }

  /** This set, its parent, the parent's parent, ... */
  get chain(): OpenSet[] {
    const chain: OpenSet[] = [];
    for (let set: OpenSet | undefined = this; set !== undefined; set = set.parent) chain.push(set);
    return chain;
  }

  /** @throws StillframeError naming the pids there are */
  task(pid: number): Task {
    const task = this.tree.tasks.get(pid);
    if (task !== undefined) return task;
    const pids = [...this.tree.tasks.keys()];
    const some = pids.length > 20 ? `${pids.slice(0, 20).join(', ')} and ${pids.length - 20} more` : pids.join(', ');
    throw new StillframeError({ doing: 'read image set', where: this.name, why: `there is no task ${pid} in it`, remedy: pids.length === 0 ? 'It has no tasks at all.' : `It has ${some}.` });
  }

  /** A task's memory: mappings, and the pages of this set and the sets before it. */
  memory(pid: number): AddressSpace {
    let space = this.#spaces.get(pid);
    if (space === undefined) this.#spaces.set(pid, space = new AddressSpace(this, this.task(pid)));
    return space;
  }

  /** A payload's bytes (queued data, a ghost file's contents), or a part of them. */
  async payload(payload: Payload, from = 0, length = payload.size - from): Promise<Uint8Array> {
    return payloadBytes(payload, payload.at === undefined ? undefined : await this.store.source(payload.at.file), from, length);
  }

  /** A file of the set, whole. @throws StillframeError when it is not there, or larger than `limit` */
  async bytes(name: string, limit = 256 << 20): Promise<Uint8Array> {
    const source = await this.store.source(name);
    if (source === undefined) throw new StillframeError({ doing: 'read image set', where: this.name, why: `there is no file ${name} in it` });
    return readAll(source, limit);
  }

  async close(): Promise<void> {
    await Promise.all(this.chain.map((set) => set.store.close()));
  }
}

/** What `open` takes besides paths (Node): a store, an archive's bytes, a File or Blob. */
export type OpenTarget = ImageStore | ByteFile | Uint8Array | Blob | ReadonlyMap<string, Uint8Array>;

export interface OpenOptions {
  /** Folder of an archive that holds the set, when there are several. */
  readonly set?: string;
  /** How errors and output call it. */
  readonly name?: string;
}

/**
 * Opens an image set: decodes all of it but page contents, and the chain of its parents.
 * Damaged files do not throw; they are in `loaded.findings`.
 * @throws StillframeError when there is no image set, or an archive cannot be read
 */
export async function open(target: OpenTarget, options: OpenOptions = {}): Promise<OpenSet> {
  const name = options.name ?? 'images';
  if (target instanceof Uint8Array) return openSource(new MemorySource(name, target), options);
  if (target instanceof Map) return openStore(new MemoryStore(name, target as ReadonlyMap<string, Uint8Array>));
  if (typeof Blob !== 'undefined' && target instanceof Blob) return openSource(new BlobSource(options.name ?? (target as { name?: string }).name ?? 'archive', target), options);
  if ('files' in target) return openStore(target);
  return openSource(target as ByteFile, options);
}

async function openSource(source: ByteFile, options: OpenOptions): Promise<OpenSet> {
  const archive = await openArchive(source);
  if (archive === undefined) {
    throw new StillframeError({ doing: 'open image set', where: source.name, why: 'it is neither a folder of images nor an archive', remedy: 'A tar archive is expected, plain or compressed with gzip or zstd.' });
  }
  const { places } = archive;
  const place = options.set === undefined ? places[0] : places.find(({ name }) => name === options.set);
  if (place === undefined) {
    throw new StillframeError({
      doing: 'open image set', where: source.name, why: options.set === undefined ? 'there is no image set in this archive (no inventory.img)' : `there is no image set in its folder '${options.set}'`,
      ...(places.length === 0 ? {} : { remedy: `It has sets in: ${places.map(({ name }) => name || '.').join(', ')}.` }),
    });
  }
  return openStore(place.archive.store(place.folder), place.archive);
}

/** @throws StillframeError when the store holds no images at all, or its chain is a loop */
export async function openStore(store: ImageStore, archive?: Archive, children: readonly string[] = []): Promise<OpenSet> {
  const loaded = await loadSet(store);
  if (!loaded.files.some((file) => file.kind !== undefined)) {
    throw new StillframeError({ doing: 'open image set', where: store.name, why: loaded.files.length === 0 ? 'it is empty' : 'there are no images in it', remedy: 'Name the folder that criu dump -D or stillframe dump -D wrote to, or a container archive.' });
  }
  const seen = [...children, store.name];
  const link = await store.parent();
  let parent: OpenSet | undefined;
  let finding: Finding | undefined;
  if (link !== undefined) {
    if ('missing' in link) {
      finding = { rule: 'chain/parent', severity: 'error', file: 'parent', why: `it points to ${link.link}, where there is no image set`, remedy: 'Pages of this set are in the set it was built on: put that one back where the link points.' };
    } else if (seen.includes(link.store.name) || seen.length >= MAX_CHAIN) {
      finding = { rule: 'chain/loop', severity: 'error', file: 'parent', why: `it leads back to ${link.store.name}: the parent links form a loop` };
    } else {
      try {
        parent = await openStore(link.store, archive, seen);
      } catch (error) {
        if (!(error instanceof StillframeError)) throw error;
        finding = { rule: 'chain/parent', severity: 'error', file: 'parent', why: error.parts.why };
      }
    }
  }
  return new OpenSet(store, loaded, parent, finding, archive);
}
