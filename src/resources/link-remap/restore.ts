/** Names that a dump made for files without one (--link-remap): taken away when the tree is restored. */
import { unlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { remap_type } from '../../image/schema/index.ts';
import { bytesOf } from '../../image/text.ts';
import type { FrozenTree } from '../../image/tree.ts';
import type { Log } from '../../log.ts';

/** What a dump names them; nothing else is ever removed. */
const PREFIX = 'link_remap.';

export function removeLinks({ remaps, files }: FrozenTree, log: Log): void {
  const names = new Set(remaps.filter((remap) => remap.remap_type === remap_type.LINKED).map(({ remap_id }) => files.get(remap_id)?.reg?.name));
  for (const name of names) {
    if (name === undefined || !basename(name).startsWith(PREFIX)) continue;
    try {
      unlinkSync(Buffer.from(bytesOf(name)));
    } catch (error) {
      log.warn(name, `this name was made for the dump and could not be removed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
