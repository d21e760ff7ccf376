/** Image sets in folders and archives in files, by Node. The only part of the image path that knows a file system. */
import { readFileSync, statSync } from 'node:fs';
import { open as openFile, readdir, readlink, realpath, type FileHandle } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { StillframeError } from '../../errors.ts';
import type { ByteFile } from '../source/source.ts';
import { byVersion, type ImageStore, type ParentLink } from '../source/store.ts';

/** Files held open at once by one store. */
const MAX_OPEN = 32;
/** Files up to this size are read whole and at once: a set of 10,000 of them would be four trips to another thread each. */
const SMALL = 256 << 10;

export class FileSource implements ByteFile {
  #handle: Promise<FileHandle> | undefined;
  constructor(readonly name: string, readonly path: string, readonly size: number, readonly mtime?: Date, readonly opened?: (source: FileSource) => void) {}

  async read(offset: number, length: number): Promise<Uint8Array> {
    const wanted = Math.min(length, Math.max(0, this.size - offset));
    if (wanted === 0) return new Uint8Array(0);
    try {
      if (this.size <= SMALL) {
        const whole = readFileSync(this.path);
        return new Uint8Array(whole.buffer, whole.byteOffset, whole.byteLength).subarray(offset, offset + wanted);
      }
      if (this.#handle === undefined) {
        this.#handle = openFile(this.path, 'r');
        this.opened?.(this);
      }
      const handle = await this.#handle;
      const bytes = new Uint8Array(wanted);
      let got = 0;
      while (got < wanted) {
        const { bytesRead } = await handle.read(bytes, got, wanted - got, offset + got);
        if (bytesRead === 0) break;
        got += bytesRead;
      }
      return got === wanted ? bytes : bytes.subarray(0, got);
    } catch (cause) {
      this.#handle = undefined;
      throw fileError('read image', this.path, cause);
    }
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    if (handle !== undefined) await handle.then((h) => h.close(), () => undefined);
  }
}

export function fileError(doing: string, path: string, cause: unknown): StillframeError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  const why: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file or folder', EACCES: 'permission denied', EPERM: 'not permitted', EISDIR: 'it is a folder', ENOTDIR: 'it is no folder',
  };
  return new StillframeError({
    doing, where: path, why: why[code] === undefined ? code : `${why[code]} (${code})`, cause,
    ...(code === 'EACCES' ? { remedy: 'Images of CRIU belong to root: run this as root, or change their owner.' } : {}),
  });
}

export class DirectoryStore implements ImageStore {
  readonly #open: FileSource[] = [];

  private constructor(readonly name: string, readonly path: string, readonly files: readonly string[]) {}

  /** @throws StillframeError when the folder cannot be read */
  static async at(path: string, name = path): Promise<DirectoryStore> {
    try {
      const entries = await readdir(path, { withFileTypes: true });
      return new DirectoryStore(name, path, entries.filter((entry) => !entry.isDirectory() && entry.name !== 'parent').map((entry) => entry.name).sort(byVersion));
    } catch (cause) {
      throw fileError('open image set', path, cause);
    }
  }

  source(name: string): Promise<ByteFile | undefined> {
    return Promise.resolve().then(() => this.#source(name));
  }

  #source(name: string): ByteFile | undefined {
    const path = join(this.path, name);
    try {
      const info = statSync(path);
      if (!info.isFile()) return undefined;
      return new FileSource(join(this.name, name), path, info.size, info.mtime, (source) => this.#opened(source));
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR' || cause.code === 'ELOOP')) return undefined;
      throw fileError('read image', path, cause);
    }
  }

  #opened(source: FileSource): void {
    this.#open.push(source);
    if (this.#open.length > MAX_OPEN) void this.#open.shift()!.close();
  }

  async parent(): Promise<ParentLink | undefined> {
    const path = join(this.path, 'parent');
    let link: string;
    try {
      link = await readlink(path);
    } catch (cause) {
      // a copy may have made a folder of the link
      if (!(cause instanceof Error && 'code' in cause && cause.code === 'EINVAL')) return undefined;
      link = 'parent';
    }
    const target = resolve(this.path, link);
    try {
      return { link, store: await DirectoryStore.at(await realpath(target), link.startsWith('/') ? link : join(this.name, link)) };
    } catch {
      return { link, missing: true };
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((source) => source.close()));
  }
}
