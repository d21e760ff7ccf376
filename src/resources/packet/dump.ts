/**
 * Packet sockets (AF_PACKET): what they listen to, options, memberships, fanout groups, rings. Packets in the queue of one without a ring are dropped, as
 * datagrams are; those in a ring are kept, for the program counts its frames.
 */
import type { DumpContext } from '../../dump/context.ts';
import { describeDescriptor, type FileKind, type OpenFile } from '../../dump/file-kinds.ts';
import { create } from '../../image/wire.ts';
import { fd_types, fown_entry, packet_mclist, packet_sock_entry, sf_packet_member_entry, sf_packet_sock_entry, sf_ring_part_entry, sf_sockopt_entry } from '../../image/schema/index.ts';
import { ownFile } from '../../image/tree-own.ts';
import { PACKET, PDI, SOCK_PACKET, SOL_PACKET } from '../../kernel/packet.ts';
import { AF, SO, SOL_SOCKET } from '../../kernel/sockets.ts';
import { EBPF_REFUSAL, readFilter } from '../socket/filter.ts';
import { askOptions, type SocketOptions } from '../socket/options-dump.ts';
import { LOCAL_OPTIONS, ownOptions, type OptionTableRow } from '../socket/own-options.ts';
import { describePacket, isProgrammed } from './describe.ts';
import { learnPackets, packetFacts, type PacketFacts } from './facts.ts';
import { learnRings, ringOf } from './memory-dump.ts';

const OPTIONS: readonly OptionTableRow[] = [
  { level: SOL_PACKET, names: [PACKET.TX_HAS_OFF, PACKET.QDISC_BYPASS, PACKET.IGNORE_OUTGOING, PACKET.VNET_HDR_SZ], has: ({ type }) => type !== SOCK_PACKET },
  { level: SOL_SOCKET, names: [SO.DEBUG, SO.WIFI_STATUS, SO.NOFCS, SO.INCOMING_CPU] },
  { level: SOL_SOCKET, names: [SO.TXTIME], size: 8 },
  ...LOCAL_OPTIONS,
];

interface Answers { readonly options: SocketOptions; readonly filter: readonly bigint[]; readonly own: readonly sf_sockopt_entry[] }
const answers = new WeakMap<OpenFile, Answers>();

const describe = ({ listed, device }: PacketFacts): string => describePacket(listed?.protocol ?? 0, device);

export const packetSockets: FileKind = {
  type: fd_types.PACKETSK,
  meet: learnPackets,
  claims: (descriptor, context) => packetFacts(descriptor, context) !== undefined,
  refuse(descriptor, context) {
    const facts = packetFacts(descriptor, context)!;
    const refusal = refuse(facts);
    return refusal === undefined ? undefined : { ...refusal, why: `${describe(facts)}: ${refusal.why}` };
  },
  collect: learnRings,
  ask(program, held, file, context) {
    const first = file.descriptors[0]!;
    const options = askOptions(program, held, AF.PACKET);
    const own = ownOptions(program, OPTIONS).ask(held, packetFacts(first, context)!);
    return (ran) => {
      const general = options(ran);
      answers.set(file, { options: general, filter: readFilter(first, general.filterLength, context), own: [...general.own, ...own(ran)] });
    };
  },
  entry: (file, context) => ({ psk: packetEntry(file, context) }),
};

function refuse(facts: PacketFacts): { readonly why: string; readonly remedy?: string } | undefined {
  if (facts.foreign) return { why: 'it is of another network namespace than the tree', remedy: 'Let the program close it first' };
  if (facts.listed === undefined) return { why: 'the kernel does not list it', remedy: 'Let the program close it first' };
  if (facts.listed.index < 0) return { why: 'the device that it was bound to is gone', remedy: 'Let the program close it first: nothing comes from it any more' };
  if (facts.ebpf) return EBPF_REFUSAL;
  if (isProgrammed(facts.fanout)) return { why: 'its group shares packets out by a BPF program (PACKET_FANOUT_DATA), which cannot be read back', remedy: 'Let the program use another kind of group, as PACKET_FANOUT_HASH' };
  return undefined;
}

function packetEntry(file: OpenFile, context: DumpContext): packet_sock_entry {
  const first = file.descriptors[0]!;
  const facts = packetFacts(first, context)!;
  const { options, filter, own } = answers.get(file)!;
  const { listed, members, device, fanout } = facts;
  const { protocol, index, version, reserve, timestamp, copyThreshold, flags, rx, tx } = listed!;
  if (facts.waiting > 0) context.log.warn(describeDescriptor(first), `${describe(facts)}: packets that wait to be read are not in the images and will be dropped (they take ${facts.waiting} bytes of memory)`);
  const received = ringOf(file);
  if ((received?.unfinished ?? 0) > 0) context.log.warn(describeDescriptor(first), `${describe(facts)}: ${received!.unfinished} packets in the block of its ring that is being filled will be dropped`);
  if (own.length > 0) ownFile(context.tree, file.id).sockopts.push(...own);
  if (device !== undefined || members.length > 0 || received !== undefined) {
    ownFile(context.tree, file.id).packet = create(sf_packet_sock_entry, {
      ...(device === undefined ? {} : { device }),
      members: members.map((member) => create(sf_packet_member_entry, { count: member.count, ...(member.device === undefined ? {} : { device: member.device }) })),
      ...(received === undefined ? {} : { next: received.next }),
      waiting: received?.waiting.map(({ index: part, data }) => create(sf_ring_part_entry, { index: part, data: Uint8Array.from(data) })) ?? [],
    });
  }
  return create(packet_sock_entry, {
    id: file.id, type: facts.type, protocol, flags: first.info.flags, ifindex: index, fown: create(fown_entry, file.owner), opts: { ...options.opts, so_filter: [...filter] },
    version, reserve, timestamp, copy_thresh: copyThreshold, aux_data: (flags & PDI.AUXDATA) !== 0, orig_dev: (flags & PDI.ORIGDEV) !== 0, vnet_hdr: (flags & PDI.VNETHDR) !== 0, loss: (flags & PDI.LOSS) !== 0,
    mclist: members.map((member) => create(packet_mclist, { index: member.index, type: member.type, addr: Uint8Array.from(member.address) })),
    ...(fanout === undefined ? {} : { fanout }), ...(rx === undefined ? {} : { rx_ring: rx }), ...(tx === undefined ? {} : { tx_ring: tx }),
    ns_id: context.tree.inventory.root_ids?.net_ns_id ?? 0,
  });
}
