/**
 * An image set in a directory. The directory is held open and every file is reached through that descriptor
 * (/proc/self/fd/N/NAME), so that a set stays the same set when its path is renamed or the working directory changes.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, realpathSync, statSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import '../../core/node.ts';
import { StillframeError } from '../../errors.ts';
import type { ByteSource } from '../codec.ts';
import type { ImageSet } from '../set.ts';

const code = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : String(error));

const REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: 'Name an existing directory with -D.',
  ENOTDIR: 'Name a directory with -D.',
  EACCES: 'The user running this may not use it.',
  EROFS: 'Its file system is mounted read-only.',
  ENOSPC: 'The disk is full: free some space or use another directory (-D). What was written so far is no usable set.',
  EDQUOT: 'The disk quota is used up: free some space or use another directory (-D).',
};

function failed(doing: string, where: string, cause: unknown): StillframeError {
  const why = code(cause);
  return new StillframeError({ doing, where, why: `${why}${cause instanceof Error && 'syscall' in cause ? ` (${String(cause.syscall)})` : ''}`, remedy: REMEDIES[why], cause });
}

export class DirectorySet implements ImageSet {
  readonly fd: number;
  readonly label: string;
  /** Directory part of every path: through the descriptor where the system has /proc. */
  readonly #base: string;
  #parent: ImageSet | undefined | null = null;

  /**
   * @param label the path as the user gave it
   * @param children the sets that lead here by their parent links
   */
  constructor(label: string, readonly children: readonly DirectorySet[] = []) {
    this.label = label.replace(/(.)\/+$/, '$1');
    try {
      this.fd = openSync(label, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0));
    } catch (cause) {
      throw failed('open image directory', label, cause);
    }
    this.#base = process.platform === 'linux' ? `/proc/self/fd/${this.fd}` : resolve(label);
  }

  names(): readonly string[] {
    return readdirSync(this.#base, { withFileTypes: true }).filter((entry) => !entry.isDirectory() && entry.name !== 'parent').map((entry) => entry.name).sort();
  }

  /** A path to one of its files that stays right whatever happens to the directory's own path (in this process). */
  path(name: string): string { return `${this.#base}/${name}`; }

  open(name: string): ByteSource | undefined {
    let size: number;
    try {
      const stat = statSync(this.path(name));
      if (!stat.isFile()) return undefined;
      size = stat.size;
    } catch (cause) {
      if (code(cause) === 'ENOENT') return undefined;
      throw failed('read image', `${this.label}/${name}`, cause);
    }
    return { name: `${this.label}/${name}`, size, range: (offset, length) => this.#range(name, offset, length) };
  }

  #range(name: string, offset: number, length: number): Uint8Array {
    const where = `${this.label}/${name}`;
    const bytes = new Uint8Array(length);
    let fd: number | undefined;
    try {
      fd = openSync(this.path(name), constants.O_RDONLY);
      let done = 0;
      while (done < length) {
        const got = readSync(fd, bytes, done, length - done, offset + done);
        if (got === 0) throw new StillframeError({ doing: 'read image', where: `${where}, byte ${offset + done}`, why: 'the file ended while it was being read' });
        done += got;
      }
      return bytes;
    } catch (cause) {
      throw cause instanceof StillframeError ? cause : failed('read image', where, cause);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  write(name: string, bytes: Uint8Array): void {
    let fd: number | undefined;
    try {
      fd = openSync(this.path(name), constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o644);
      for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done);
      const closing = fd;
      fd = undefined;
      closeSync(closing);
    } catch (cause) {
      throw failed('write image', `${this.label}/${name}`, cause);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  parent(): ImageSet | undefined {
    if (this.#parent !== null) return this.#parent;
    const link = this.path('parent');
    let target: string;
    try {
      target = realpathSync(link);
      if (!statSync(target).isDirectory()) throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR' });
    } catch (cause) {
      if (code(cause) === 'ENOENT' && !hasLink(this.#base)) return this.#parent = undefined;
      throw new StillframeError({
        doing: 'open parent image set', where: `${this.label}/parent`, why: code(cause), cause,
        remedy: 'Pages of this set are in the set it was built on: put that one back where the link points.',
      });
    }
    const chain = [...this.children, this];
    const parent = new DirectorySet(target, chain);
    if (chain.some((set) => set.identity === parent.identity)) {
      closeSync(parent.fd);
      throw new StillframeError({ doing: 'open parent image set', where: `${this.label}/parent`, why: `it leads back to ${target}: the parent links form a loop` });
    }
    return this.#parent = parent;
  }

  /** Gives the descriptors of the set and its parents back. */
  close(): void {
    closeSync(this.fd);
    if (this.#parent instanceof DirectorySet) this.#parent.close();
    this.#parent = undefined;
  }

  /** Whether it is empty of images. */
  get empty(): boolean { return !this.names().some((name) => name.endsWith('.img')); }

  /** Device and inode, to tell whether two sets are the same one. */
  get identity(): string {
    const stat = fstatSync(this.fd);
    return `${stat.dev}:${stat.ino}`;
  }
}

function hasLink(directory: string): boolean {
  return readdirSync(directory).includes('parent');
}

/** Opens a directory as an image set. @throws StillframeError when it is missing or unusable */
export function openSet(directory: string): DirectorySet {
  return new DirectorySet(directory);
}
