/**
 * epoll. The helper makes it; its members are added by the task that has it first, once its table is full: a member is known by its descriptor
 * number, and a signalfd is waited for in the name of the task that adds it.
 */
import { fd_types, type eventpoll_tfd_entry, type fdinfo_entry, type file_entry } from '../../image/schema/index.ts';
import { ownFileOf } from '../../image/tree-own.ts';
import { EPOLL_CTL_ADD } from '../../kernel/anon.ts';
import { F, FD_CLOEXEC, O } from '../../kernel/files.ts';
import { Cond, type Program } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import { firstPlaces, stageOf, tableOf } from '../../restore/descriptors.ts';
import type { FileKind } from '../../restore/kinds.ts';
import { addStatusFlags } from '../../restore/status-flags.ts';

const EBADF = 9, EINVAL = 22;
const REMEDY = {
  EBADF: 'The image names a member by a descriptor that is not open: it was dumped while members were closed or belonged to other tasks',
  EEXIST: 'The image names two members by the same descriptor: one of them was closed before the dump',
  ENOSPC: 'The limit of epoll members is reached: raise /proc/sys/fs/epoll/max_user_watches',
};

interface Member { readonly entry: eventpoll_tfd_entry; readonly tfd: number; /** Undefined: what its number is. */ readonly fileId: number | undefined }

function membersOf(context: RestoreContext, { id, epfd }: file_entry): Member[] {
  const own = ownFileOf(context.tree, id)?.epoll ?? [];
  return (epfd?.tfd ?? []).map((entry, i) => {
    const told = own.find(({ index }) => index === i);
    return { entry, tfd: told?.tfd ?? entry.tfd, fileId: told?.file };
  });
}

export const epolls: FileKind = {
  types: [fd_types.EVENTPOLL],
  describe: ({ epfd }) => `epoll of ${epfd?.tfd.length ?? '?'} members`,
  check(files, context) {
    const places = firstPlaces(context);
    for (const file of files) {
      if (file.epfd === undefined) {
        context.refuse(`file ${file.id}`, 'its record in files.img has no epoll in it', 'The image is damaged: take another');
        continue;
      }
      const place = places.get(file.id);
      const task = place === undefined ? undefined : context.tree.tasks.get(place.pid);
      if (task === undefined) {
        for (const { tfd, fileId } of membersOf(context, file)) {
          const id = fileId ?? carriedMember(context, file.id, tfd);
          if (id === undefined || stageOf(context, id) !== undefined) context.refuse(`file ${file.id} (epoll in flight)`, `its member fd ${tfd} cannot be opened before there are tasks, or is not open`, REMEDY.EBADF);
        }
        continue;
      }
      for (const { tfd, fileId } of membersOf(context, file)) {
        const table = tableOf(context, task);
        const there = fileId === undefined ? table.some(({ fd }) => fd === tfd) : table.some(({ id }) => id === fileId) || (places.has(fileId) && stageOf(context, fileId) === undefined);
        if (!there) context.refuse(`task ${task.pid}, fd ${place!.fd} (epoll)`, fileId === undefined ? `its member fd ${tfd} is not an open descriptor` : `its member, file ${fileId}, cannot be reached by the task that has the epoll`, REMEDY.EBADF);
      }
    }
  },
  open(files, context) {
    const p = context.local.program;
    for (const { id, epfd } of files) {
      if (epfd === undefined) continue;
      const resource = `file ${id} (epoll)`;
      const ref = p.resource(resource).call('epoll_create1', [O.CLOEXEC]);
      addStatusFlags(p, ref, epfd.flags);
      context.files.set(id, context.local.open(resource, ref));
    }
  },
  settle(context) {
    for (const file of context.tree.files.values()) if (file.epfd !== undefined && context.files.has(file.id) && !firstPlaces(context).has(file.id)) addMembersInHelper(context, file);
  },
  finish(p, file, fd, context, task) {
    const table = new Map(tableOf(context, task).map((entry) => [entry.fd, entry]));
    for (const { entry, tfd, fileId } of membersOf(context, file)) {
      const event = Buffer.alloc(12);
      event.writeUInt32LE(entry.events >>> 0, 0);
      event.writeBigUInt64LE(BigInt.asUintN(64, entry.data), 4);
      const add = (): void => { p.call('epoll_ctl', [fd, EPOLL_CTL_ADD, tfd, p.data(event)], { keep: false, remedy: REMEDY }); };
      if (fileId === undefined || table.get(tfd)?.id === fileId) add();
      else withNumber(p, context, table, fileId, tfd, add);
    }
  },
};

/** What a number means in the task that has the socket in which an epoll is in flight. */
function carriedMember(context: RestoreContext, epoll: number, tfd: number): number | undefined {
  const places = firstPlaces(context);
  const seen = new Set([epoll]);
  for (const id of seen) {
    const task = context.tree.tasks.get(places.get(id)?.pid ?? -1);
    if (task !== undefined) return tableOf(context, task).find(({ fd }) => fd === tfd)?.id;
    for (const { entry } of context.tree.socket_queues) if (entry.scm.some(({ rights }) => rights.includes(id))) seen.add(entry.id_for);
  }
  return undefined;
}

/** An epoll that no task has open, only in flight: the helper adds its members, under the numbers they had. */
function addMembersInHelper(context: RestoreContext, file: file_entry): void {
  const p = context.local.program.resource(`file ${file.id} (epoll in flight)`);
  const epoll = context.files.get(file.id)!;
  for (const { entry, tfd, fileId } of membersOf(context, file)) {
    const member = context.files.get(fileId ?? carriedMember(context, file.id, tfd)!)!;
    const event = Buffer.alloc(12);
    event.writeUInt32LE(entry.events >>> 0, 0);
    event.writeBigUInt64LE(BigInt.asUintN(64, entry.data), 4);
    const copies = [epoll, member].map(({ ref }) => p.call('fcntl', [ref, F.DUPFD_CLOEXEC, tfd + 1]));
    const kept = p.call('fcntl', [tfd, F.DUPFD_CLOEXEC, tfd + 1], { expect: { orErrno: EBADF } });
    p.call('dup3', [copies[1]!, tfd, O.CLOEXEC], { keep: false });
    p.call('epoll_ctl', [copies[0]!, EPOLL_CTL_ADD, tfd, p.data(event)], { keep: false, remedy: REMEDY });
    const [free, end] = [{ at: 0 }, { at: 0 }];
    p.jump(kept, Cond.LT, 0, () => free.at);
    p.call('dup3', [kept, tfd, O.CLOEXEC], { keep: false });
    p.call('close', [kept], { keep: false });
    p.jump(0, Cond.EQ, 0, () => end.at);
    free.at = p.here;
    p.call('close', [tfd], { keep: false });
    end.at = p.here;
    for (const copy of copies) p.call('close', [copy], { keep: false });
  }
}

/** Makes a file have a number for as long as some steps take, whatever has that number else. */
function withNumber(p: Program, context: RestoreContext, table: ReadonlyMap<number, fdinfo_entry>, fileId: number, number: number, steps: () => void): void {
  const occupant = number === context.pidfd ? { flags: FD_CLOEXEC } : table.get(number);
  const kept = occupant === undefined ? undefined : p.call('fcntl', [number, F.DUPFD_CLOEXEC, 0]);
  const own = [...table.values()].find(({ id }) => id === fileId)?.fd;
  const fetched = own === undefined ? p.call('pidfd_getfd', [context.pidfd, context.files.get(fileId)!.arg, 0]) : undefined;
  p.call('dup3', [own ?? fetched!, number, O.CLOEXEC], { keep: false, expect: { orErrno: EINVAL } });
  steps();
  if (kept === undefined) p.call('close', [number], { keep: false });
  else p.call('dup3', [kept, number, (occupant!.flags & FD_CLOEXEC) !== 0 ? O.CLOEXEC : 0], { keep: false });
  // what was fetched may have been given that very number
  if (fetched !== undefined) p.call('close', [fetched], { keep: false, expect: { orErrno: EBADF } });
  if (kept !== undefined) p.call('close', [kept], { keep: false });
}
