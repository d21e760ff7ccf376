/**
 * An IPC namespace of the tree's own. The helper makes it before all else and is in it from then on: what it makes there (segments, queues) is the
 * tree's, its tasks are born in it, and a restore that fails leaves nothing of it.
 */
import type { ipc_desc_entry, ipc_sem_entry, ipc_var_entry } from '../../../image/schema/index.ts';
import type { IpcNamespace, MessageQueue } from '../../../image/tree.ts';
import { ERRNO } from '../../../kernel/errno.ts';
import { AT_FDCWD, O } from '../../../kernel/files.ts';
import { CLONE } from '../../../kernel/process.ts';
import { Cond, Op, type Program, type ResultRef } from '../../../program/program.ts';
import type { RestoreContext } from '../../../restore/context.ts';
import { prepareSegment } from '../../sysv-shm/restore.ts';
import { IPC } from '../../sysv-shm/segment.ts';
import { ownNamespace } from '../own.ts';
import { MSG, NEXT_ID_FILES, NEXT_IDS, PERM, SEM, SETTING_MODE, SETTINGS } from './objects.ts';

const DAMAGED = 'The image is damaged: take another';

function contents(context: RestoreContext): { readonly id: number; readonly found: IpcNamespace | undefined } | undefined {
  const id = ownNamespace(context, 'ipc');
  return id === undefined ? undefined : { id, found: context.tree.ipcns.get(id) };
}

export function checkIpc(context: RestoreContext): void {
  const own = contents(context);
  if (own === undefined) return;
  const { id, found } = own;
  if (found?.vars === undefined) return context.refuse(`ipcns-var-${id}.img`, 'it is missing: it has the settings of the IPC namespace', 'The set is incomplete: copy all of its files');
  for (const { entry, values } of found.sem) if (values.length < entry.nsems) context.refuse(`ipcns-sem-${id}.img`, `semaphore set ${entry.desc.id} has ${entry.nsems} semaphores and ${values.length} values`, DAMAGED);
  for (const { entry, messages } of found.msg) if (messages.length !== entry.qnum) context.refuse(`ipcns-msg-${id}.img`, `message queue ${entry.desc.id} has ${entry.qnum} messages and ${messages.length} are there`, DAMAGED);
  for (const { entry } of found.shm) if (entry.in_pagemaps !== true) context.refuse(`ipcns-shm-${id}.img`, `the contents of System V shared memory ${entry.desc.id} are kept in a way of old versions`, 'Dump it again');
}

/** The helper's part, before anything else of it. */
export function addIpc(context: RestoreContext): void {
  const found = contents(context)?.found;
  if (found?.vars === undefined) return;
  const p = context.local.program;
  p.resource('IPC namespace').call('unshare', [CLONE.NEWIPC], { keep: false, remedy: { EPERM: 'A namespace needs CAP_SYS_ADMIN: run the restore as root', ENOSPC: 'The limit of namespaces is reached (/proc/sys/user/max_ipc_namespaces)' } });
  addSettings(p, found.vars);
  for (const { entry } of found.shm) prepareSegment(context, entry);
  for (const queue of found.msg) addQueue(p, queue);
  for (const { entry, values } of found.sem) addSemaphores(p, entry, values);
  for (const { field, file } of NEXT_IDS) {
    const next = found.vars[field];
    if (next !== undefined) addSetting(context.late, file, String(next));
  }
}

function addSettings(p: Program, vars: ipc_var_entry): void {
  for (const { field, file, optional } of SETTINGS) {
    const value = vars[field];
    if (value === undefined || (optional === true && value === 0)) continue;
    addSetting(p, file, Array.isArray(value) ? value.join(' ') : String(value), optional);
  }
}

/** What this kernel does not let be set stays as it is, as with criu. */
function addSetting(p: Program, file: string, value: string, optional = false): void {
  p.resource(`IPC namespace, ${file}`);
  const end = { at: 0 };
  const fd = p.call('openat', [AT_FDCWD, p.cstring(`/proc/sys/${file}`), O.WRONLY | O.CLOEXEC, 0], { expect: optional ? 'any' : { orErrno: ERRNO.EACCES } });
  p.jump(fd, Cond.LT, 0, () => end.at);
  p.call('write', [fd, p.data(Buffer.from(value), 1), value.length], { keep: false, expect: { equals: value.length } });
  p.call('close', [fd], { keep: false });
  end.at = p.here;
}

/** The next object of a kind is to have this number. */
function addNumber(p: Program, kind: keyof typeof NEXT_ID_FILES, { id }: ipc_desc_entry): void {
  const number = String(id);
  const fd = p.call('openat', [AT_FDCWD, p.cstring(NEXT_ID_FILES[kind]), O.WRONLY | O.CLOEXEC, 0], { remedy: { ENOENT: 'Choosing numbers of IPC objects needs CONFIG_CHECKPOINT_RESTORE' } });
  p.call('write', [fd, p.data(Buffer.from(number), 1), number.length], { keep: false, expect: { equals: number.length } });
  p.call('close', [fd], { keep: false });
}

function expectNumber(p: Program, got: ResultRef, { id }: ipc_desc_entry): void {
  p.control(Op.EXPECT, [got, Cond.EQ, id, ERRNO.EEXIST], { keep: false, remedy: { EEXIST: `Its number ${id} cannot be had` } });
}

/** The description that IPC_SET takes: owner and mode. */
function settings({ uid, gid, mode }: ipc_desc_entry, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeUInt32LE(uid, PERM.UID);
  bytes.writeUInt32LE(gid, PERM.GID);
  bytes.writeUInt32LE(mode & SETTING_MODE, PERM.MODE);
  return bytes;
}

function addQueue(p: Program, { entry, messages }: MessageQueue): void {
  const { desc } = entry;
  p.resource(`message queue ${desc.id}`);
  addNumber(p, 'msg', desc);
  expectNumber(p, p.call('msgget', [desc.key | 0, IPC.CREAT | IPC.EXCL | (desc.mode & SETTING_MODE)]), desc);
  const set = settings(desc, MSG.SIZE);
  set.writeBigUInt64LE(BigInt(entry.qbytes), MSG.QBYTES);
  p.call('msgctl', [desc.id, IPC.SET, p.data(set)], { keep: false });
  for (const { entry: { mtype, msize }, data } of messages) {
    const bytes = Buffer.alloc(8 + msize);
    bytes.writeBigUInt64LE(mtype, 0);
    bytes.set(data.bytes().subarray(0, msize), 8);
    p.call('msgsnd', [desc.id, p.data(bytes), msize, MSG.NOWAIT], { keep: false });
  }
}

function addSemaphores(p: Program, { desc, nsems }: ipc_sem_entry, values: readonly number[]): void {
  p.resource(`semaphore set ${desc.id}`);
  addNumber(p, 'sem', desc);
  expectNumber(p, p.call('semget', [desc.key | 0, nsems, IPC.CREAT | IPC.EXCL | (desc.mode & SETTING_MODE)]), desc);
  p.call('semctl', [desc.id, 0, IPC.SET, p.data(settings(desc, SEM.SIZE))], { keep: false });
  p.call('semctl', [desc.id, 0, SEM.SETALL, p.data(Buffer.from(Uint16Array.from(values.slice(0, nsems)).buffer))], { keep: false });
}
