/** What our own image (stillframe.img) says about one open file: looked up when reading, made on demand when a dump has something to say. */
import { sf_file_entry, stillframe_entry } from './schema/index.ts';
import type { FrozenTree } from './tree.ts';
import { create } from './wire.ts';

export const OWN_VERSION = 1;

/** By id, as far as a list was seen: there may be as many as there are open files, and each is asked for several times. */
const indexes = new WeakMap<readonly sf_file_entry[], { seen: number; readonly byId: Map<number, sf_file_entry> }>();

/** By id in the files image; undefined when nothing is said about it. Lists only grow at their end. */
export function ownFileOf(tree: FrozenTree, id: number): sf_file_entry | undefined {
  const files = tree.own?.files;
  if (files === undefined) return undefined;
  let index = indexes.get(files);
  if (index === undefined) indexes.set(files, index = { seen: 0, byId: new Map() });
  for (; index.seen < files.length; index.seen++) {
    const file = files[index.seen]!;
    // of two that a damaged image has the first counts
    if (!index.byId.has(file.id)) index.byId.set(file.id, file);
  }
  return index.byId.get(id);
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
