/** fanotify: made after everything else is open, so that the restore's own opening is not seen. */
import { fd_types, mark_type, type fanotify_mark_entry } from '../../image/schema/index.ts';
import { bytesOf } from '../../image/text.ts';
import { FAN_MARK } from '../../kernel/anon.ts';
import { AT_FDCWD } from '../../kernel/files.ts';
import type { DataRef, Program, ResultRef } from '../../program/program.ts';
import type { FileKind } from '../../restore/kinds.ts';
import { addStatusFlags } from '../../restore/status-flags.ts';
import { addTarget, checkTarget, SPOT_NAME } from '../fsnotify/target.ts';

const IGNORED_SURV_MODIFY = 0x40;
const REMEDY = {
  EPERM: 'Such a group of fanotify needs CAP_SYS_ADMIN: run the restore as root',
  EMFILE: 'The limit of fanotify groups is reached: raise /proc/sys/fs/fanotify/max_user_groups',
  ENOSPC: 'The limit of fanotify marks is reached: raise /proc/sys/fs/fanotify/max_user_marks',
  ENOENT: 'What was marked is gone: put it back as it was at the dump',
};

function addMark(p: Program, group: ResultRef, { type, mflags, mask, ignored_mask }: fanotify_mark_entry, path: DataRef): void {
  const add = FAN_MARK.ADD | (type === mark_type.MOUNT ? FAN_MARK.MOUNT : 0);
  const set = (flags: number, events: number): void => {
    if (events !== 0) p.call('fanotify_mark', [group, add | flags, events >>> 0, AT_FDCWD, path], { keep: false, remedy: REMEDY });
  };
  set(mflags & ~(FAN_MARK.IGNORE | IGNORED_SURV_MODIFY), mask);
  set(mflags | ((mflags & FAN_MARK.IGNORE) === 0 ? FAN_MARK.IGNORED_MASK : 0), ignored_mask);
}

export const fanotifies: FileKind = {
  types: [fd_types.FANOTIFY],
  opensLast: true,
  describe: ({ ffy }) => `fanotify of ${ffy?.mark.length ?? '?'} marks`,
  check(files, context) {
    for (const { id, ffy } of files) {
      if (ffy === undefined) context.refuse(`file ${id}`, 'its record in files.img has no fanotify in it', 'The image is damaged: take another');
      for (const { type, ie, me, s_dev } of ffy?.mark ?? []) {
        const where = `file ${id} (fanotify)`;
        if (ie !== undefined) checkTarget(context, where, { inode: ie.i_ino, device: s_dev, handle: ie.f_handle });
        else if (type !== mark_type.MOUNT || me?.path === undefined) context.refuse(where, 'its mark says neither an inode nor the path of a mount', 'Marks on mounts of a mount namespace cannot be restored yet');
      }
    }
  },
  open(files, context) {
    const p = context.local.program;
    for (const { id, ffy } of files) {
      if (ffy === undefined) continue;
      const resource = `file ${id} (fanotify)`;
      // fdinfo goes on telling whether it was made with FAN_CLOEXEC, whatever its descriptors are
      const ref = p.resource(resource).call('fanotify_init', [ffy.faflags, ffy.evflags], { remedy: REMEDY });
      // the kernel lists the latest first
      for (const mark of [...ffy.mark].reverse()) {
        if (mark.ie !== undefined) addTarget(context, { inode: mark.ie.i_ino, device: mark.s_dev, handle: mark.ie.f_handle }, () => addMark(p, ref, mark, p.cstring(SPOT_NAME)));
        else addMark(p, ref, mark, p.cstring(bytesOf(mark.me?.path ?? '')));
      }
      addStatusFlags(p, ref, ffy.flags);
      context.files.set(id, context.local.open(resource, ref));
    }
  },
};
