/** A file to be watched again: by its name, as a deleted file of the set, or by its handle on a mounted file system. */
import type { fh_entry } from '../../image/schema/index.ts';
import { bytesOf } from '../../image/text.ts';
import { AT_FDCWD, O } from '../../kernel/files.ts';
import type { ResultRef } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import { SPOTS } from '../../restore/helper-fd.ts';
import { ghostBase } from '../ghost/restore.ts';
import { encodeHandle } from './find.ts';

export interface Target { readonly inode: bigint; /** In the kernel's layout. */ readonly device: number; readonly handle: fh_entry }

/** The helper's number for the file while a watch is put on it, and the name that has. */
const SPOT = SPOTS.watched;
export const SPOT_NAME = `/proc/self/fd/${SPOT}`;
const REMEDY = {
  ENOENT: 'The watched file is gone: put it back as it was at the dump',
  ESTALE: 'The watched file is gone from its file system: put it back, and dump again with --force-irmap',
  EPERM: 'Opening a file by its handle needs CAP_DAC_READ_SEARCH: run the restore as root',
};

function ghostOf({ tree }: RestoreContext, { inode, device }: Target): number | undefined {
  for (const [id, { entry }] of tree.ghosts) if (entry.ino === inode && entry.dev === device) return id;
  return undefined;
}

/** What speaks against it. */
export function checkTarget(context: RestoreContext, where: string, target: Target): void {
  if (ghostOf(context, target) !== undefined || (target.handle.path ?? '') !== '') return;
  if (context.host.mounts !== undefined && !context.host.mounts.some(({ device }) => device === target.device)) {
    context.refuse(where, `the file system of the watched file (device 0x${target.device.toString(16)}) is not mounted here`, 'Mount it, or dump again with --force-irmap, which keeps the name');
  }
}

/** Opens it under `SPOT_NAME` for the steps that follow. */
export function addTarget(context: RestoreContext, target: Target, steps: () => void): void {
  const p = context.local.program;
  const ghost = ghostOf(context, target);
  const fd = ghost === undefined ? openTarget(context, target) : ghostBase(context, ghost).ref;
  p.call('dup3', [fd, SPOT, O.CLOEXEC], { keep: false });
  steps();
  p.call('dup3', [context.local.plug, SPOT, O.CLOEXEC], { keep: false });
  if (ghost === undefined) p.call('close', [fd], { keep: false });
}

function openTarget({ local: { program: p }, host }: RestoreContext, { device, handle }: Target): ResultRef {
  const { path = '' } = handle;
  if (path !== '') return p.call('openat', [AT_FDCWD, p.cstring(bytesOf(path.startsWith('/') ? path : `/${path}`)), O.PATH | O.NOFOLLOW | O.CLOEXEC, 0], { remedy: REMEDY });
  const mount = host.mounts?.find((one) => one.device === device)?.path ?? '/';
  p.call('chdir', [p.cstring(bytesOf(mount))], { keep: false, remedy: REMEDY });
  const fd = p.call('open_by_handle_at', [AT_FDCWD, p.data(encodeHandle(handle)), O.PATH | O.CLOEXEC], { remedy: REMEDY });
  p.call('chdir', [p.cstring('/')], { keep: false });
  return fd;
}
