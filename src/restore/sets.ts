/** An image set with the sets it builds on: itself read into memory, of the others what is asked for of their page maps. */
import { StillframeError } from '../errors.ts';
import { readImage, type ImageSet } from '../image/set.ts';
import { pageMapOf as mapOf } from '../image/tree-members.ts';
import { readInventory, readTree } from '../image/tree-read.ts';
import type { PageMap } from '../image/tree.ts';
import { ownerFile, pageMapOf, type PageOwner, type PageSource, type SourceSet } from './page-runs.ts';

/** @param name the directory the helper can open the set's pages files in */
export function readSets(set: ImageSet, name: string): SourceSet {
  const tree = readTree(orPreDump(set, name));
  return { tree, name, pageMap: (owner) => pageMapOf(tree, owner), ...above(set) };
}

function above(set: ImageSet): { parent?: PageSource } {
  const parent = set.parent();
  return parent === undefined ? {} : { parent: readParent(parent) };
}

/** A set below another: a dump or a pre-dump. */
function readParent(set: ImageSet): PageSource {
  readInventory(set);
  const maps = new Map<string, PageMap | undefined>();
  return {
    name: set.label,
    pageMap: (owner: PageOwner) => {
      const key = ownerFile(owner);
      if (!maps.has(key)) {
        const image = 'pid' in owner ? readImage(set, 'PAGEMAP', owner.pid) : readImage(set, 'SHMEM_PAGEMAP', owner.shmid);
        maps.set(key, image === undefined ? undefined : mapOf(image));
      }
      return maps.get(key);
    },
    ...above(set),
  };
}

/** @throws StillframeError for a set that has memory and nothing else */
function orPreDump(set: ImageSet, name: string): ImageSet {
  if (readInventory(set).pre_dump_mode === undefined || set.open('pstree.img') !== undefined) return set;
  throw new StillframeError({ doing: 'restore', where: name, why: 'it is a pre-dump: it has memory, and no tasks to put it into', remedy: 'Restore the dump that was made on top of it' });
}
