/** What our own image (stillframe.img) says about one open file: looked up when reading, made on demand when a dump has something to say. */
import { sf_file_entry, stillframe_entry } from './schema/index.ts';
import type { FrozenTree } from './tree.ts';
import { create } from './wire.ts';

export const OWN_VERSION = 1;

/** By id in the files image; undefined when nothing is said about it. */
export function ownFileOf(tree: FrozenTree, id: number): sf_file_entry | undefined {
  return tree.own?.files.find((file) => file.id === id);
}

/** The same to be filled. */
export function ownFile(tree: FrozenTree, id: number): sf_file_entry {
  const known = ownFileOf(tree, id);
  if (known !== undefined) return known;
  tree.own ??= create(stillframe_entry, { version: OWN_VERSION });
  const file = create(sf_file_entry, { id });
  tree.own.files.push(file);
  return file;
}
