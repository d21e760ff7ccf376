/**
 * An image set as a named collection of files, wherever it lies: a folder (../node/directory.ts), a folder of a container archive,
 * memory. A chain of sets (incremental dumps) is followed by `parent()`.
 */
import { StillframeError } from '../../errors.ts';
import { compressionOf, DecodedSource } from './decoded.ts';
import { BlobSource, MemorySource, SliceSource, type ByteFile } from './source.ts';
import { cleanPath, looksLikeTar, readTarIndex, type TarMember } from './tar.ts';

export interface ImageStore {
  /** What a person calls it: a path, `checkpoint.tar.gz:checkpoint`. */
  readonly name: string;
  /** Names of the files directly in it, sorted as by version (`core-9` before `core-10`). */
  readonly files: readonly string[];
  /** A file of it; undefined when there is none of that name. */
  source(name: string): Promise<ByteFile | undefined>;
  /**
   * The set the `parent` link names, when there is one.
   * `missing`: the link is there, but not what it points to.
   */
  parent(): Promise<ParentLink | undefined>;
  /** Closes files it holds open. It may be read again afterwards. */
  close(): Promise<void>;
}

export type ParentLink = { readonly link: string; readonly store: ImageStore } | { readonly link: string; readonly missing: true };

const collator = new Intl.Collator('en', { numeric: true });
export const byVersion = (a: string, b: string): number => collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);

export class MemoryStore implements ImageStore {
  readonly files: readonly string[];
  constructor(readonly name: string, readonly contents: ReadonlyMap<string, Uint8Array | ByteFile>, readonly parentStore?: ImageStore) {
    this.files = [...contents.keys()].sort(byVersion);
  }
  source(name: string): Promise<ByteFile | undefined> {
    const found = this.contents.get(name);
    return Promise.resolve(found instanceof Uint8Array ? new MemorySource(name, found) : found);
  }
  parent(): Promise<ParentLink | undefined> {
    return Promise.resolve(this.parentStore === undefined ? undefined : { link: this.parentStore.name, store: this.parentStore });
  }
  close(): Promise<void> { return Promise.resolve(); }
}

/** Files a person dropped or chose in a browser: one archive, or the files of one set. */
export function storeOfBlobs(name: string, blobs: Iterable<{ name: string; blob: Blob }>): MemoryStore {
  return new MemoryStore(name, new Map([...blobs].map(({ name: file, blob }) => [file, new BlobSource(file, blob)])));
}

/** A container archive (Podman, CRI-O, containerd, Kubernetes) or any tar file with image sets in it, read in place. */
export class Archive {
  readonly #byPath = new Map<string, TarMember>();

  /** @param inner archives among the members that have sets, by path */
  constructor(readonly name: string, readonly source: ByteFile, readonly members: readonly TarMember[], readonly inner: ReadonlyMap<string, Archive> = new Map()) {
    for (const member of members) this.#byPath.set(member.path, member);
  }

  /** All sets, those of archives inside included, as a person names them: `checkpoint`, `blobs/sha256/1f0a:checkpoint`. */
  get places(): { readonly name: string; readonly archive: Archive; readonly folder: string }[] {
    const own = this.sets.map((folder) => ({ name: folder, archive: this as Archive, folder }));
    return [...own, ...[...this.inner].flatMap(([path, archive]) => archive.places.map((place) => ({ ...place, name: place.name === '' ? path : `${path}:${place.name}` })))];
  }

  /** A member's bytes. Hard links and symbolic links inside the archive are followed. @throws StillframeError for a sparse member */
  file(path: string): ByteFile | undefined {
    let at = path;
    for (let hops = 0; hops < 8; hops++) {
      const member = this.#byPath.get(at);
      if (member === undefined) return undefined;
      if (member.type === 'hardlink') at = cleanPath(member.link);
      else if (member.type === 'symlink') at = resolveLink(at, member.link) ?? '';
      else if (member.type !== 'file') return undefined;
      else if (member.refused !== undefined) {
        throw new StillframeError({ doing: 'read archive', where: `${this.name}:${path}`, why: `${member.refused}, which cannot be read in place`, remedy: 'Unpack the archive, and name the folder.' });
      } else return new SliceSource(`${this.name}:${path}`, this.source, member.start, member.size, new Date(member.mtime * 1000));
    }
    return undefined;
  }

  /** Folders that hold an image set, those of the last link of a chain (with a process tree) first. */
  get sets(): string[] {
    const folders = new Map<string, { tree: boolean }>();
    for (const { path } of this.members) {
      const slash = path.lastIndexOf('/');
      const name = path.slice(slash + 1);
      const folder = slash < 0 ? '' : path.slice(0, slash);
      if (name !== 'inventory.img' && name !== 'pstree.img') continue;
      folders.set(folder, { tree: name === 'pstree.img' || folders.get(folder)?.tree === true });
    }
    const rank = (folder: string): number => (folders.get(folder)!.tree ? 0 : 2) + (folder.split('/').at(-1) === 'checkpoint' || folder === '' ? 0 : 1);
    return [...folders.keys()].sort((a, b) => rank(a) - rank(b) || byVersion(b, a));
  }

  store(folder: string): ArchiveStore {
    return new ArchiveStore(this, folder);
  }

  has(path: string): TarMember | undefined {
    return this.#byPath.get(path);
  }
}

class ArchiveStore implements ImageStore {
  readonly name: string;
  readonly files: readonly string[];

  constructor(readonly archive: Archive, readonly folder: string) {
    this.name = folder === '' ? archive.name : `${archive.name}:${folder}`;
    const prefix = folder === '' ? '' : `${folder}/`;
    const names = new Set<string>();
    for (const { path, type } of archive.members) {
      if (type === 'directory' || !path.startsWith(prefix) || path.indexOf('/', prefix.length) >= 0 || path.length === prefix.length) continue;
      const name = path.slice(prefix.length);
      if (name !== 'parent') names.add(name);
    }
    this.files = [...names].sort(byVersion);
  }

  source(name: string): Promise<ByteFile | undefined> {
    return Promise.resolve().then(() => this.archive.file(this.folder === '' ? name : `${this.folder}/${name}`));
  }

  parent(): Promise<ParentLink | undefined> {
    const path = this.folder === '' ? 'parent' : `${this.folder}/parent`;
    const member = this.archive.has(path);
    if (member?.type !== 'symlink') return Promise.resolve(undefined);
    const target = resolveLink(path, member.link);
    return Promise.resolve(target !== undefined && this.archive.sets.includes(target)
      ? { link: member.link, store: new ArchiveStore(this.archive, target) } : { link: member.link, missing: true });
  }

  close(): Promise<void> { return Promise.resolve(); }
}

/** A link's target as a path of the archive; undefined when it is absolute. */
function resolveLink(path: string, link: string): string | undefined {
  return link.startsWith('/') ? undefined : cleanPath(`${path.slice(0, path.lastIndexOf('/') + 1)}${link}`);
}

/**
 * Members that may be archives: blobs of an OCI layout (image-spec, image-layout.md; containerd keeps a checkpoint's images in one, Podman
 * and Buildah a whole checkpoint archive as a layer), layers of a Docker archive, containers of a pod.
 */
const INNER = /^blobs\/[\w+.-]+\/[0-9a-fA-F]{32,}$|\.tar(\.gz|\.zst|\.zstd)?$/;
const MAX_INNER = 1000;

/** Opens a source as an archive; undefined when it is none (neither tar nor compressed tar). Where it has no set, those inside it are opened, too. */
export async function openArchive(source: ByteFile, depth = 0): Promise<Archive | undefined> {
  const compression = compressionOf(await source.read(0, 8));
  const plain = compression === undefined ? source : new DecodedSource(source.name, source, compression);
  if (!looksLikeTar(await plain.read(0, 512))) {
    if (compression === undefined) return undefined;
    throw new StillframeError({ doing: 'read archive', where: source.name, why: `it is compressed with ${compression}, but there is no tar archive inside` });
  }
  const members = await readTarIndex(plain);
  if (plain instanceof DecodedSource) await plain.verify();
  const archive = new Archive(source.name, plain, members);
  return archive.sets.length > 0 || depth > 1 ? archive : new Archive(source.name, plain, members, await innerArchives(archive, depth + 1));
}

async function innerArchives(archive: Archive, depth: number): Promise<Map<string, Archive>> {
  const inner = new Map<string, Archive>();
  for (const { path, type, size } of archive.members.filter((member) => INNER.test(member.path)).sort((a, b) => byVersion(a.path, b.path)).slice(0, MAX_INNER)) {
    const source = type === 'file' && size >= 512 ? archive.file(path) : undefined;
    if (source === undefined) continue;
    try {
      const found = await openArchive(source, depth);
      if (found !== undefined && found.places.length > 0) inner.set(path, found);
    } catch (error) {
      // a blob may be anything; what cannot be read as an archive is not one with a set
      if (!(error instanceof StillframeError)) throw error;
    }
  }
  return inner;
}
