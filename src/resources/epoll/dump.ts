/**
 * epoll: its members. The format names a member by a descriptor number of the task that has the epoll first; a member that has no such number,
 * or not the one it was added under, is told in our own image (CRIU then fails to restore the first sort, and renumbers the second).
 */
import { create } from '../../image/wire.ts';
import { eventpoll_file_entry, eventpoll_tfd_entry, fd_types, fown_entry, sf_epoll_entry } from '../../image/schema/index.ts';
import { ownFile } from '../../image/tree-own.ts';
import type { Descriptor, FileKind, OpenFile } from '../../dump/file-kinds.ts';
import { describeDescriptor } from '../../dump/file-kinds.ts';
import { findMembers, parseMembers, type Member } from './members.ts';

/** No descriptor can have this number. */
const NO_NUMBER = 0x7fff_ffff;

const members = new WeakMap<OpenFile, readonly Member[]>();

/** The number under which the format can name a member. */
function numberOf({ tfd, file }: Member, epoll: Descriptor): number {
  // one that is in flight is to be found again in the task that has what carries it
  let { via: holder = epoll } = epoll;
  while (holder.via !== undefined) holder = holder.via;
  const here = file.descriptors.filter(({ task }) => task === holder.task);
  return here.find(({ fd }) => fd === tfd)?.fd ?? here[0]?.fd ?? NO_NUMBER;
}

export const epolls: FileKind = {
  type: fd_types.EVENTPOLL,
  claims: ({ link }) => link === 'anon_inode:[eventpoll]',
  refuse: () => undefined,
  collect(own, all, context) {
    const found = findMembers(own, all, context);
    for (const epoll of own) {
      const first = epoll.descriptors[0]!;
      const files = found.get(epoll)!;
      members.set(epoll, parseMembers(first.info.more).flatMap((info, i) => {
        const file = files[i];
        if (file !== undefined) return [{ ...info, file }];
        context.refusals.add(describeDescriptor(first), `its member fd ${info.tfd} is a file that no task of the tree has open as a descriptor`, 'Close the epoll, or remove that member from it');
        return [];
      }));
    }
  },
  entry: (epoll, context) => {
    const { id, owner, descriptors } = epoll;
    const first = descriptors[0]!;
    const tfd = members.get(epoll)!.map((member, index) => {
      const number = numberOf(member, first);
      if (number !== member.tfd) ownFile(context.tree, id).epoll.push(create(sf_epoll_entry, { index, tfd: member.tfd, file: member.file.id }));
      const { place, events, data } = member;
      return create(eventpoll_tfd_entry, { id, tfd: number, events, data, ...(place === undefined ? {} : { dev: place.device, inode: place.inode, pos: place.pos }) });
    });
    return { epfd: create(eventpoll_file_entry, { id, flags: first.info.flags, fown: create(fown_entry, owner), tfd }) };
  },
};
