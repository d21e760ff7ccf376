/**
 * An IPC namespace of the tree's own goes with it, so all that is in it is in the set: settings, semaphores, message queues with their messages (read
 * without being taken), shared memory, also what nobody is attached to. The helper enters the namespace for the rest of the dump.
 */
import { readdirSync } from 'node:fs';
import { create } from '../../../image/wire.ts';
import { ipc_desc_entry, ipc_msg, ipc_msg_entry, ipc_sem_entry, ipc_shm_entry, ipc_var_entry } from '../../../image/schema/index.ts';
import { payload } from '../../../image/payload.ts';
import type { IpcNamespace, MessageQueue } from '../../../image/tree.ts';
import type { DumpContext } from '../../../dump/context.ts';
import { heldExtents } from '../../../dump/extents.ts';
import { describeTask, type FrozenTask } from '../../../dump/frozen.ts';
import { AT_FDCWD, O } from '../../../kernel/files.ts';
import { CLONE } from '../../../kernel/process.ts';
import { addDetachedMount } from '../../../program/mount.ts';
import { Program, type DataRef, type ResultRef } from '../../../program/program.ts';
import { addMemoryContents } from '../../shared-memory/dump.ts';
import { WINDOW } from '../../shared-memory/restore.ts';
import { pages, SHM, SHM_RDONLY, SHMID_DS_SIZE } from '../../sysv-shm/segment.ts';
import { MSG, NEXT_IDS, PERM, SEM, SETTINGS, SHM_ASK } from './objects.ts';

const FILE_SIZE = 128;
/** In front of a message's text. */
const TYPE_SIZE = 8;

/** From here on the helper is in the namespace of a task. */
export function enterIpc(task: FrozenTask, context: DumpContext): void {
  const p = new Program('helper').resource(`IPC namespace of ${describeTask(task)}`);
  const fd = p.call('openat', [AT_FDCWD, p.cstring(`/proc/${task.pid}/ns/ipc`), O.RDONLY | O.CLOEXEC, 0]);
  p.call('setns', [fd, CLONE.NEWIPC], { keep: false, remedy: { EPERM: 'Entering it needs CAP_SYS_ADMIN: run the dump as root' } });
  p.call('close', [fd], { keep: false });
  context.helper.local(p).check('dump');
  context.ownIpc = true;
}

/** Everything but the segments that tasks are attached to, which are in the set already. @param held names of POSIX queues that tasks have open */
export function dumpIpc(id: number, task: FrozenTask, held: ReadonlySet<string>, context: DumpContext): void {
  const { ipcns } = context.tree;
  let found = ipcns.get(id);
  if (found === undefined) ipcns.set(id, found = { shm: [], sem: [], msg: [] });
  found.vars = readSettings(context);
  const p = new Program('helper').resource('IPC namespace');
  const last = [p.call('semctl', [0, 0, SEM.INFO, p.reserve(SEM.INFO_SIZE)]), p.call('msgctl', [0, MSG.INFO, p.reserve(MSG.INFO_SIZE)]), p.call('shmctl', [0, SHM_ASK.INFO, p.reserve(SHM_ASK.INFO_SIZE)])] as const;
  const ran = context.helper.local(p).check('dump');
  const [sems, msgs, shms] = last.map((ref) => Number(ran.result(ref)));
  dumpSemaphores(sems!, found, context);
  dumpQueues(msgs!, found, context);
  dumpSegments(shms!, found, context);
  refusePosixQueues(task, held, context);
}

function readSettings({ helper }: DumpContext): ipc_var_entry {
  const p = new Program('helper').resource('settings of the IPC namespace');
  const files = [...SETTINGS, ...NEXT_IDS].map(({ field, file }) => {
    const bytes = p.reserve(FILE_SIZE);
    const fd = p.call('openat', [AT_FDCWD, p.cstring(`/proc/sys/${file}`), O.RDONLY | O.CLOEXEC, 0], { expect: 'any' });
    const size = p.call('read', [fd, bytes, FILE_SIZE], { expect: 'any' });
    p.call('close', [fd], { keep: false, expect: 'any' });
    return { field, bytes, size };
  });
  const ran = helper.local(p).check('dump');
  const vars = create(ipc_var_entry, {
    sem_ctls: [], msg_ctlmax: 0, msg_ctlmnb: 0, msg_ctlmni: 0, auto_msgmni: 0, shm_ctlmax: 0n, shm_ctlall: 0n, shm_ctlmni: 0, shm_rmid_forced: 0, mq_queues_max: 0, mq_msg_max: 0, mq_msgsize_max: 0,
  });
  for (const { field, bytes, size } of files) {
    if (ran.result(size) <= 0n) continue;
    const words = ran.data(bytes, Number(ran.result(size))).toString('latin1').trim().split(/\s+/u);
    if (field === 'sem_ctls') vars.sem_ctls = words.map(Number);
    else if (field === 'shm_ctlmax' || field === 'shm_ctlall') vars[field] = BigInt(words[0]!);
    else if (!words[0]!.startsWith('-')) vars[field] = Number(words[0]);
  }
  return vars;
}

/** Asks for each index of a table; those that are there. */
function stats(name: 'semctl' | 'msgctl' | 'shmctl', last: number, size: number, ask: (p: Program, index: number, at: DataRef) => ResultRef, { helper }: DumpContext): { readonly id: number; readonly facts: Buffer }[] {
  const p = new Program('helper').resource(`IPC namespace, ${name}`);
  const asked = Array.from({ length: last + 1 }, (_, index) => {
    const at = p.reserve(size);
    return { at, id: ask(p, index, at) };
  });
  const ran = helper.local(p).check('dump');
  return asked.filter(({ id }) => ran.result(id) >= 0n).map(({ id, at }) => ({ id: Number(ran.result(id)), facts: ran.data(at) }));
}

function description(id: number, facts: Buffer): ipc_desc_entry {
  const word = (at: number): number => facts.readUInt32LE(at);
  return create(ipc_desc_entry, { key: word(PERM.KEY), uid: word(PERM.UID), gid: word(PERM.GID), cuid: word(PERM.CUID), cgid: word(PERM.CGID), mode: word(PERM.MODE), id });
}

function dumpSemaphores(last: number, found: IpcNamespace, context: DumpContext): void {
  const sets = stats('semctl', last, SEM.SIZE, (p, index, at) => p.call('semctl', [index, 0, SEM.STAT, at], { expect: 'any' }), context);
  const p = new Program('helper');
  const asked = sets.map(({ id, facts }) => {
    const nsems = Number(facts.readBigUInt64LE(SEM.NSEMS));
    const values = p.reserve(2 * nsems);
    p.resource(`semaphore set ${id}`).call('semctl', [id, 0, SEM.GETALL, values], { keep: false });
    return { id, facts, nsems, values };
  });
  const ran = context.helper.local(p).check('dump');
  for (const { id, facts, nsems, values } of asked) {
    const bytes = ran.data(values);
    found.sem.push({ entry: create(ipc_sem_entry, { desc: description(id, facts), nsems }), values: Array.from({ length: nsems }, (_, i) => bytes.readUInt16LE(2 * i)) });
  }
}

function dumpQueues(last: number, found: IpcNamespace, context: DumpContext): void {
  const longest = found.vars!.msg_ctlmax;
  for (const { id, facts } of stats('msgctl', last, MSG.SIZE, (p, index, at) => p.call('msgctl', [index, MSG.STAT, at], { expect: 'any' }), context)) {
    const qnum = Number(facts.readBigUInt64LE(MSG.QNUM));
    const p = new Program('helper').resource(`message queue ${id}`);
    // each copied behind the one before
    const room = p.reserve(Number(facts.readBigUInt64LE(MSG.CBYTES)) + TYPE_SIZE * qnum + TYPE_SIZE + longest);
    let at: DataRef | ResultRef = room;
    const sizes: ResultRef[] = [];
    for (let i = 0; i < qnum; i++) {
      const size = p.call('msgrcv', [id, at, longest, i, MSG.NOWAIT | MSG.COPY], { remedy: { ENOSYS: 'Reading messages without taking them needs CONFIG_CHECKPOINT_RESTORE' } });
      sizes.push(size);
      at = p.add(p.add(at, TYPE_SIZE), size);
    }
    const ran = context.helper.local(p).check('dump');
    const bytes = ran.data(room);
    const messages: MessageQueue['messages'] = [];
    let offset = 0;
    for (const ref of sizes) {
      const msize = Number(ran.result(ref));
      const start = offset + TYPE_SIZE;
      messages.push({ entry: create(ipc_msg, { mtype: bytes.readBigUInt64LE(offset), msize }), data: payload(Uint8Array.from(bytes.subarray(start, start + msize))) });
      offset = start + msize;
    }
    found.msg.push({ entry: create(ipc_msg_entry, { desc: description(id, facts), qbytes: Number(facts.readBigUInt64LE(MSG.QBYTES)), qnum }), messages });
  }
}

/** Segments nobody of the tree is attached to: the helper attaches each for a moment, to get at its file. */
function dumpSegments(last: number, found: IpcNamespace, context: DumpContext): void {
  const known = new Set(found.shm.map(({ entry }) => entry.desc.id));
  for (const { id, facts } of stats('shmctl', last, SHMID_DS_SIZE, (p, index, at) => p.call('shmctl', [index, SHM_ASK.STAT, at], { expect: 'any' }), context)) {
    if (known.has(id)) continue;
    const size = facts.readBigUInt64LE(SHM.SIZE);
    const p = new Program('helper').resource(`System V shared memory ${id}`);
    p.call('shmat', [id, WINDOW, SHM_RDONLY], { keep: false, expect: { equals: WINDOW } });
    const door = `/proc/self/map_files/${WINDOW.toString(16)}-${(WINDOW + pages(size)).toString(16)}`;
    const file = p.call('openat', [AT_FDCWD, p.cstring(door), O.RDONLY | O.CLOEXEC, 0], { remedy: { ENOENT: 'Is it of huge pages? Such a segment must be attached by a task of the tree, or be removed before the dump' } });
    p.call('shmdt', [WINDOW], { keep: false });
    const held = Number(context.helper.local(p).check('dump').result(file));
    found.shm.push({ entry: create(ipc_shm_entry, { desc: description(id, facts), size, in_pagemaps: true }) });
    context.reservedShmids.add(id);
    addMemoryContents(context, { shmid: BigInt(id), held, size: pages(size), extents: heldExtents(context.helper, held, pages(size)) });
  }
}

/** POSIX queues go with the namespace: those that no task has open would be lost. */
function refusePosixQueues(task: FrozenTask, held: ReadonlySet<string>, { helper, refusals }: DumpContext): void {
  const p = new Program('helper').resource('POSIX message queues');
  const mount = addDetachedMount(p, 'mqueue', { expect: 'any' });
  const root = Number(helper.local(p).check('dump').result(mount));
  if (root < 0) return; // a kernel without them
  for (const name of readdirSync(`/proc/${helper.hello.pid}/fd/${root}/`)) {
    if (!held.has(`/${name}`)) refusals.add(describeTask(task), `its IPC namespace has the POSIX message queue /${name}, which no task of it has open: it would be lost`, 'Let a task open it, or remove it (mq_unlink)');
  }
  helper.closeFds([root]);
}
