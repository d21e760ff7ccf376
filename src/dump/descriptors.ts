/**
 * Open files of a tree: reads every descriptor table once, finds out which descriptors are the same open file, refuses what no kind can
 * dump, asks the helper about the rest. All of it in the frozen window; the images come later.
 */
import type { fdinfo_entry } from '../image/schema/index.ts';
import type { Helper } from '../helper/client.ts';
import type { HeldDescriptor } from '../helper/protocol.ts';
import type { FileStat } from '../kernel/stat.ts';
import { Program } from '../program/program.ts';
import { addEach } from './ask-each.ts';
import type { DumpContext } from './context.ts';
import { describeDescriptor, FILE_KINDS, nameUnsupported, type Descriptor, type FileKind, type FileOwner, type OpenFile } from './file-kinds.ts';
import type { FrozenTask } from './frozen.ts';
import { learnSockets } from '../resources/socket/facts.ts';
import { NO_OWNER } from '../resources/regular/dump.ts';
import { collectLocks } from '../resources/locks/dump.ts';
import { KCMP, sameObjects } from './kcmp.ts';

const FD_CLOEXEC = 1;
/** Open files asked about in one request: each costs up to a few kilobytes of the wire. */
const BATCH = 4096;

/** Descriptor tables and open files of the tree. */
export interface OpenFiles {
  readonly files: readonly OpenFile[];
  readonly tables: ReadonlyMap<number, readonly Descriptor[]>;
}

/** Descriptors of a task, ascending. @param fds undefined: all */
export function readDescriptors(task: FrozenTask, helper: Pick<Helper, 'descriptors'>, fds?: readonly number[]): Descriptor[] {
  return helper.descriptors(task.pid, fds).map((held) => new TaskDescriptor(task, held));
}

/** One as the helper told it, read where it lies: there may be tens of thousands, of which little is asked. */
class TaskDescriptor implements Descriptor {
  via: Descriptor | undefined;
  file: OpenFile | undefined;
  kind: FileKind | undefined;

  constructor(readonly task: FrozenTask, readonly info: HeldDescriptor) {}

  get fd(): number { return this.info.fd; }
  get link(): string { return this.info.link; }
  get stat(): FileStat { return this.info.stat; }
  get key(): number { return this.info.key; }
  get owner(): FileOwner {
    const { signal, owner } = this.info;
    if (owner !== undefined) return { uid: owner.uid, euid: owner.euid, signum: signal, pid_type: owner.type, pid: owner.pid };
    return signal === 0 ? NO_OWNER : { ...NO_OWNER, signum: signal };
  }
}

/** The kind that claims a descriptor; asked more than once for each. */
function kindOf(descriptor: Descriptor, context: DumpContext): FileKind | undefined {
  return descriptor.kind ??= FILE_KINDS.find((one) => one.claims(descriptor, context));
}

/** Adds what is in flight, which may carry descriptors itself. */
function withCarried(descriptors: readonly Descriptor[], context: DumpContext): Descriptor[] {
  const all = [...descriptors];
  for (let fresh = all as readonly Descriptor[]; fresh.length > 0;) {
    const from = fresh;
    learnSockets(from, context);
    for (const kind of FILE_KINDS) kind.meet?.(from, context);
    fresh = FILE_KINDS.flatMap((kind) => kind.carried?.(from.filter((one) => kindOf(one, context) === kind), context) ?? []);
    all.push(...fresh);
  }
  return all;
}

/** @param tables descriptors by files_id */
export function collectFiles(tables: ReadonlyMap<number, readonly Descriptor[]>, context: DumpContext): OpenFiles {
  const files: OpenFile[] = [];
  for (const descriptors of sameFiles(withCarried([...tables.values()].flat(), context), context)) {
    const first = descriptors[0]!;
    const kind = kindOf(first, context);
    const refusal = kind === undefined ? nameUnsupported(first, context) : kind.refuse(first, context);
    if (refusal !== undefined) context.refusals.add(describeDescriptor(first), refusal.why, refusal.remedy);
    else if (kind !== undefined) files.push({ id: context.newFileId(), kind, descriptors, owner: first.owner });
  }
  for (const kind of new Set(files.map((file) => file.kind))) kind.collect?.(files.filter((file) => file.kind === kind), files, context);
  collectLocks(files, context);
  return { files, tables };
}

/** Descriptors in groups of one open file each. */
function sameFiles(descriptors: readonly Descriptor[], { helper }: DumpContext): Descriptor[][] {
  return sameObjects(helper, descriptors, { type: () => KCMP.FILE, key: ({ key }) => key, pid: ({ task }) => task.pid, index: ({ fd }) => fd });
}

/** Asks about every open file what its kind wants to know. */
export function askFiles({ files }: OpenFiles, context: DumpContext): void {
  for (const file of files) file.kind.keep?.(file, context);
  const asked = files.filter(({ kind }) => kind.ask !== undefined);
  for (let at = 0; at < asked.length; at += BATCH) askBatch(asked.slice(at, at + BATCH), context);
}

function askBatch(files: readonly OpenFile[], context: DumpContext): void {
  const program = new Program('helper');
  const first = (file: OpenFile): Descriptor => file.descriptors[0]!;
  const asked = addEach(program, files, first, (file) => file.kind.shape?.(file, context, program), (held, file) => file.kind.ask!(program, held, file, context));
  const ran = context.helper.local(program).check('dump');
  for (const { item, answers, view } of asked) answers(view(ran), item);
}

/** Holds what would not wait for the images to be written: see `FileKind.hold`. */
export function holdFiles({ files }: OpenFiles, context: DumpContext): void {
  for (const kind of FILE_KINDS) kind.hold?.(files.filter((file) => file.kind === kind), context);
}

/** Fills the set with descriptor tables and entries of open files. The tree may run again already. */
export function writeFiles({ files, tables }: OpenFiles, context: DumpContext): void {
  for (const file of files) {
    for (const descriptor of file.descriptors) descriptor.file = file;
    const { id, kind: { type } } = file;
    // plain objects where there may be tens of thousands, not create(): file_entry and fdinfo_entry have no lists
    context.tree.files.set(id, { type, id, ...file.kind.entry(file, context) });
  }
  for (const [filesId, descriptors] of tables) {
    context.tree.fdinfo.set(filesId, descriptors.map((descriptor): fdinfo_entry => {
      const { id, kind: { type } } = descriptor.file!;
      return { id, flags: descriptor.info.closeOnExec ? FD_CLOEXEC : 0, type, fd: descriptor.fd };
    }));
  }
}
