/** Pages files, open in the helper for all tasks. */
import { bytesOf } from '../../image/text.ts';
import { fileNames } from '../../image/tree.ts';
import { AT_FDCWD, O } from '../../kernel/files.ts';
import type { RestoreContext } from '../../restore/context.ts';
import type { HelperFd } from '../../restore/helper-fd.ts';
import type { PageRun } from '../../restore/page-runs.ts';

/** The pages file a run is in. */
export function pagesFile(context: RestoreContext, run: Pick<PageRun, 'set' | 'pagesId'>): HelperFd {
  const key = `${run.set.name}/${run.pagesId}`;
  const known = context.pages.get(key);
  if (known !== undefined) return known;
  const path = `${run.set.name}/${fileNames.pages(run.pagesId)}`;
  const p = context.local.program.resource(fileNames.pages(run.pagesId));
  const fd = context.local.open(path, p.call('openat', [AT_FDCWD, p.cstring(bytesOf(path)), O.RDONLY | O.CLOEXEC, 0], {
    remedy: { ENOENT: 'The set is incomplete: copy all of its files' },
  }));
  context.pages.set(key, fd);
  return fd;
}
