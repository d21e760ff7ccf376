/**
 * Multicast groups that sockets are members of. The kernel lists groups of devices only (/proc/net/igmp, igmp6), but tells a socket's filter for
 * a group exactly when it is a member (MCAST_MSFILTER): each socket is asked for each group there is.
 */
import { readFileSync } from 'node:fs';
import type { DumpContext } from '../../dump/context.ts';
import type { OpenFile } from '../../dump/file-kinds.ts';
import { create } from '../../image/wire.ts';
import { sf_address_entry, sf_membership_entry } from '../../image/schema/index.ts';
import { GROUP_FILTER, MCAST, SOCKADDR_STORAGE_SIZE, SOL } from '../../kernel/inet.ts';
import { AF, SOCK } from '../../kernel/sockets.ts';
import { Program, type RanBlock } from '../../program/program.ts';
import { addWithSockets, socketFacts } from '../socket/facts.ts';
import { socketInode } from '../socket/known.ts';
import { encodeAddress, parseAddress } from './address.ts';

interface Group { readonly family: number; readonly index: number; readonly device: string; readonly words: readonly number[] }
interface Member { readonly inode: number; readonly file: OpenFile; readonly group: Group; readonly sources: number }

const known = new WeakMap<DumpContext, Map<number, sf_membership_entry[]>>();

/** Of a socket, by its inode. */
export const membershipsOf = (inode: number, context: DumpContext): readonly sf_membership_entry[] => known.get(context)?.get(inode) ?? [];

/** Asks sockets that may be members of groups. Looks only. */
export function learnMemberships(own: readonly OpenFile[], context: DumpContext): void {
  const found = new Map<number, sf_membership_entry[]>();
  known.set(context, found);
  // streams have no groups
  const files = own.filter(({ descriptors }) => socketFacts(descriptors[0]!, context)?.type !== SOCK.STREAM);
  if (files.length === 0) return;
  const groups = groupsOfDevices();
  const all = files.flatMap((file) => groups.filter(({ family }) => family === AF.INET || socketFacts(file.descriptors[0]!, context)!.family === AF.INET6)
    .map((group): Member => ({ inode: socketInode(file.descriptors[0]!)!, file, group, sources: 0 })));
  const members = askFilters(all, context, (member, answer) => (answer === undefined ? [] : [{ ...member, sources: answer.readUInt32LE(GROUP_FILTER.COUNT) }])).flat();
  const entries = askFilters(members, context, ({ group, sources, inode }, answer) => {
    const count = answer === undefined ? 0 : Math.min(sources, answer.readUInt32LE(GROUP_FILTER.COUNT));
    const source = (i: number): Buffer => answer!.subarray(GROUP_FILTER.SOURCES + i * SOCKADDR_STORAGE_SIZE, GROUP_FILTER.SOURCES + (i + 1) * SOCKADDR_STORAGE_SIZE);
    return { inode, entry: create(sf_membership_entry, {
      device: group.device, group: [...group.words], mode: answer?.readUInt32LE(GROUP_FILTER.MODE) ?? MCAST.EXCLUDE,
      sources: Array.from({ length: count }, (_, i) => create(sf_address_entry, { words: [...parseAddress(source(i), group.family)?.words ?? []] })),
    }) };
  });
  for (const { inode, entry } of entries) {
    const list = found.get(inode);
    if (list === undefined) found.set(inode, [entry]);
    else list.push(entry);
  }
}

/** @param read gets struct group_filter; undefined of one that is no member */
function askFilters<T>(asked: readonly Member[], context: DumpContext, read: (member: Member, answer: Buffer | undefined) => T): T[] {
  if (asked.length === 0) return [];
  const of = new Map<OpenFile['descriptors'][number], Member[]>();
  for (const member of asked) {
    const descriptor = member.file.descriptors[0]!;
    const list = of.get(descriptor);
    if (list === undefined) of.set(descriptor, [member]);
    else list.push(member);
  }
  const program = new Program('helper');
  const readers: ((ran: RanBlock) => T)[] = [];
  addWithSockets(program, [...of.keys()], (held, descriptor) => {
    for (const member of of.get(descriptor)!) {
      const size = GROUP_FILTER.SOURCES + member.sources * SOCKADDR_STORAGE_SIZE;
      const request = Buffer.alloc(size);
      request.writeUInt32LE(member.group.index, 0);
      encodeAddress(member.group.family, { words: member.group.words, port: 0 }).copy(request, GROUP_FILTER.GROUP);
      request.writeUInt32LE(member.sources, GROUP_FILTER.COUNT);
      const value = program.data(request, 8);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(size, 0);
      const got = program.call('getsockopt', [held, member.group.family === AF.INET ? SOL.IP : SOL.IPV6, MCAST.MSFILTER, value, program.data(length, 4)], { expect: 'any' });
      readers.push((ran) => read(member, ran.result(got) < 0n ? undefined : ran.data(value)));
    }
  });
  const ran = context.helper.local(program).check('dump');
  return readers.map((one) => one(ran));
}

/** Of our network namespace, which is the sockets' (others are refused). */
function groupsOfDevices(): Group[] {
  const groups: Group[] = [];
  let device = { index: 0, name: '' };
  for (const line of linesOf('/proc/net/igmp')) {
    const head = /^(\d+)\t(\S+)\s*:/u.exec(line);
    if (head !== null) device = { index: Number(head[1]), name: head[2]! };
    const group = /^\t+([0-9A-F]{8}) /u.exec(line)?.[1];
    if (group !== undefined) groups.push({ family: AF.INET, index: device.index, device: device.name, words: [Number.parseInt(group, 16)] });
  }
  for (const line of linesOf('/proc/net/igmp6')) {
    const [, index, name, hex] = /^(\d+)\s+(\S+)\s+([0-9a-f]{32}) /u.exec(line) ?? [];
    if (index === undefined || name === undefined || hex === undefined) continue;
    const bytes = Buffer.from(hex, 'hex');
    groups.push({ family: AF.INET6, index: Number(index), device: name, words: [0, 4, 8, 12].map((at) => bytes.readUInt32LE(at)) });
  }
  return groups;
}

/** None where the kernel has no multicast, or no IPv6. */
function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'latin1').split('\n');
  } catch {
    return [];
  }
}
