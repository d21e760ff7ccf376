/** The images directory while a dump writes into it. It remembers every file made, so that a dump that fails leaves the directory as it was. */
import { symlinkSync, unlinkSync } from 'node:fs';
import { DirectorySet } from '../image/node/directory.ts';
import type { ByteSource } from '../image/codec.ts';
import type { ImageSet } from '../image/set.ts';

export class ImageDirectory implements ImageSet {
  readonly #set: DirectorySet;
  readonly #made = new Set<string>();

  /** @param path of a directory without images */
  constructor(path: string) {
    this.#set = new DirectorySet(path);
  }

  get label(): string { return this.#set.label; }
  names(): readonly string[] { return this.#set.names(); }
  open(name: string): ByteSource | undefined { return this.#set.open(name); }
  parent(): ImageSet | undefined { return this.#set.parent(); }

  write(name: string, bytes: Uint8Array): void {
    this.#made.add(name);
    this.#set.write(name, bytes);
  }

  /** The path of a file that is about to be made. */
  make(name: string): string {
    this.#made.add(name);
    return this.#set.path(name);
  }

  /** Makes the set an increment of another. @param target of the `parent` link, as given */
  link(target: string): void {
    symlinkSync(target, this.#set.path('parent'));
    this.#made.add('parent');
  }

  /** Path of a file that is already made, or will be by `write`. */
  path(name: string): string { return this.#set.path(name); }

  /** The same directory, for what is done to a finished set. */
  get directory(): DirectorySet { return this.#set; }

  /** Removes all that was made. */
  undo(): void {
    for (const name of this.#made) {
      try {
        unlinkSync(this.#set.path(name));
      } catch {
        // it was never made, or somebody else removed it
      }
    }
    this.#made.clear();
  }

  close(): void { this.#set.close(); }
}
