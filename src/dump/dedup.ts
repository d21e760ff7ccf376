/** The verb `dedup`: frees in the sets below one the pages that it replaces. */
import { Helper } from '../helper/client.ts';
import { openSet } from '../image/node/directory.ts';
import type { Log } from '../log.ts';
import { dedupParents } from '../memory-tracking/dedup.ts';

/** @returns bytes of the parents' pages files that are holes now @throws StillframeError */
export function dedup(imagesDir: string, log: Log): bigint {
  const set = openSet(imagesDir);
  const helper = Helper.start();
  try {
    const freed = dedupParents(set, helper);
    log.info(`Deduplicated: ${freed / 4096n} pages of earlier sets are not needed any more`);
    return freed;
  } finally {
    helper.close();
    set.close();
  }
}
