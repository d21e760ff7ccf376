/** Files with a path: regular files, directories, devices, and deleted ones carried in the set (../ghost). */
import type { file_entry, reg_file_entry } from '../../image/schema/index.ts';
import type { FrozenTree } from '../../image/tree.ts';
import { AT_FDCWD, O, S, SEEK, flagsToReopen } from '../../kernel/files.ts';
import type { StepOptions } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import type { HelperFd } from '../../restore/helper-fd.ts';
import { openAgain, openAsGiven } from '../../restore/inherited.ts';
import type { FileKind } from '../../restore/kinds.ts';
import { checkRemap, isDeleted, openDeleted, remapOf } from '../ghost/restore.ts';
import { openInTask, procOwner, withProcess } from '../proc-file/restore.ts';

const REG = 1;

export const OPEN_REMEDY: NonNullable<StepOptions['remedy']> = {
  ENOENT: 'The file is gone: put it back as it was at the dump',
  EACCES: 'The helper may not open it: run the restore as the user that made the dump, or as root',
  EPERM: 'The helper may not open it like that: run the restore as root',
  ENXIO: 'The device or the fifo\'s other end is not there',
  ETXTBSY: 'Another process runs or writes that file: end it first',
  EROFS: 'The file system is mounted read-only here: mount it writable',
  EMFILE: 'The limit of open files (nofile) is too low here: raise it',
};

export function regOf(tree: FrozenTree, id: number): reg_file_entry | undefined {
  return tree.files.get(id)?.reg;
}

export function describePath(reg: reg_file_entry, deleted: boolean): string {
  const kind = (reg.mode ?? S.IFREG) & S.IFMT;
  const word = kind === S.IFDIR ? 'directory' : kind === S.IFCHR || kind === S.IFBLK ? 'device' : kind === S.IFIFO ? 'fifo' : 'regular';
  return `${deleted ? 'deleted ' : ''}${word} ${reg.name}`;
}

/**
 * Opens a file by path (or from the set when it was deleted) in the helper.
 * @param flags open(2) flags, close-on-exec added
 * @param resource names it in errors
 */
export function openReg(context: RestoreContext, reg: reg_file_entry, flags: number, resource: string): HelperFd {
  const p = context.local.program.resource(resource);
  if (isDeleted(context.tree, reg.id)) return openDeleted(context, reg, flags, resource);
  const open = (): HelperFd => context.local.open(resource, p.call('openat', [AT_FDCWD, p.path(reg.name), flagsToReopen(flags) | O.CLOEXEC, 0], { remedy: OPEN_REMEDY }));
  const owner = procOwner(context.tree, reg.name);
  if (owner === undefined || !('dead' in owner)) return open();
  let fd: HelperFd | undefined;
  withProcess(context, owner.dead, () => { fd = open(); });
  return fd!;
}

/** A file for a mapping or an exe link: opened once for each access mode it is wanted with. */
export function openForMapping(context: RestoreContext, fileId: number, access: number): HelperFd | undefined {
  const reg = regOf(context.tree, fileId);
  if (reg === undefined) return undefined;
  const key = `${fileId}:${access}`;
  const known = context.mapped.get(key);
  if (known !== undefined) return known;
  const handedIn = keysOfPath(reg).find((name) => context.inherited.has(name));
  if (handedIn !== undefined) {
    const given = openAgain(context, handedIn, access, `mapped file ${handedIn}, handed in`);
    context.mapped.set(key, given);
    return given;
  }
  const deleted = isDeleted(context.tree, fileId);
  const fd = openReg(context, reg, access, `mapped file ${describePath(reg, deleted)}`);
  context.mapped.set(key, fd);
  return fd;
}

/** What --inherit-fd calls a file with a name: the name without its first slash, as criu has it, or as it is. */
export const keysOfPath = ({ name, ext }: reg_file_entry): readonly string[] => (ext === true ? [name] : [name.slice(1), name]);

/** One that only --external named is handed in as a file of any flags; for one with a name the very description is. */
export function openInherited(context: RestoreContext, reg: reg_file_entry, key: string, resource: string): HelperFd {
  return reg.ext === true ? openAgain(context, key, reg.flags, resource) : openAsGiven(context, key, resource);
}

export function checkExternal(context: RestoreContext, reg: reg_file_entry): void {
  if (reg.ext === true) context.refuse(`file ${reg.id} (${reg.name})`, 'it was dumped as external: it has to be handed in', `Open it as some descriptor N of the restore, and say --inherit-fd 'fd[N]:${reg.name}'`);
  else checkRemap(context, reg);
}

export const regularFiles: FileKind = {
  types: [REG],
  describe(file, tree) {
    return file.reg === undefined ? `regular file ${file.id}` : describePath(file.reg, isDeleted(tree, file.id));
  },
  keys: ({ reg }) => (reg === undefined ? [] : keysOfPath(reg)),
  openInherited: (file, key, context) => openInherited(context, file.reg!, key, `file ${file.id} (${key}, handed in)`),
  check(files, context) {
    for (const file of files) {
      if (file.reg === undefined) context.refuse(`file ${file.id}`, 'its record in files.img has no regular file in it', 'The image is damaged: take another');
      else checkExternal(context, file.reg);
    }
  },
  open(files, context) {
    for (const file of files) {
      if (file.reg !== undefined) context.files.set(file.id, openDescription(context, file, file.reg));
    }
  },
  opensIn({ id, reg }, { tree }) {
    const owner = reg === undefined || isDeleted(tree, id) ? undefined : procOwner(tree, reg.name);
    return owner !== undefined && 'stage' in owner ? owner.stage : undefined;
  },
  openIn: (p, { reg }) => openInTask(p, reg!),
  opensAlone({ id, reg }, { tree }) {
    const kind = (reg?.mode ?? 0) & S.IFMT; // others can be members of an epoll, which asks for them elsewhere
    return reg !== undefined && (kind === S.IFREG || kind === S.IFDIR) && remapOf(tree, id) === undefined && procOwner(tree, reg.name) === undefined;
  },
  openAlone(p, { reg }, number, closeOnExec) {
    const { name, flags, pos } = reg!;
    p.call('openat', [AT_FDCWD, p.path(name), flagsToReopen(flags) | (closeOnExec ? O.CLOEXEC : 0), 0], { keep: false, expect: { equals: number }, remedy: OPEN_REMEDY });
    if (movesTo(reg!)) p.call('lseek', [number, pos, SEEK.SET], { keep: false, expect: expectedPosition(reg!) });
  },
};

const movesTo = ({ pos, flags }: reg_file_entry): boolean => pos !== 0n && (flags & O.PATH) === 0;

/** What lseek answers: a device's answer may be anything. */
function expectedPosition({ mode, pos }: reg_file_entry): StepOptions['expect'] {
  return ((mode ?? S.IFREG) & S.IFMT) === S.IFREG ? { equals: BigInt.asIntN(64, pos) } : 'any';
}

function openDescription(context: RestoreContext, file: file_entry, reg: reg_file_entry): HelperFd {
  const resource = `file ${file.id} (${regularFiles.describe(file, context.tree)})`;
  const fd = openReg(context, reg, reg.flags, resource);
  if (movesTo(reg)) context.local.program.call('lseek', [fd.ref, reg.pos, SEEK.SET], { expect: expectedPosition(reg) });
  return fd;
}
