/**
 * What can be said against a restore from this machine, before anything is made: files that are gone or changed, pages files
 * that are too short, numbers that other processes have.
 */
import { closeSync, existsSync, lstatSync, openSync, readFileSync, readSync, statSync, type BigIntStats } from 'node:fs';
import type { ErrorParts } from '../errors.ts';
import type { file_entry, reg_file_entry } from '../image/schema/index.ts';
import { bytesOf } from '../image/text.ts';
import { fileNames, pageFlags, pagesOf, PE_PRESENT, type FrozenTree, type PageMap } from '../image/tree.ts';
import { S } from '../kernel/files.ts';
import { remapOf } from '../resources/ghost/restore.ts';
import { procOwner } from '../resources/proc-file/restore.ts';
import { buildId, buildIdWords } from '../resources/regular/build-id.ts';
import { VMA } from '../resources/memory/status.ts';
import type { SourceSet } from './page-runs.ts';
import { isAlive } from './task.ts';

const doing = 'restore';
const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : String(error));

export interface ValidateOptions {
  /** --skip-file-rwx-check */
  readonly skipModeCheck: boolean;
  /** --file-validation filesize: do not look at build ids. */
  readonly sizeOnly: boolean;
  /** --inherit-fd: another file takes its place. */
  readonly handedIn?: (file: file_entry) => boolean;
}

/** All reasons but those of checkPages. Empty: nothing speaks against it. */
export function validate(set: SourceSet, options: ValidateOptions): ErrorParts[] {
  return [...checkNumbers(set.tree), ...checkFiles(set.tree, options)];
}

/** How long a zombie that has a number of the tree may take to be waited for by its parent, and how often to look, in ms. */
const ZOMBIE_MS = 2000, LOOK_MS = 10;

/** A tree that was dumped just now may not be waited for yet: that is a matter of moments where its parent or init does. */
function awaitZombies(tids: readonly number[]): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const end = performance.now() + ZOMBIE_MS;
  while (tids.some((tid) => ownerOf(tid)?.zombie === true) && performance.now() < end) Atomics.wait(pause, 0, 0, LOOK_MS);
}

/** Pids and tids that are taken. */
function checkNumbers(tree: FrozenTree): ErrorParts[] {
  awaitZombies([...tree.tasks.values()].flatMap(({ threads }) => [...threads.keys()]));
  const reasons: ErrorParts[] = [];
  for (const task of tree.tasks.values()) {
    for (const tid of task.threads.keys()) {
      const owner = ownerOf(tid);
      if (owner === undefined) continue;
      const who = owner.pid === tid ? `${owner.zombie ? 'a zombie,' : 'process'} ${tid} (${owner.comm})${owner.zombie ? ', which its parent did not wait for,' : ''}` : `a thread of process ${owner.pid} (${owner.comm})`;
      reasons.push({
        doing, where: tid === task.pid ? `task ${tid}` : `thread ${tid} of task ${task.pid}`, why: `its number is taken: ${who} has it`,
        remedy: tree.tasks.has(owner.pid) ? 'Does the dumped tree still run? End it, then restore again' : 'End that process, or restore in a new pid namespace (unshare -pf --mount-proc)',
      });
    }
  }
  return reasons;
}

function ownerOf(tid: number): { pid: number; comm: string; zombie: boolean } | undefined {
  if (!existsSync(`/proc/${tid}`)) return undefined;
  try {
    const status = readFileSync(`/proc/${tid}/status`, 'utf8');
    return { pid: Number(/^Tgid:\s*(\d+)/m.exec(status)?.[1] ?? tid), comm: /^Name:\s*(.*)$/m.exec(status)?.[1] ?? '?', zombie: /^State:\s*Z/m.test(status) };
  } catch {
    return undefined;
  }
}

/** Each pages file holds what its page map says. */
export function checkPages(set: SourceSet): ErrorParts[] {
  const reasons: ErrorParts[] = [];
  const check = (map: PageMap | undefined, owner: string): void => {
    if (map === undefined) return;
    const pages = map.entries.reduce((sum, entry) => sum + ((pageFlags(entry) & PE_PRESENT) !== 0 ? pagesOf(entry) : 0n), 0n);
    if (pages === 0n) return;
    const file = fileNames.pages(map.pages_id);
    const where = `${set.name}/${file}`;
    try {
      const { size } = statSync(where, { bigint: true });
      if (size < pages * 4096n) {
        reasons.push({ doing, where, why: `it is ${size} bytes; ${owner} says it holds ${pages} pages (${pages * 4096n} bytes)`, remedy: 'The image set is damaged or incomplete: copy it again' });
      }
    } catch (error) {
      reasons.push({ doing, where, why: `${codeOf(error)}; ${owner} refers to it`, remedy: 'The image set is incomplete: copy all of its files' });
    }
  };
  for (const task of set.tree.tasks.values()) if (isAlive(task)) check(task.pagemap, fileNames.pagemap(task.pid));
  for (const [shmid, map] of set.tree.shmem) check(map, fileNames.shmem(shmid));
  for (const task of set.tree.tasks.values()) {
    if (isAlive(task) && task.mm !== undefined && task.pagemap === undefined) {
      reasons.push({ doing, where: `${set.name}/${fileNames.pagemap(task.pid)}`, why: 'it is missing', remedy: 'The image set is incomplete: copy all of its files' });
    }
  }
  return reasons;
}

/** Files the tree has open, mapped, runs or is in. */
function checkFiles(tree: FrozenTree, options: ValidateOptions): ErrorParts[] {
  const reasons: ErrorParts[] = [];
  const seen = new Set<string>();
  const use = (id: number | undefined, where: () => string): void => {
    const file = id === undefined ? undefined : tree.files.get(id);
    const reg = file?.reg;
    if (id === undefined || file === undefined || reg === undefined || seen.has(reg.name)) return;
    if (options.handedIn?.(file) === true || reg.ext === true || remapOf(tree, id) !== undefined || procOwner(tree, reg.name) !== undefined) return;
    seen.add(reg.name);
    const reason = checkFile(reg, options);
    if (reason !== undefined) reasons.push({ doing, where: where(), ...reason });
  };
  for (const task of tree.tasks.values()) {
    if (!isAlive(task)) continue;
    for (const { id, fd } of tree.fdinfo.get(task.ids?.files_id ?? 0) ?? []) use(id, () => `task ${task.pid}, fd ${fd}`);
    for (const vma of task.mm?.vmas ?? []) {
      if ((vma.status & (VMA.FILE_PRIVATE | VMA.FILE_SHARED)) !== 0) use(Number(vma.shmid), () => `task ${task.pid}, mapping 0x${vma.start.toString(16)}`);
    }
    use(task.mm?.exe_file_id, () => `task ${task.pid}, exe link`);
    use(task.fs?.cwd_id, () => `task ${task.pid}, working directory`);
    use(task.fs?.root_id, () => `task ${task.pid}, root directory`);
  }
  return reasons;
}

function checkFile(reg: reg_file_entry, { skipModeCheck, sizeOnly }: ValidateOptions): Pick<ErrorParts, 'why' | 'remedy'> | undefined {
  const path = Buffer.from(bytesOf(reg.name));
  let stat: BigIntStats;
  try {
    stat = ((reg.mode ?? 0) & S.IFMT) === S.IFLNK ? lstatSync(path, { bigint: true }) : statSync(path, { bigint: true });
  } catch (error) {
    const dangling = codeOf(error) === 'ENOENT' && exists(path);
    return { why: `Can't open file ${reg.name}: ${codeOf(error)}`, remedy: dangling ? 'It is a symbolic link to nowhere: put its target back' : 'Put it back as it was at the dump' };
  }
  const mode = Number(stat.mode);
  if (reg.mode !== undefined) {
    const bits = skipModeCheck ? S.IFMT | 0o7000 : 0o177777;
    if ((mode & bits) !== (reg.mode & bits)) {
      return { why: `File ${reg.name} has bad mode 0${mode.toString(8)} (expect 0${reg.mode.toString(8)})`, remedy: 'Give it the mode it had, or restore with --skip-file-rwx-check' };
    }
  }
  if (reg.size !== undefined && (mode & S.IFMT) === S.IFREG && stat.size !== reg.size) {
    return { why: `File ${reg.name} has bad size ${stat.size} (expect ${reg.size})`, remedy: 'It changed since the dump: put it back as it was' };
  }
  if (!sizeOnly && reg.build_id.length > 0) {
    const words = buildIdOf(path);
    if (words !== undefined && words.join() !== reg.build_id.join()) {
      return { why: `File ${reg.name} has bad build-ID`, remedy: 'It is another build of the program or library than at the dump: put that one back, or restore with --file-validation filesize' };
    }
  }
  return undefined;
}

/** Undefined when it has none, or cannot be read. */
function buildIdOf(path: Buffer): number[] | undefined {
  let fd: number | undefined;
  try {
    const file = fd = openSync(path, 'r');
    const id = buildId((offset, size) => {
      const bytes = Buffer.alloc(size);
      return bytes.subarray(0, readSync(file, bytes, 0, size, offset));
    });
    return id === undefined ? undefined : buildIdWords(id);
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function exists(path: Buffer): boolean {
  try {
    lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
