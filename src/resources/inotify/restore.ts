/** inotify: made after everything else is open, so that the restore's own opening is not seen. */
import { fd_types } from '../../image/schema/index.ts';
import { IN_WATCH_MASK, INOTIFY_IOC_SETNEXTWD } from '../../kernel/anon.ts';
import { O } from '../../kernel/files.ts';
import type { FileKind } from '../../restore/kinds.ts';
import { addStatusFlags } from '../../restore/status-flags.ts';
import { addTarget, checkTarget, SPOT_NAME } from '../fsnotify/target.ts';

const REMEDY = {
  ENOSPC: 'The limit of inotify watches is reached: raise /proc/sys/fs/inotify/max_user_watches',
  EMFILE: 'The limit of inotify descriptors is reached: raise /proc/sys/fs/inotify/max_user_instances',
};

export const inotifies: FileKind = {
  types: [fd_types.INOTIFY],
  opensLast: true,
  describe: ({ ify }) => `inotify of ${ify?.wd.length ?? '?'} watches`,
  check(files, context) {
    for (const { id, ify } of files) {
      if (ify === undefined) context.refuse(`file ${id}`, 'its record in files.img has no inotify in it', 'The image is damaged: take another');
      for (const { wd, i_ino, s_dev, f_handle } of ify?.wd ?? []) checkTarget(context, `file ${id} (inotify), watch ${wd}`, { inode: i_ino, device: s_dev, handle: f_handle });
    }
  },
  open(files, context) {
    const p = context.local.program;
    for (const { id, ify } of files) {
      if (ify === undefined) continue;
      const resource = `file ${id} (inotify)`;
      const ref = p.resource(resource).call('inotify_init1', [O.CLOEXEC], { remedy: REMEDY });
      for (const { wd, i_ino, s_dev, f_handle, mask } of [...ify.wd].sort((a, b) => a.wd - b.wd)) {
        p.resource(`${resource}, watch ${wd} on ${f_handle.path ?? `inode ${i_ino}`}`);
        addTarget(context, { inode: i_ino, device: s_dev, handle: f_handle }, () => {
          p.call('ioctl', [ref, INOTIFY_IOC_SETNEXTWD, wd], { keep: false });
          p.call('inotify_add_watch', [ref, p.cstring(SPOT_NAME), (mask & IN_WATCH_MASK) >>> 0], { keep: false, expect: { equals: wd }, remedy: REMEDY });
        });
      }
      addStatusFlags(p, ref, ify.flags);
      context.files.set(id, context.local.open(resource, ref));
    }
  },
};
