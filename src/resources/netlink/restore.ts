/** Netlink sockets, each with its port and groups. Where the port is another's by now, the kernel gives it a new one, as criu lets it. */
import { fd_types, type file_entry, type netlink_sk_entry } from '../../image/schema/index.ts';
import { ownFileOf } from '../../image/tree-own.ts';
import { ERRNO } from '../../kernel/errno.ts';
import { NETLINK, NETLINK_CONNECTED, SOCKADDR_NL_SIZE, SOL_NETLINK } from '../../kernel/netlink.ts';
import { AF, SOCK } from '../../kernel/sockets.ts';
import { Cond, type Arg, type DataRef, type Program } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import type { FileKind } from '../../restore/kinds.ts';
import { addStatusFlags } from '../../restore/status-flags.ts';
import { addOptions } from '../socket/options-restore.ts';

/** The most groups a protocol may have that is worth believing (generic netlink has a few hundred). */
const MAX_GROUP_WORDS = 64;
const REMEDY = { EPERM: 'It needs CAP_NET_ADMIN: run the restore as root' };

export function describeNetlink({ protocol, portid }: netlink_sk_entry): string {
  return `netlink socket of protocol ${protocol}${portid === 0 ? '' : `, port ${portid}`}`;
}

export const netlinkSockets: FileKind = {
  types: [fd_types.NETLINKSK],
  describe: ({ id, nlsk }) => (nlsk === undefined ? `netlink socket ${id}` : describeNetlink(nlsk)),
  check(files, context) { for (const file of files) check(file, context); },
  open(files, context) { for (const file of files) if (file.nlsk !== undefined) open(file, file.nlsk, context); },
};

function check({ id, nlsk }: file_entry, context: RestoreContext): void {
  const damaged = 'The image is damaged: take another';
  if (nlsk === undefined) {
    context.refuse(`file ${id}`, 'its record in files.img has no netlink socket in it', damaged);
    return;
  }
  const where = `file ${id} (${describeNetlink(nlsk)})`;
  if (nlsk.protocol > 31) context.refuse(where, 'there are 32 protocols, from 0 on', damaged);
  if (nlsk.groups.length > MAX_GROUP_WORDS) context.refuse(where, `it has ${nlsk.groups.length * 32} groups`, damaged);
  if (nlsk.state === NETLINK_CONNECTED && nlsk.dst_group > 32) context.refuse(where, `its peer is group ${nlsk.dst_group}; a socket can be told of the first 32 only`, damaged);
}

function address(p: Program, port: number, groups: number): DataRef {
  const bytes = Buffer.alloc(SOCKADDR_NL_SIZE);
  bytes.writeUInt16LE(AF.NETLINK, 0);
  bytes.writeUInt32LE(port >>> 0, 4);
  bytes.writeUInt32LE(groups >>> 0, 8);
  return p.data(bytes);
}

function open(file: file_entry, entry: netlink_sk_entry, context: RestoreContext): void {
  const p = context.local.program.resource(`file ${file.id} (${describeNetlink(entry)})`);
  const own = ownFileOf(context.tree, file.id);
  const type = own?.socket_type === SOCK.DGRAM ? SOCK.DGRAM : SOCK.RAW;
  const fd = p.call('socket', [AF.NETLINK, type | SOCK.CLOEXEC, entry.protocol], { remedy: { EPROTONOSUPPORT: 'This kernel was built without that protocol, or its module is not loaded' } });
  if (entry.portid !== 0) addBind(p, fd, entry, context);
  addGroups(p, fd, entry);
  if (entry.state === NETLINK_CONNECTED) {
    p.call('connect', [fd, address(p, entry.dst_portid, entry.dst_group === 0 ? 0 : 1 << (entry.dst_group - 1)), SOCKADDR_NL_SIZE], { keep: false, remedy: REMEDY });
  }
  addOptions(p, fd, entry.opts, own?.sockopts);
  addStatusFlags(p, fd, entry.flags);
  context.files.set(file.id, context.local.open(describeNetlink(entry), fd));
}

function addBind(p: Program, fd: Arg, entry: netlink_sk_entry, context: RestoreContext): void {
  const bound = p.call('bind', [fd, address(p, entry.portid, 0), SOCKADDR_NL_SIZE], { expect: { orErrno: ERRNO.EADDRINUSE }, remedy: REMEDY });
  const end = { at: 0 };
  p.jump(bound, Cond.GE, 0, () => end.at);
  p.call('bind', [fd, address(p, 0, 0), SOCKADDR_NL_SIZE], { keep: false, remedy: REMEDY });
  end.at = p.here;
  context.local.warnIfFailed(bound, `${describeNetlink(entry)}: its port is another socket's by now; it has got a new one`);
}

function addGroups(p: Program, fd: Arg, { groups }: netlink_sk_entry): void {
  groups.forEach((word, i) => {
    for (let bit = 0; bit < 32; bit++) {
      if ((word >>> bit & 1) === 0) continue;
      const group = Buffer.alloc(4);
      group.writeUInt32LE(i * 32 + bit + 1);
      p.call('setsockopt', [fd, SOL_NETLINK, NETLINK.ADD_MEMBERSHIP, p.data(group), 4], { keep: false, remedy: { ...REMEDY, EINVAL: 'This kernel does not know that group of the protocol' } });
    }
  });
}
