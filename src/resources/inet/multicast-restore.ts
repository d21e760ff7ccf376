/** Sockets join their multicast groups again, each on the device of that name, with the sources that they had asked for. */
import type { sf_membership_entry } from '../../image/schema/index.ts';
import { GROUP_FILTER, GROUP_REQ_SIZE, IFNAMSIZ, MCAST, SOCKADDR_STORAGE_SIZE, SOL } from '../../kernel/inet.ts';
import { AF } from '../../kernel/sockets.ts';
import type { Arg, Program } from '../../program/program.ts';
import { encodeAddress, wordsOf } from './address.ts';
import { addDeviceIndex } from '../socket/device.ts';

/** More than a kernel lets a socket have, unless it was told to (net.ipv4.igmp_max_msf, net.ipv6.mld_max_msf). */
const MOST_SOURCES = 4096;

const familyOf = ({ group }: sf_membership_entry): number => (group.length === 1 ? AF.INET : AF.INET6);

/** What is wrong with it, if anything. */
export function checkMembership(one: sf_membership_entry): string | undefined {
  const words = wordsOf(familyOf(one));
  if (one.group.length !== words || one.sources.length > MOST_SOURCES || one.sources.some((source) => source.words.length !== words)) return 'one of its multicast groups has addresses of no family';
  if ((one.mode ?? MCAST.EXCLUDE) > MCAST.INCLUDE) return `one of its multicast groups has the filter mode ${one.mode}`;
  if (one.device.length === 0 || one.device.length >= IFNAMSIZ) return 'one of its multicast groups has a device without a name, or with one that is too long';
  return undefined;
}

export function addMemberships(p: Program, fd: Arg, memberships: readonly sf_membership_entry[]): void {
  for (const one of memberships) {
    const { device, sources, mode = MCAST.EXCLUDE } = one;
    const family = familyOf(one);
    const level = family === AF.INET ? SOL.IP : SOL.IPV6;
    const bytes = Buffer.alloc(GROUP_FILTER.SOURCES + sources.length * SOCKADDR_STORAGE_SIZE);
    encodeAddress(family, { words: one.group, port: 0 }).copy(bytes, GROUP_FILTER.GROUP);
    bytes.writeUInt32LE(mode, GROUP_FILTER.MODE);
    bytes.writeUInt32LE(sources.length, GROUP_FILTER.COUNT);
    sources.forEach(({ words }, i) => encodeAddress(family, { words, port: 0 }).copy(bytes, GROUP_FILTER.SOURCES + i * SOCKADDR_STORAGE_SIZE));
    const filter = p.data(bytes, 8);
    const remedy = { ENODEV: `There is no network device ${device} here, or it takes no multicast`, EADDRINUSE: 'Its image names a group twice: it is damaged', ENOBUFS: 'It is a member of more groups, or of more sources, than this machine allows: raise net.ipv4.igmp_max_memberships, igmp_max_msf, net.ipv6.mld_max_msf' };
    addDeviceIndex(p, fd, filter, device, remedy);
    // struct group_req is how struct group_filter begins
    p.call('setsockopt', [fd, level, MCAST.JOIN_GROUP, filter, GROUP_REQ_SIZE], { keep: false, remedy });
    if (mode === MCAST.INCLUDE || sources.length > 0) p.call('setsockopt', [fd, level, MCAST.MSFILTER, filter, bytes.length], { keep: false, remedy });
  }
}
