/** Descriptors of /dev/net/tun: opened by name, and attached to the device of that name, which has to be there. */
import { fd_types, type file_entry, type reg_file_entry, type sf_tun_entry, type tunfile_entry } from '../../image/schema/index.ts';
import { ownFileOf } from '../../image/tree-own.ts';
import { fileOf, type FrozenTree } from '../../image/tree.ts';
import { IFNAMSIZ, SIOCGIFINDEX } from '../../kernel/inet.ts';
import { AF, SOCK } from '../../kernel/sockets.ts';
import { IFF, TUN } from '../../kernel/tun.ts';
import type { Arg, Program } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import type { FileKind } from '../../restore/kinds.ts';
import { checkExternal, openReg } from '../regular/restore.ts';
import { ifreq } from '../socket/device.ts';

const DAMAGED = 'The image is damaged: take another';
/** Flags that a device is attached with. */
const KNOWN = IFF.TUN | IFF.TAP | IFF.NAPI | IFF.NAPI_FRAGS | IFF.MULTI_QUEUE | IFF.VNET_HDR | IFF.NO_PI;

const regOf = (tree: FrozenTree, id: number): reg_file_entry | undefined => fileOf(tree, fd_types.REG, id)?.reg;

function describe({ id, tunf }: file_entry, tree: FrozenTree): string {
  return `${regOf(tree, id)?.name ?? `tun file ${id}`}${tunf?.netdev === undefined ? '' : `, network device ${tunf.netdev}`}`;
}

export const tunFiles: FileKind = {
  types: [fd_types.TUNF],
  describe,
  check(files, context) { for (const file of files) check(file, context); },
  open(files, context) { for (const file of files) open(file, context); },
};

function check(file: file_entry, context: RestoreContext): void {
  const { id, tunf } = file;
  const where = `file ${id} (${describe(file, context.tree)})`;
  const reg = regOf(context.tree, id);
  if (tunf === undefined || reg === undefined) {
    context.refuse(where, 'its records in files.img have no tun file, or no name, in them', DAMAGED);
    return;
  }
  checkExternal(context, reg);
  if (tunf.netdev === undefined) return;
  const own = ownFileOf(context.tree, id)?.tun;
  if (tunf.netdev.length === 0 || tunf.netdev.length >= IFNAMSIZ) context.refuse(where, 'its device has no name, or one that is too long', DAMAGED);
  if (own === undefined) context.refuse(where, 'how packets of its device look is not in stillframe.img: criu keeps it with the network namespace', 'Dump it with stillframe');
  else if ((own.flags & ~KNOWN) !== 0 || (own.flags & (IFF.TUN | IFF.TAP)) === 0) context.refuse(where, `its flags 0x${own.flags.toString(16)} are not those of a tun device`, DAMAGED);
}

function open(file: file_entry, context: RestoreContext): void {
  const { id, tunf } = file;
  const reg = regOf(context.tree, id);
  if (tunf === undefined || reg === undefined) return;
  const name = `file ${id} (${describe(file, context.tree)})`;
  const fd = openReg(context, reg, reg.flags, name);
  context.files.set(id, fd);
  const own = ownFileOf(context.tree, id)?.tun;
  if (tunf.netdev !== undefined && own !== undefined) attach(context.local.program.resource(name), fd.ref, tunf, own);
}

const withFlags = (name: string, flags: number): Buffer => {
  const request = ifreq(name);
  request.writeUInt16LE(flags, IFNAMSIZ);
  return request;
};

function attach(p: Program, fd: Arg, { netdev = '', detached }: tunfile_entry, { flags, sndbuf, header, little_endian, big_endian }: sf_tun_entry): void {
  const mode = (flags & IFF.TAP) !== 0 ? 'tap' : 'tun';
  const words = [...((flags & IFF.NO_PI) === 0 ? ['pi'] : []), ...((flags & IFF.VNET_HDR) === 0 ? [] : ['vnet_hdr']), ...((flags & IFF.MULTI_QUEUE) === 0 ? [] : ['multi_queue'])].map((word) => ` ${word}`).join('');
  // to be attached to a device that is not there would make one
  const socket = p.call('socket', [AF.UNIX, SOCK.DGRAM | SOCK.CLOEXEC, 0]);
  p.call('ioctl', [socket, SIOCGIFINDEX, p.data(ifreq(netdev), 8)], { keep: false, remedy: { ENODEV: `There is no network device ${netdev} here: make it first (ip tuntap add dev ${netdev} mode ${mode}${words}), with its addresses and routes` } });
  p.call('close', [socket], { keep: false });
  p.call('ioctl', [fd, TUN.SETIFF, p.data(withFlags(netdev, flags), 8)], {
    keep: false,
    remedy: { EBUSY: `Another process has network device ${netdev} open: end it first`, EINVAL: `Network device ${netdev} is another kind of device here: it has to be made by ip tuntap add dev ${netdev} mode ${mode}${words}`, EPERM: 'It needs CAP_NET_ADMIN: run the restore as root' },
  });
  const set = (name: number, value: number): void => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value | 0, 0);
    p.call('ioctl', [fd, name, p.data(bytes, 4)], { keep: false });
  };
  set(TUN.SETSNDBUF, sndbuf);
  set(TUN.SETVNETHDRSZ, header);
  if (little_endian === true) set(TUN.SETVNETLE, 1);
  if (big_endian === true) set(TUN.SETVNETBE, 1);
  if (detached === true) p.call('ioctl', [fd, TUN.SETQUEUE, p.data(withFlags(netdev, IFF.DETACH_QUEUE), 8)], { keep: false });
}
