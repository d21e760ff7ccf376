/** Packet sockets. Each is made deaf (of no protocol) and told what to listen to when all else is set; the program's numbers in its ring go on (./ring-restore.ts). */
import { fd_types, type file_entry, type packet_ring, type packet_sock_entry, type sf_packet_sock_entry, type vma_entry } from '../../image/schema/index.ts';
import { ownFileOf } from '../../image/tree-own.ts';
import { IFNAMSIZ, SIOCGIFNAME } from '../../kernel/inet.ts';
import { FANOUT, MAX_ADDR_LEN, PACKET, RING_REQUEST_SIZE, SOCKADDR_LL_SIZE, SOCKADDR_PKT_NAME, SOCKADDR_PKT_SIZE, SOCK_PACKET, SOL_PACKET, TPACKET } from '../../kernel/packet.ts';
import { AF, SOCK } from '../../kernel/sockets.ts';
import { addLoop } from '../../program/loop.ts';
import type { Arg, DataRef, Program } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import { referenced } from '../../restore/descriptors.ts';
import type { HelperFd } from '../../restore/helper-fd.ts';
import type { FileKind } from '../../restore/kinds.ts';
import { addStatusFlags } from '../../restore/status-flags.ts';
import { addOptions } from '../socket/options-restore.ts';
import { describePacket, fanoutType, isProgrammed } from './describe.ts';
import { memoryBytes, partBytes, partsOf } from './ring.ts';
import { addDeaf, addHearing, addReceived } from './ring-restore.ts';
import { addDeviceIndex, ifreq } from '../socket/device.ts';

const DAMAGED = 'The image is damaged: take another';
const REMEDY = { EPERM: 'It needs CAP_NET_RAW: run the restore as root', ENOPROTOOPT: 'This kernel is older than the one of the dump' };
/** More memory than a ring can have that is worth believing. */
const MOST_BYTES = 2 ** 31;

export const packetSockets: FileKind = {
  types: [fd_types.PACKETSK],
  describe: ({ id, psk }, tree) => (psk === undefined ? `packet socket ${id}` : describePacket(psk.protocol, ownFileOf(tree, id)?.packet?.device)),
  check(files, context) { for (const file of files) check(file, context); },
  open(files, context) { for (const file of files) if (file.psk !== undefined) open(file, file.psk, context); },
};

function check({ id, psk }: file_entry, context: RestoreContext): void {
  if (psk === undefined) {
    context.refuse(`file ${id}`, 'its record in files.img has no packet socket in it', DAMAGED);
    return;
  }
  const own = ownFileOf(context.tree, id)?.packet;
  const where = `file ${id} (${describePacket(psk.protocol, own?.device)})`;
  const { type, version, rx_ring: rx, tx_ring: tx, mclist, fanout, protocol } = psk;
  if (type !== SOCK.RAW && type !== SOCK.DGRAM && type !== SOCK_PACKET) context.refuse(where, `its type ${type} is not one of raw, dgram and packet`, DAMAGED);
  if (protocol > 0xffff) context.refuse(where, `there is no protocol ${protocol}`, DAMAGED);
  if (version > TPACKET.V3) context.refuse(where, `its rings are of version ${version}, which is not known`, DAMAGED);
  for (const ring of [rx, tx]) if (ring !== undefined && !isRing(ring)) context.refuse(where, 'one of its rings has a shape that no ring can have', DAMAGED);
  if (mclist.some(({ addr }) => addr.length > MAX_ADDR_LEN)) context.refuse(where, 'one of its memberships has an address that is too long', DAMAGED);
  if ([own?.device ?? '', ...own?.members.map(({ device = '' }) => device) ?? []].some((name) => name.length >= IFNAMSIZ)) context.refuse(where, 'one of its devices has a name that is too long', DAMAGED);
  if (own !== undefined && own.members.length !== mclist.length) context.refuse(where, 'stillframe.img has other memberships of it than files.img', DAMAGED);
  if (own?.members.some(({ count }) => count > 0xffff) === true) context.refuse(where, 'it has asked for a membership more than 65,535 times', DAMAGED);
  if (fanout !== undefined && isProgrammed(fanout)) context.refuse(where, `its group shares packets out by a BPF program (${fanoutType(fanout) === FANOUT.CBPF ? 'classic' : 'eBPF'}), which is not in the images`, 'Dump it without');
  if (own !== undefined && rx !== undefined && isRing(rx)) checkReceived(own, rx, version, where, context);
}

const isRing = ({ block_size, block_nr, frame_size, frame_nr }: packet_ring): boolean =>
  block_size > 0 && block_nr > 0 && frame_size > 0 && frame_size <= block_size && block_size * block_nr <= MOST_BYTES && Math.floor(block_size / frame_size) * block_nr === frame_nr;

function checkReceived({ next, waiting }: sf_packet_sock_entry, ring: packet_ring, version: number, where: string, context: RestoreContext): void {
  const parts = partsOf(version, ring);
  const wrong = (next ?? 0) >= parts || waiting.some(({ index, data }) => index >= parts || data.length > partBytes(version, ring));
  if (wrong) context.refuse(where, 'stillframe.img names frames that its ring does not have', DAMAGED);
}

/** The socket whose rings a mapping is. */
export function socketOfMemory(context: RestoreContext, { shmid }: vma_entry): HelperFd | undefined {
  return context.files.get(Number(shmid));
}

/** What speaks against making a mapping of rings. @param where names it */
export function checkSocketMemory(context: RestoreContext, vma: vma_entry, where: string): void {
  const psk = context.tree.files.get(Number(vma.shmid))?.psk;
  if (psk === undefined) context.refuse(where, `the packet socket it is of (${vma.shmid}) is not in files.img`, DAMAGED);
  else if (!referenced(context).has(psk.id)) context.refuse(where, `the packet socket it is of (${vma.shmid}) is open nowhere`, DAMAGED);
  else if (vma.pgoff !== 0n || vma.end - vma.start !== BigInt(memoryBytes(psk))) context.refuse(where, 'it has another size than the rings of its packet socket', DAMAGED);
}

function open(file: file_entry, entry: packet_sock_entry, context: RestoreContext): void {
  const own = ownFileOf(context.tree, file.id);
  const name = describePacket(entry.protocol, own?.packet?.device);
  const p = context.local.program.resource(`file ${file.id} (${name})`);
  const old = entry.type === SOCK_PACKET;
  const fd = p.call('socket', [AF.PACKET, entry.type | SOCK.CLOEXEC, old ? entry.protocol : 0], { remedy: { ...REMEDY, EAFNOSUPPORT: 'This kernel was built without packet sockets (CONFIG_PACKET)' } });
  const general = own?.sockopts.filter(({ level }) => level !== SOL_PACKET);
  if (old) {
    addOptions(p, fd, entry.opts, general);
    if (entry.ifindex !== 0 || own?.packet?.device !== undefined) addOldBind(p, fd, entry.ifindex, own?.packet?.device);
  } else {
    addPacketOptions(p, fd, entry);
    for (const { level, name: option, value } of own?.sockopts.filter((one) => one.level === SOL_PACKET) ?? []) p.call('setsockopt', [fd, level, option, p.data(value), value.length], { keep: false, remedy: REMEDY });
    if (entry.rx_ring !== undefined) addRing(p, fd, PACKET.RX_RING, entry.rx_ring);
    if (entry.tx_ring !== undefined) addRing(p, fd, PACKET.TX_RING, entry.tx_ring);
    addDeaf(p, fd);
    const { rx_ring: rx } = entry;
    if (rx !== undefined && own?.packet !== undefined) addReceived(p, fd, entry, { ...own.packet, rx }, (q) => addBind(q, fd, entry, own.packet?.device));
    entry.mclist.forEach((member, i) => {
      const { count = 1, device } = own?.packet?.members[i] ?? {};
      addMembership(p, fd, member, device, count);
    });
    addBind(p, fd, entry, own?.packet?.device);
    if (entry.fanout !== undefined) set(p, fd, PACKET.FANOUT, entry.fanout);
    if (entry.opts.so_filter.length === 0) addHearing(p, fd);
    addOptions(p, fd, entry.opts, general);
  }
  addStatusFlags(p, fd, entry.flags);
  context.files.set(file.id, context.local.open(name, fd));
}

function set(p: Program, fd: Arg, name: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0, 0);
  p.call('setsockopt', [fd, SOL_PACKET, name, p.data(bytes, 4), 4], { keep: false, remedy: REMEDY });
}

function addPacketOptions(p: Program, fd: Arg, entry: packet_sock_entry): void {
  set(p, fd, PACKET.VERSION, entry.version);
  set(p, fd, PACKET.RESERVE, entry.reserve);
  if (entry.timestamp !== 0) set(p, fd, PACKET.TIMESTAMP, entry.timestamp);
  if (entry.copy_thresh !== 0) set(p, fd, PACKET.COPY_THRESH, entry.copy_thresh);
  for (const [name, on] of [[PACKET.AUXDATA, entry.aux_data], [PACKET.ORIGDEV, entry.orig_dev], [PACKET.VNET_HDR, entry.vnet_hdr], [PACKET.LOSS, entry.loss]] as const) if (on) set(p, fd, name, 1);
}

function addRing(p: Program, fd: Arg, name: number, ring: packet_ring): void {
  const request = Buffer.alloc(RING_REQUEST_SIZE);
  [ring.block_size, ring.block_nr, ring.frame_size, ring.frame_nr, ring.retire_tmo, ring.sizeof_priv, ring.features].forEach((word, i) => request.writeUInt32LE(word, i * 4));
  p.call('setsockopt', [fd, SOL_PACKET, name, p.data(request, 8), RING_REQUEST_SIZE], {
    keep: false, remedy: { ...REMEDY, ENOMEM: 'There is not enough memory for its ring', EINVAL: 'This kernel takes no ring of that shape' },
  });
}

/** Puts the number of a device into `at`: of that name here, or as it was where no name is known. */
function addIndex(p: Program, fd: Arg, at: DataRef, index: number, device: string | undefined): void {
  if (device === undefined) p.store(at, index, 4);
  else addDeviceIndex(p, fd, at, device);
}

function addBind(p: Program, fd: Arg, { protocol, ifindex }: packet_sock_entry, device: string | undefined): void {
  if (protocol === 0 && ifindex === 0) return;
  const address = Buffer.alloc(SOCKADDR_LL_SIZE);
  address.writeUInt16LE(AF.PACKET, 0);
  address.writeUInt16LE(protocol, 2);
  const place = p.data(address, 8);
  addIndex(p, fd, place.at(4), ifindex, device);
  p.call('bind', [fd, place, SOCKADDR_LL_SIZE], { keep: false, remedy: { ENODEV: `There is no network device of number ${ifindex} here` } });
}

/** struct sockaddr_pkt: family, name of the device, protocol. */
function addOldBind(p: Program, fd: Arg, index: number, device: string | undefined): void {
  const address = Buffer.alloc(SOCKADDR_PKT_SIZE);
  address.writeUInt16LE(AF.PACKET, 0);
  const place = p.data(address, 8);
  const request = ifreq(device ?? '');
  request.writeUInt32LE(index >>> 0, IFNAMSIZ);
  const named = p.data(request, 8);
  if (device === undefined) p.call('ioctl', [fd, SIOCGIFNAME, named], { keep: false, remedy: { ENODEV: `There is no network device of number ${index} here` } });
  for (const [at, width] of [[0, 8], [8, 4], [12, 1]] as const) p.store(place.at(2 + at), p.load(named.at(at), width), width);
  p.call('bind', [fd, place, 2 + SOCKADDR_PKT_NAME], { keep: false, remedy: { ENODEV: `There is no network device ${device ?? `of number ${index}`} here: make it first`, EINVAL: `There is no network device ${device ?? `of number ${index}`} here` } });
}

/** struct packet_mreq: device, type, length of the address, address. */
function addMembership(p: Program, fd: Arg, { index, type, addr }: packet_sock_entry['mclist'][number], device: string | undefined, count: number): void {
  const request = Buffer.alloc(8 + MAX_ADDR_LEN);
  request.writeUInt16LE(type, 4);
  request.writeUInt16LE(addr.length, 6);
  request.set(addr, 8);
  const place = p.data(request, 8);
  addIndex(p, fd, place, index, device);
  addLoop(p, count, () => void p.call('setsockopt', [fd, SOL_PACKET, PACKET.ADD_MEMBERSHIP, place, request.length], { keep: false, remedy: { ENODEV: `There is no network device of number ${index} here`, EINVAL: 'Its device has shorter addresses here: it is another kind of device' } }));
}
