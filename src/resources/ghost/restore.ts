/**
 * Deleted files that the set carries (ghost-file-ID). The helper makes the file under its old name, takes the name away at once,
 * fills it, and opens each description of it through /proc/self/fd. Where the old name is taken by another file by now, a
 * name beside it is used for that moment.
 */
import { posix } from 'node:path';
import type { reg_file_entry } from '../../image/schema/index.ts';
import { bytesOf } from '../../image/text.ts';
import { fileNames, type FrozenTree, type GhostFile } from '../../image/tree.ts';
import { ERRNO } from '../../kernel/errno.ts';
import { isHarmlessDevice } from '../../kernel/devices.ts';
import { AT, AT_FDCWD, F, O, S, flagsToReopen } from '../../kernel/files.ts';
import { Cond, Op, type DataRef, type ResultRef } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import { withDirectory } from '../../restore/directories.ts';
import type { HelperFd } from '../../restore/helper-fd.ts';
import { addReopen } from '../../restore/reopen.ts';

const LINKED = 0, GHOST = 1, PROCFS = 2;
/** Where a ghost file's base descriptor is kept in `context.mapped`. */
const baseKey = (id: number): string => `ghost:${id}`;
/** And where a description is kept that had to be opened while the file had its name. */
const namedKey = (fileId: number): string => `ghost-named:${fileId}`;

export interface Remap { readonly type: number; readonly remapId: number }

/** Remaps by the file they are of: a tree may have thousands. */
const remaps = new WeakMap<FrozenTree['remaps'], { readonly size: number; readonly byId: ReadonlyMap<number, FrozenTree['remaps'][number]> }>();

/** How a file that had lost its name is kept, if it had. */
export function remapOf(tree: FrozenTree, fileId: number): Remap | undefined {
  let known = remaps.get(tree.remaps);
  if (known?.size !== tree.remaps.length) {
    remaps.set(tree.remaps, known = { size: tree.remaps.length, byId: new Map(tree.remaps.map((remap) => [remap.orig_id, remap] as const).reverse()) });
  }
  const found = known.byId.get(fileId);
  return found === undefined ? undefined : { type: found.remap_type ?? GHOST, remapId: found.remap_id };
}

/** Whether its contents or another name of it are in the set. (A file below /proc of a dead process is found by its name.) */
export function isDeleted(tree: FrozenTree, fileId: number): boolean {
  const remap = remapOf(tree, fileId);
  return remap !== undefined && remap.type !== PROCFS;
}

export function checkRemap(context: RestoreContext, reg: reg_file_entry): void {
  const remap = remapOf(context.tree, reg.id);
  if (remap === undefined) return;
  const where = `file ${reg.id} (${reg.name})`;
  if (remap.type === LINKED) {
    if (context.tree.files.get(remap.remapId)?.reg === undefined) context.refuse(where, `the link it was kept under (file ${remap.remapId}) is not in files.img`);
    return;
  }
  if (remap.type === PROCFS) return;
  const ghost = context.tree.ghosts.get(remap.remapId);
  if (ghost === undefined) {
    context.refuse(where, `it was deleted and ${fileNames.ghost(remap.remapId)} is not in the set`, 'The set is incomplete: copy all of its files');
    return;
  }
  const kind = ghost.entry.mode & S.IFMT;
  if (kind === S.IFCHR && !isHarmlessDevice(BigInt(ghost.entry.rdev ?? 0))) {
    context.refuse(where, `it was a device (number 0x${(ghost.entry.rdev ?? 0).toString(16)}) and was deleted; such devices are not made again`);
  }
  if (kind !== S.IFREG && kind !== S.IFDIR && kind !== S.IFIFO && kind !== S.IFLNK && kind !== S.IFCHR) {
    context.refuse(where, `it was deleted and is neither a regular file, a directory, a symbolic link, a character device nor a fifo (mode 0${ghost.entry.mode.toString(8)})`, 'Such files cannot be restored yet');
  }
}

/** Opens a description of a deleted file in the helper. */
export function openDeleted(context: RestoreContext, reg: reg_file_entry, flags: number, resource: string): HelperFd {
  const remap = remapOf(context.tree, reg.id)!;
  const p = context.local.program;
  if (remap.type === LINKED) return openLinked(context, remap.remapId, reg.name, flags, resource);
  const base = baseOf(context, remap.remapId, reg);
  p.resource(resource);
  // a symbolic link can only be held by O_PATH, and by its name in /proc it would be followed
  if ((context.tree.ghosts.get(remap.remapId)!.entry.mode & S.IFMT) === S.IFLNK) return context.local.open(resource, p.call('fcntl', [base.ref, F.DUPFD_CLOEXEC, 0]));
  const named = context.mapped.get(namedKey(reg.id));
  if (named !== undefined && ((flags & O.NOFOLLOW) !== 0 || isNameless(flags))) {
    if (isNameless(flags)) p.call('fcntl', [named.ref, F.SETFL, flags], { keep: false }); // what filling it could not do with
    return named;
  }
  return context.local.open(resource, reopen(context, base, flags));
}

/** Opens what a descriptor of the helper is open on once more, with other flags. */
export function reopen(context: RestoreContext, base: HelperFd, flags: number): ResultRef {
  return addReopen(context, base.ref, flags);
}

/** A deleted file of the set, made when nothing did yet: for watches on it. */
export function ghostBase(context: RestoreContext, id: number): HelperFd {
  const file = context.tree.remaps.find(({ remap_id, remap_type }) => remap_id === id && (remap_type ?? GHOST) === GHOST);
  const reg = file === undefined ? undefined : context.tree.files.get(file.orig_id)?.reg;
  if (reg === undefined) throw new RangeError(`no file is remapped to ghost file ${id}`);
  return baseOf(context, id, reg);
}

function baseOf(context: RestoreContext, id: number, reg: reg_file_entry): HelperFd {
  const known = context.mapped.get(baseKey(id));
  if (known !== undefined) return known;
  const ghost = context.tree.ghosts.get(id)!;
  const resource = `ghost file ${id} (${reg.name})`;
  context.local.program.resource(resource);
  let made: ReturnType<typeof make>;
  withDirectory(context.local, posix.dirname(reg.name), () => { made = make(context, ghost, reg.name, openedByName(context.tree, id)); });
  const base = context.local.open(resource, made!.base);
  context.mapped.set(baseKey(id), base);
  for (const [fileId, ref] of made!.named) context.mapped.set(namedKey(fileId), context.local.open(resource, ref));
  fillGhost(context, ghost, base.ref);
  return base;
}

/** Made by O_TMPFILE: as long as it is open so, linkat(2) can give it a name. There is one such description of a file. */
const isNameless = (flags: number): boolean => (flags & O.TMPFILE) === O.TMPFILE;

/** Descriptions with O_NOFOLLOW (a name below /proc/self/fd, which is a link, is not for them) or O_TMPFILE. */
function openedByName(tree: FrozenTree, id: number): reg_file_entry[] {
  return tree.remaps.filter(({ remap_id, remap_type }) => remap_id === id && (remap_type ?? GHOST) === GHOST)
    .flatMap(({ orig_id }) => tree.files.get(orig_id)?.reg ?? []).filter(({ flags }) => ((flags & O.NOFOLLOW) !== 0 && (flags & O.PATH) === 0) || isNameless(flags));
}

/** Makes the file and takes its name away again. @param byName descriptions to be opened meanwhile */
function make(context: RestoreContext, ghost: GhostFile, name: string, byName: readonly reg_file_entry[]): { base: ResultRef; named: [number, ResultRef][] } {
  const p = context.local.program;
  const kind = ghost.entry.mode & S.IFMT;
  const names = [name, `${name}.stillframe-restore`].map((text) => p.cstring(bytesOf(text)));
  const remedy = { EACCES: 'The helper may not make files there: run the restore as root' };
  const removeFlags = kind === S.IFDIR ? AT.REMOVEDIR : 0;
  const slot = p.reserve(8);
  const slots = byName.map(({ id, flags }) => ({ id, flags, slot: p.reserve(8) }));
  const end = { at: 0 };
  makeNameless(context, name, slots, slot, end);
  names.forEach((path, i) => {
    const last = i === names.length - 1;
    const expect = last ? undefined : { orErrno: ERRNO.EEXIST };
    const from = p.here;
    let made: ResultRef;
    if (kind === S.IFDIR) made = p.call('mkdirat', [AT_FDCWD, path, 0o700], { expect, remedy });
    else if (kind === S.IFLNK) made = p.call('symlinkat', [p.cstring(bytesOf(ghost.entry.symlnk_target ?? '')), AT_FDCWD, path], { expect, remedy });
    else if (kind === S.IFCHR) made = p.call('mknodat', [AT_FDCWD, path, ghost.entry.mode & (S.IFMT | 0o7777), ghost.entry.rdev ?? 0], { expect, remedy: { ...remedy, EPERM: 'Making a device needs CAP_MKNOD: run the restore as root' } });
    else if (kind === S.IFIFO) made = p.call('mknodat', [AT_FDCWD, path, S.IFIFO | 0o600, 0], { expect, remedy });
    else made = p.call('openat', [AT_FDCWD, path, O.RDWR | O.CREAT | O.EXCL | O.CLOEXEC, 0o600], { expect, remedy });
    const next = { at: 0 };
    if (!last) p.jump(made, Cond.LT, 0, () => next.at);
    const fd = kind === S.IFREG ? made : p.call('openat', [AT_FDCWD, path, (kind === S.IFDIR ? O.DIRECTORY | O.RDONLY : kind === S.IFLNK || kind === S.IFCHR ? O.PATH | O.NOFOLLOW : O.RDWR) | O.CLOEXEC, 0]);
    p.store(slot, fd, 4);
    if (kind === S.IFCHR) p.call('fchmodat', [AT_FDCWD, path, ghost.entry.mode & 0o7777], { keep: false });
    for (const one of slots) p.store(one.slot, p.call('openat', [AT_FDCWD, path, flagsToReopen(one.flags) | O.CLOEXEC, 0]), 4);
    const until = p.here;
    p.call('unlinkat', [AT_FDCWD, path, removeFlags], { keep: false });
    context.local.undo(from, until, (undo) => {
      undo.resource(`ghost file ${name}`).call('unlinkat', [AT_FDCWD, undo.cstring(bytesOf(i === 0 ? name : `${name}.stillframe-restore`)), removeFlags], { expect: 'any' });
    });
    if (!last) p.jump(0, Cond.EQ, 0, () => end.at);
    next.at = p.here;
  });
  end.at = p.here;
  return { base: p.load(slot, 4), named: slots.map(({ id, slot: at }) => [id, p.load(at, 4)]) };
}

/** One made by O_TMPFILE is made like that again, where the file system can: others have no flag for it, and linkat(2) refuses what had a name. */
function makeNameless(context: RestoreContext, name: string, byName: readonly { readonly flags: number; readonly slot: DataRef }[], base: DataRef, end: { readonly at: number }): void {
  const [one] = byName;
  if (one === undefined || byName.length > 1 || !isNameless(one.flags)) return;
  const p = context.local.program;
  const made = p.call('openat', [AT_FDCWD, p.cstring(bytesOf(posix.dirname(name))), (one.flags & ~(O.CREAT | O.EXCL | O.TRUNC | O.APPEND | O.DIRECT)) | O.CLOEXEC, 0o600], { expect: 'any' });
  const cannot = { at: 0 };
  p.jump(made, Cond.LT, 0, () => cannot.at);
  p.store(base, made, 4);
  p.store(one.slot, p.call('fcntl', [made, F.DUPFD_CLOEXEC, 0]), 4);
  p.jump(0, Cond.EQ, 0, () => end.at);
  cannot.at = p.here;
}

function fillGhost(context: RestoreContext, ghost: GhostFile, fd: ResultRef): void {
  const p = context.local.program;
  const { entry, parts } = ghost;
  const path = (entry.mode & S.IFMT) === S.IFLNK || (entry.mode & S.IFMT) === S.IFCHR;
  p.call('fchownat', [fd, p.cstring(''), entry.uid, entry.gid, AT.EMPTY_PATH], { keep: false });
  if (!path) p.call('fchmod', [fd, entry.mode & 0o7777], { keep: false });
  if ((entry.mode & S.IFMT) === S.IFREG) {
    for (const { off, data } of parts) {
      if (data.size > 0) p.control(Op.WRITE_OUT, [fd, p.data(data.bytes()), data.size, off], { keep: false, remedy: { ENOSPC: 'The file system is full: make room there' } });
    }
    if (entry.size !== undefined) p.call('ftruncate', [fd, entry.size], { keep: false });
  }
  if (entry.atim !== undefined && entry.mtim !== undefined) {
    const times = new BigInt64Array([entry.atim.tv_sec, entry.atim.tv_usec * 1000n, entry.mtim.tv_sec, entry.mtim.tv_usec * 1000n].map((n) => BigInt.asIntN(64, n)));
    p.call('utimensat', [fd, path ? p.cstring('') : 0, p.data(new Uint8Array(times.buffer)), path ? AT.EMPTY_PATH : 0], { keep: false });
  }
}

/**
 * A file that another name still leads to: the dump made a link for it (--link-remap). It gets its old name for the moment it is opened, so that it is
 * known by that; where the old name is another file's by now, or its directory is gone, a name beside the link's is used.
 */
function openLinked(context: RestoreContext, linkId: number, name: string, flags: number, resource: string): HelperFd {
  const link = context.tree.files.get(linkId)!.reg!;
  const p = context.local.program.resource(resource);
  const remedy = { ENOENT: `The link that the dump made, ${link.name}, is gone: the file cannot be found any more` };
  const from = p.cstring(bytesOf(link.name));
  const slot = p.reserve(8);
  const end = { at: 0 };
  for (const [i, path] of [name, `${link.name}.stillframe-restore`].entries()) {
    const to = p.cstring(bytesOf(path));
    const next = { at: 0 };
    const step = p.here;
    const linked = p.call('linkat', [AT_FDCWD, from, AT_FDCWD, to, 0], { expect: i === 0 ? 'any' : undefined, remedy });
    p.jump(linked, Cond.LT, 0, () => next.at);
    p.store(slot, p.call('openat', [AT_FDCWD, to, flagsToReopen(flags) | O.CLOEXEC, 0]), 4);
    context.local.undo(step, p.here, (undo) => { undo.resource(resource).call('unlinkat', [AT_FDCWD, undo.cstring(bytesOf(path)), 0], { expect: 'any' }); });
    p.call('unlinkat', [AT_FDCWD, to, 0], { keep: false });
    p.jump(0, Cond.EQ, 0, () => end.at);
    next.at = p.here;
  }
  end.at = p.here;
  return context.local.open(resource, p.load(slot, 4));
}
