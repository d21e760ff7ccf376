/**
 * Open files of a tree: reads every descriptor table once, finds out which descriptors are the same open file, refuses what no kind can
 * dump, asks the helper about the rest. All of it in the frozen window; the images come later.
 */
import { statSync } from 'node:fs';
import { create } from '../image/wire.ts';
import { fdinfo_entry, file_entry } from '../image/schema/index.ts';
import { F, O } from '../kernel/files.ts';
import { parseFdInfo } from '../proc/fdinfo.ts';
import { readProcLink, readProcNumbers, readProcRecord } from '../proc/read.ts';
import { Program, type RanBlock } from '../program/program.ts';
import type { DumpContext } from './context.ts';
import { describeDescriptor, FILE_KINDS, nameUnsupported, type Descriptor, type FileOwner, type OpenFile } from './file-kinds.ts';
import type { FrozenTask } from './frozen.ts';
import { learnSockets } from '../resources/socket/facts.ts';
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

/** Every descriptor of a task. */
export function readDescriptors(task: FrozenTask): Descriptor[] {
  return readProcNumbers(`/proc/${task.pid}/fd`).map((fd) => readDescriptor(task, fd));
}

export function readDescriptor(task: FrozenTask, fd: number): Descriptor {
  const door = `/proc/${task.pid}/fd/${fd}`;
  return { task, fd, info: parseFdInfo(readProcRecord(`/proc/${task.pid}/fdinfo/${fd}`)), link: readProcLink(door), stat: statSync(door, { bigint: true }) };
}

/** Adds what is in flight, which may carry descriptors itself. */
function withCarried(descriptors: readonly Descriptor[], context: DumpContext): Descriptor[] {
  const all = [...descriptors];
  for (let fresh = all as readonly Descriptor[]; fresh.length > 0;) {
    const from = fresh;
    learnSockets(from, context);
    for (const kind of FILE_KINDS) kind.meet?.(from, context);
    fresh = FILE_KINDS.flatMap((kind) => kind.carried?.(from.filter((one) => FILE_KINDS.find((k) => k.claims(one, context)) === kind), context) ?? []);
    all.push(...fresh);
  }
  return all;
}

/** @param tables descriptors by files_id */
export function collectFiles(tables: ReadonlyMap<number, readonly Descriptor[]>, context: DumpContext): OpenFiles {
  const files: OpenFile[] = [];
  for (const descriptors of sameFiles(withCarried([...tables.values()].flat(), context), context)) {
    const first = descriptors[0]!;
    const kind = FILE_KINDS.find((k) => k.claims(first, context));
    const refusal = kind === undefined ? nameUnsupported(first, context) : kind.refuse(first, context);
    if (refusal !== undefined) context.refusals.add(describeDescriptor(first), refusal.why, refusal.remedy);
    else if (kind !== undefined) files.push({ id: context.newFileId(), kind, descriptors, owner: { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 } });
  }
  for (const kind of new Set(files.map((file) => file.kind))) kind.collect?.(files.filter((file) => file.kind === kind), files, context);
  collectLocks(files, context);
  return { files, tables };
}

/** Descriptors in groups of one open file each. Only those that look the same are compared. */
function sameFiles(descriptors: readonly Descriptor[], { helper }: DumpContext): Descriptor[][] {
  const alike = new Map<string, { pid: number; index: number; descriptor: Descriptor }[]>();
  for (const descriptor of descriptors) {
    const { info, stat, task, fd } = descriptor;
    const key = `${stat.dev}:${stat.ino}:${info.flags}:${info.pos}`;
    const list = alike.get(key);
    const item = { pid: task.pid, index: fd, descriptor };
    if (list === undefined) alike.set(key, [item]);
    else list.push(item);
  }
  const groups = sameObjects(helper, [...alike.values()].map((items) => ({ type: KCMP.FILE, items })));
  const place = new Map(descriptors.map((descriptor, i) => [descriptor, i]));
  return groups.map((group) => group.map(({ descriptor }) => descriptor)).sort(([a], [b]) => place.get(a!)! - place.get(b!)!);
}

/** Asks the helper about every open file: who gets its signals, and what its kind wants to know. */
export function askFiles({ files }: OpenFiles, context: DumpContext): void {
  for (let at = 0; at < files.length; at += BATCH) askBatch(files.slice(at, at + BATCH), context);
}

function askBatch(files: readonly OpenFile[], context: DumpContext): void {
  const program = new Program('helper');
  const answers: ((ran: RanBlock) => void)[] = [];
  const targets = new Map<number, ReturnType<Program['call']>>();
  for (const file of files) {
    const { task, fd, info } = file.descriptors[0]!;
    program.resource(describeDescriptor(file.descriptors[0]!));
    let target = targets.get(task.pid);
    if (target === undefined) targets.set(task.pid, target = program.call('pidfd_open', [task.pid, 0]));
    const held = program.call('pidfd_getfd', [target, fd, 0]);
    if ((info.flags & O.PATH) === 0) answers.push(askOwner(program, held, file));
    const answer = file.kind.ask?.(program, held, file, context);
    if (answer !== undefined) answers.push(answer);
    program.call('close', [held], { keep: false });
  }
  for (const target of targets.values()) program.call('close', [target], { keep: false });
  const ran = context.helper.local(program).check('dump');
  for (const answer of answers) answer(ran);
}

function askOwner(program: Program, held: ReturnType<Program['call']>, file: OpenFile): (ran: RanBlock) => void {
  const owner = program.reserve(8);
  const users = program.reserve(8);
  const signal = program.call('fcntl', [held, F.GETSIG]);
  program.call('fcntl', [held, F.GETOWN_EX, owner], { keep: false });
  program.call('fcntl', [held, F.GETOWNER_UIDS, users], { expect: 'any', keep: false });
  return (ran) => {
    const [type, pid] = [ran.data(owner).readInt32LE(0), ran.data(owner).readInt32LE(4)];
    const [uid, euid] = [ran.data(users).readUInt32LE(0), ran.data(users).readUInt32LE(4)];
    const signum = Number(ran.result(signal));
    const owned: FileOwner = pid === 0 ? { uid: 0, euid: 0, signum, pid_type: 0, pid: 0 } : { uid, euid, signum, pid_type: type, pid };
    file.owner = owned;
  };
}

/** Holds what would not wait for the images to be written: see `FileKind.hold`. */
export function holdFiles({ files }: OpenFiles, context: DumpContext): void {
  for (const kind of FILE_KINDS) kind.hold?.(files.filter((file) => file.kind === kind), context);
}

/** Fills the set with descriptor tables and entries of open files. The tree may run again already. */
export function writeFiles({ files, tables }: OpenFiles, context: DumpContext): void {
  const of = new Map<Descriptor, OpenFile>();
  for (const file of files) {
    for (const descriptor of file.descriptors) of.set(descriptor, file);
    const { id, kind } = file;
    context.tree.files.set(id, create(file_entry, { type: kind.type, id, ...kind.entry(file, context) }));
  }
  for (const [filesId, descriptors] of tables) {
    context.tree.fdinfo.set(filesId, descriptors.map((descriptor) => {
      const { id, kind } = of.get(descriptor)!;
      return create(fdinfo_entry, { id, flags: descriptor.info.closeOnExec ? FD_CLOEXEC : 0, type: kind.type, fd: descriptor.fd });
    }));
  }
}
