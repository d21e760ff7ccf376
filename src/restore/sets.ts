/** An image set with the sets it builds on, read into memory. */
import type { ImageSet } from '../image/set.ts';
import { readTree } from '../image/tree-read.ts';
import type { SourceSet } from './page-runs.ts';

/** @param name the directory the helper can open the set's pages files in */
export function readSets(set: ImageSet, name: string): SourceSet {
  const parent = set.parent();
  return { tree: readTree(set), name, ...(parent === undefined ? {} : { parent: readSets(parent, parent.label) }) };
}
