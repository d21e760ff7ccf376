/**
 * Giving a unix socket its name. A name in a file system is a file: a stale one of the original is replaced, a deleted one is made and
 * taken away again, and directories that were deleted with it too.
 */
import { posix } from 'node:path';
import type { unix_sk_entry } from '../../image/schema/index.ts';
import { bytesOf, textOf } from '../../image/text.ts';
import type { FrozenTree } from '../../image/tree.ts';
import { ownFileOf } from '../../image/tree-own.ts';
import { ERRNO } from '../../kernel/errno.ts';
import { AT, AT_FDCWD, O, S } from '../../kernel/files.ts';
import { STAT_SIZE } from '../../kernel/stat.ts';
import { AF, SIOCUNIXFILE } from '../../kernel/sockets.ts';
import { Cond, type Arg, type DataRef, type Program, type ResultRef } from '../../program/program.ts';
import { makeDirectories, removeDirectories } from '../../restore/directories.ts';
import type { RestoreContext } from '../../restore/context.ts';

/** The helper's number of a bound socket's file while somebody connects to it. */
const DOOR = 998;
/** Where st_mode is in struct stat of x86-64. */
const ST_MODE_AT = 24;
const ASIDE = '.stillframe-restore';

export const hasPath = ({ name }: unix_sk_entry): boolean => name.length > 0 && name[0] !== 0;
const pathOf = ({ name }: unix_sk_entry): string => textOf(name.subarray(0, name.indexOf(0) < 0 ? name.length : name.indexOf(0)));

/** struct sockaddr_un. */
export function address(p: Program, name: Uint8Array): { readonly at: DataRef; readonly size: number } {
  return { at: p.data(Buffer.concat([Buffer.from([AF.UNIX, 0]), name])), size: 2 + name.length };
}

const REMEDY = {
  EADDRINUSE: "Another socket has that name: 'ss -xlp' names its owner; end it",
  ENOENT: 'The directory it was in is gone: make it again',
  EROFS: 'The file system is mounted read-only here: mount it writable',
};

/** A socket by the name it was bound to: where it is reached by another, the format's entry has that one. */
export function asBound(tree: FrozenTree, entry: unix_sk_entry): unix_sk_entry {
  const { bound, bound_dir } = ownFileOf(tree, entry.id) ?? {};
  return bound === undefined ? entry : { ...entry, name: bound, name_dir: bound_dir, deleted: true };
}

/** Binds a socket that the helper makes, to the name it had. */
export function addBind(context: RestoreContext, socket: ResultRef, given: unix_sk_entry): void {
  const p = context.local.program;
  const entry = asBound(context.tree, given);
  const names = entry === given ? [] : [pathOf(given), ...ownFileOf(context.tree, given.id)?.names ?? []];
  if (entry.name.length === 0) return;
  const { at, size } = address(p, entry.name);
  const bind = (): void => { p.call('bind', [socket, at, size], { keep: false, remedy: REMEDY }); };
  if (!hasPath(entry)) {
    bind();
    return;
  }
  inDirectory(p, entry, () => {
    if (entry.deleted === true) bindDeleted(context, entry, bind, names);
    else {
      const path = p.cstring(bytesOf(pathOf(entry)));
      removeStale(p, path);
      bind();
      removeAfterFailure(context, posix.join(entry.name_dir ?? '/', pathOf(entry)));
      addPermissions(p, path, entry);
    }
  });
}

/** Runs steps with the directory that a relative name starts from as the helper's own. */
export function inDirectory(p: Program, entry: unix_sk_entry, steps: () => void): void {
  const { name_dir: directory } = entry;
  if (directory === undefined || pathOf(entry).startsWith('/')) {
    steps();
    return;
  }
  const made = entry.deleted === true ? makeDirectories(p, directory) : [];
  const here = p.call('openat', [AT_FDCWD, p.cstring('.'), O.PATH | O.DIRECTORY | O.CLOEXEC, 0]);
  p.call('chdir', [p.cstring(bytesOf(directory))], { keep: false, remedy: REMEDY });
  steps();
  p.call('fchdir', [here], { keep: false });
  p.call('close', [here], { keep: false });
  removeDirectories(p, made);
}

/** The original's socket file is still there: nobody is behind it. Anything but a socket stays, and bind says so. */
function removeStale(p: Program, path: DataRef): void {
  const stat = p.reserve(STAT_SIZE);
  const there = p.call('newfstatat', [AT_FDCWD, path, stat, AT.SYMLINK_NOFOLLOW], { expect: 'any' });
  const end = { at: 0 };
  p.jump(there, Cond.LT, 0, () => end.at);
  const mode = p.load(stat.at(ST_MODE_AT), 4);
  // S_IFSOCK is the largest of the types
  p.jump(mode, Cond.LT, S.IFSOCK, () => end.at);
  p.call('unlinkat', [AT_FDCWD, path, 0], { keep: false });
  end.at = p.here;
}

function addPermissions(p: Program, path: DataRef, { file_perms: perms }: unix_sk_entry): void {
  if (perms === undefined) return;
  p.call('fchownat', [AT_FDCWD, path, perms.uid, perms.gid, 0], { keep: false });
  p.call('fchmodat', [AT_FDCWD, path, perms.mode & 0o7777], { keep: false });
}

/** The name was taken away, or is another file's by now: that one is put aside for the moment. Names by which it is reached are made as well. */
function bindDeleted(context: RestoreContext, entry: unix_sk_entry, bind: () => void, names: readonly string[]): void {
  const p = context.local.program;
  const name = pathOf(entry);
  const path = p.cstring(bytesOf(name));
  const aside = p.cstring(bytesOf(`${name}${ASIDE}`));
  const made = makeDirectories(p, posix.dirname(name));
  const moved = p.call('renameat', [AT_FDCWD, path, AT_FDCWD, aside], { expect: { orErrno: ERRNO.ENOENT } });
  bind();
  addPermissions(p, path, entry);
  for (const other of names) addName(context, path, other);
  p.call('unlinkat', [AT_FDCWD, path, 0], { keep: false });
  const end = { at: 0 };
  p.jump(moved, Cond.LT, 0, () => end.at);
  p.call('renameat', [AT_FDCWD, aside, AT_FDCWD, path], { keep: false });
  end.at = p.here;
  removeDirectories(p, made);
}

/** One more name of a socket's file, absolute; a stale socket that has it goes. */
function addName(context: RestoreContext, path: DataRef, name: string): void {
  const p = context.local.program;
  const to = p.cstring(bytesOf(name));
  removeStale(p, to);
  p.call('linkat', [AT_FDCWD, path, AT_FDCWD, to, 0], { keep: false, remedy: { EEXIST: `Another file has the name ${name}: move it away`, EXDEV: `${name} is on another mount by now than the name it is bound to: mount as it was` } });
  removeAfterFailure(context, name);
}

/** Of the name that the step just added has made. */
function removeAfterFailure({ local }: RestoreContext, path: string): void {
  local.undo(local.program.here - 1, Infinity, (undo) => { undo.resource(`socket ${path}`).call('unlinkat', [AT_FDCWD, undo.cstring(bytesOf(path)), 0], { expect: 'any' }); });
}

/** Connects to a bound socket that the helper holds, wherever its name leads by now. */
export function addConnect(p: Program, socket: Arg, to: Arg, entry: unix_sk_entry): void {
  if (!hasPath(entry)) {
    const { at, size } = address(p, entry.name);
    p.call('connect', [socket, at, size], { keep: false });
    return;
  }
  const door = p.call('ioctl', [to, SIOCUNIXFILE, 0]);
  p.call('dup3', [door, DOOR, O.CLOEXEC], { keep: false });
  const { at, size } = address(p, Buffer.from(`/proc/self/fd/${DOOR}\0`));
  p.call('connect', [socket, at, size], { keep: false });
  for (const fd of [DOOR, door]) p.call('close', [fd], { keep: false });
}
