/**
 * Files with a name: regular files, directories, symbolic links held by O_PATH, and devices without state (/dev/null and its like).
 * Also files that no descriptor holds but a mapping, an exe link, or a working directory. A deleted file becomes a ghost (../ghost).
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { create } from '../../image/wire.ts';
import { fd_types, file_entry, fown_entry, reg_file_entry, remap_file_path_entry, remap_type } from '../../image/schema/index.ts';
import { bytesOf } from '../../image/text.ts';
import { DEVICE, major, minor, PLAIN_MEMORY_DEVICES } from '../../kernel/devices.ts';
import { FS_MAGIC, O, S } from '../../kernel/files.ts';
import { hasCode } from '../../proc/read.ts';
import type { DumpContext } from '../../dump/context.ts';
import { externalFileKey } from '../../dump/external.ts';
import type { Descriptor, FileKind, FileOwner } from '../../dump/file-kinds.ts';
import { ghostOf, refuseGhost } from '../ghost/dump.ts';
import { wantLink } from '../link-remap/dump.ts';
import { buildId, buildIdWords } from './build-id.ts';
import type { FileStat } from '../../kernel/stat.ts';

/** A file to be found again by its name. */
export interface NamedFile {
  /** As the link in /proc says it, ` (deleted)` included. */
  readonly link: string;
  readonly stat: FileStat;
  /** A way to the file itself, whatever its name: a link in /proc. */
  readonly door: string;
}

export const NO_OWNER: FileOwner = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 };
const DELETED = ' (deleted)';

export const typeOfMode = (stat: FileStat): number => Number(stat.mode) & S.IFMT;
const isDeleted = (stat: FileStat): boolean => stat.nlink === 0n;

/** The name without the kernel's mark of a deleted file. */
export function plainName({ link, stat }: Pick<NamedFile, 'link' | 'stat'>): string {
  return link.endsWith(DELETED) && (isDeleted(stat) || link.startsWith('/proc/') || !exists(link)) ? link.slice(0, -DELETED.length) : link;
}

/** Whether its name was removed and another one was not. */
function hasOtherName({ link, stat }: NamedFile): boolean {
  return link.endsWith(DELETED) && !isDeleted(stat) && !exists(link);
}

/** What stands in the way of finding the file again by its name. */
export function refuseNamed(file: NamedFile, context: DumpContext): { why: string; remedy?: string } | undefined {
  const { link, stat } = file;
  const system = context.fileSystem(stat.dev, file);
  if (system === FS_MAGIC.SECRETMEM) return { why: 'secret memory (memfd_secret) can be read by nobody but its process', remedy: 'Let the program close it before the dump, or do without it' };
  if (system === FS_MAGIC.PROC) return exists(link) || deadProcess(file) !== undefined ? undefined : { why: 'it is gone from /proc, though its process is not' };
  if (system === FS_MAGIC.DEVPTS) return exists(link) ? undefined : { why: 'it belongs to a terminal that is gone' };
  if (isDeleted(stat)) return refuseGhost(file, context);
  const named = whatHasTheName(link, context);
  if (named instanceof Error) {
    if (typeOfMode(stat) === S.IFLNK) return undefined;
    if (hasCode(named, 'ENOENT') || hasCode(named, 'ENOTDIR')) {
      if (context.options.given.has('link-remap') && hasOtherName(file)) return undefined;
      return { why: 'the name it was opened by was removed; the file lives on under another name', remedy: 'Let the dump give it a name with --link-remap, or give it back its own: ln OTHER-NAME NAME' };
    }
    throw named;
  }
  if (typeOfMode(stat) === S.IFLNK || (named.ino === stat.ino && named.dev === stat.dev)) return undefined;
  if (context.options.given.has('evasive-devices') && typeOfMode(stat) === S.IFCHR && named.rdev === stat.rdev) return undefined;
  return { why: 'another file has its name now, or something is mounted over it', remedy: 'Move the other file away, or unmount what is in the way' };
}

const names = new WeakMap<DumpContext, Map<string, FileStat | Error>>();

/** stat(2), once for each name while the tree stands still: thousands of descriptors may have one name. */
function whatHasTheName(name: string, context: DumpContext): FileStat | Error {
  let known = names.get(context);
  if (known === undefined) names.set(context, known = new Map());
  let found = known.get(name);
  if (found === undefined) known.set(name, found = tryStat(name));
  return found;
}

function tryStat(name: string): FileStat | Error {
  try {
    return statSync(Buffer.from(bytesOf(name)), { bigint: true });
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
}

function exists(path: string): boolean {
  try {
    statSync(Buffer.from(bytesOf(path)));
    return true;
  } catch {
    return false;
  }
}

/** The process whose file below /proc it is, when that process has ended. */
function deadProcess(file: NamedFile): number | undefined {
  const pid = /^\/proc\/(\d+)(?:\/|$)/u.exec(plainName(file))?.[1];
  return pid === undefined || exists(`/proc/${pid}`) ? undefined : Number(pid);
}

/** Fills the set with what a deleted file needs. In the frozen window. */
export function keepContents(id: number, file: NamedFile, context: DumpContext): void {
  const system = context.fileSystem(file.stat.dev, file);
  const dead = system === FS_MAGIC.PROC ? deadProcess(file) : undefined;
  if (dead !== undefined && !context.tree.remaps.some((remap) => remap.remap_type === remap_type.PROCFS && remap.remap_id === dead)) {
    context.tree.remaps.push(create(remap_file_path_entry, { orig_id: id, remap_id: dead, remap_type: remap_type.PROCFS }));
  }
  if (system === FS_MAGIC.PROC || system === FS_MAGIC.DEVPTS) return;
  if (hasOtherName(file) && typeOfMode(file.stat) !== S.IFLNK) wantLink(id, plainName(file), file.door, file.stat, context);
  if (!isDeleted(file.stat)) return;
  const ghost = ghostOf(file, context);
  context.tree.remaps.push(create(remap_file_path_entry, { orig_id: id, remap_id: ghost, remap_type: remap_type.GHOST }));
}

/** The file's own entry. @param flags, pos of the open file; 0 for what is not open */
export function namedEntry(id: number, file: NamedFile, { flags = 0, pos = 0n, owner = NO_OWNER, context }: { flags?: number; pos?: bigint; owner?: FileOwner; context?: DumpContext } = {}): reg_file_entry {
  const { stat } = file;
  const name = plainName(file);
  // a log that is only appended to may well be longer when it is restored
  const checked = typeOfMode(stat) === S.IFREG && !((flags & O.ACCMODE) === O.WRONLY && (flags & O.APPEND) !== 0);
  const current = checked && context?.noticed !== true && context?.options.given.get('file-validation')?.at(-1) !== 'filesize' && name === file.link && !isDeleted(stat);
  // written out, not create(): there may be tens of thousands
  return {
    id, flags, pos, fown: owner, name, mode: Number(stat.mode), size: checked ? stat.size : undefined, build_id: current ? buildIdOf(name, stat) : [],
  };
}

const known = new Map<string, { readonly dev: bigint; readonly ino: bigint; readonly mtimeNs: bigint; readonly words: number[] }>();

/** Of a file by its name, which is known to lead to it. */
function buildIdOf(name: string, { dev, ino, mtimeNs }: FileStat): number[] {
  const old = known.get(name);
  if (old !== undefined && old.ino === ino && old.dev === dev && old.mtimeNs === mtimeNs) return old.words;
  const words = readBuildId(name);
  known.set(name, { dev, ino, mtimeNs, words });
  return words;
}

function readBuildId(name: string): number[] {
  let fd: number;
  try {
    fd = openSync(Buffer.from(bytesOf(name)), 'r');
  } catch {
    return [];
  }
  try {
    const id = buildId((offset, size) => {
      const bytes = Buffer.alloc(size);
      return bytes.subarray(0, readSync(fd, bytes, 0, size, offset));
    });
    return id === undefined ? [] : buildIdWords(id);
  } catch {
    return [];
  } finally {
    closeSync(fd);
  }
}

/** Files that nothing has open: each is in the files image once, by what it is. */
export class NamedFiles {
  #ids = new Map<string, { id: number; file: NamedFile }>();

  constructor(readonly context: DumpContext) {}

  /** The id of a file behind a mapping, an exe link or a directory; in the frozen window. @param where for refusals */
  id(file: NamedFile, where: string): number {
    const key = `${file.stat.dev}:${file.stat.ino}`;
    const old = this.#ids.get(key);
    if (old !== undefined) return old.id;
    const id = this.context.newFileId();
    this.#ids.set(key, { id, file });
    const refusal = refuseNamed(file, this.context);
    if (refusal === undefined) keepContents(id, file, this.context);
    else this.context.refusals.add(`${where} (${file.link})`, refusal.why, refusal.remedy);
    return id;
  }

  /** Writes their entries; the tree may run again already. */
  write(): void {
    for (const { id, file } of this.#ids.values()) {
      this.context.tree.files.set(id, create(file_entry, { type: fd_types.REG, id, reg: namedEntry(id, file, { context: this.context }) }));
    }
  }
}

const NAMED_TYPES: ReadonlySet<number> = new Set([S.IFREG, S.IFDIR, S.IFLNK]);

export const regularFiles: FileKind = {
  type: fd_types.REG,
  claims: ({ stat, link }) => {
    const type = typeOfMode(stat);
    if (type === S.IFCHR) return major(stat.rdev) === DEVICE.MEM && PLAIN_MEMORY_DEVICES.has(minor(stat.rdev));
    return NAMED_TYPES.has(type) && link.startsWith('/');
  },
  refuse: refuseOpen,
  keep: (file, context) => { keepOpen(file.id, file.descriptors[0]!, context); },
  entry: (file, context) => ({ reg: openEntry(file.id, file.descriptors[0]!, file.owner, context) }),
};

/** What stands in the way of finding an open file again by its name; nothing does when it is handed in. */
export function refuseOpen(descriptor: Descriptor, context: DumpContext): { why: string; remedy?: string } | undefined {
  if (externalFileKey(descriptor, context) !== undefined) return undefined;
  return refuseNamed(doorOf(descriptor), context);
}

/** As `keepContents`, of an open file. */
export function keepOpen(id: number, descriptor: Descriptor, context: DumpContext): void {
  if (externalFileKey(descriptor, context) === undefined) keepContents(id, doorOf(descriptor), context);
}

/** As `namedEntry`, of an open file: of an external one the key takes the place of the name. */
export function openEntry(id: number, descriptor: Descriptor, owner: FileOwner, context: DumpContext): reg_file_entry {
  const { info: { flags, pos }, stat } = descriptor;
  const key = externalFileKey(descriptor, context);
  if (key !== undefined) return create(reg_file_entry, { id, flags, pos, fown: create(fown_entry, owner), name: key, ext: true, mode: Number(stat.mode) });
  return namedEntry(id, doorOf(descriptor), { flags, pos, owner, context });
}

export function doorOf(descriptor: OpenAs): NamedFile {
  return new Door(descriptor);
}

type OpenAs = Pick<Descriptor, 'fd' | 'link' | 'stat'> & { readonly task: { readonly pid: number } };

/** Of a descriptor. The way to it is seldom gone. */
class Door implements NamedFile {
  constructor(readonly descriptor: OpenAs) {}

  get link(): string { return this.descriptor.link; }
  get stat(): FileStat { return this.descriptor.stat; }
  get door(): string { return `/proc/${this.descriptor.task.pid}/fd/${this.descriptor.fd}`; }
}
