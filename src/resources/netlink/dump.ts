/**
 * Netlink sockets: protocol, port, groups, peer, options. What waits in one is the kernel's answer or notice about a machine that will be
 * another one by then: such a socket is refused, and a moment later it is read.
 */
import type { DumpContext } from '../../dump/context.ts';
import type { FileKind, OpenFile } from '../../dump/file-kinds.ts';
import { create } from '../../image/wire.ts';
import { fd_types, fown_entry, netlink_sk_entry, sf_sockopt_entry } from '../../image/schema/index.ts';
import { ownFile } from '../../image/tree-own.ts';
import { NETLINK, NETLINK_CONNECTED, NETLINK_PROTOCOL, SOL_NETLINK } from '../../kernel/netlink.ts';
import { AF, SOCK } from '../../kernel/sockets.ts';
import { tryReadProcText } from '../../proc/read.ts';
import { EBPF_REFUSAL, readFilter } from '../socket/filter.ts';
import { askOptions, type SocketOptions } from '../socket/options-dump.ts';
import { LOCAL_OPTIONS, ownOptions, type OptionTableRow } from '../socket/own-options.ts';
import { learnNetlink, netlinkFacts, type NetlinkFacts } from './facts.ts';

const OPTIONS: readonly OptionTableRow[] = [
  ...LOCAL_OPTIONS,
  { level: SOL_NETLINK, names: [NETLINK.PKTINFO, NETLINK.BROADCAST_ERROR, NETLINK.NO_ENOBUFS, NETLINK.CAP_ACK, NETLINK.EXT_ACK, NETLINK.GET_STRICT_CHK] },
];

interface Answers { readonly options: SocketOptions; readonly filter: readonly bigint[]; readonly own: readonly sf_sockopt_entry[] }
const answers = new WeakMap<OpenFile, Answers>();

export const netlinkSockets: FileKind = {
  type: fd_types.NETLINKSK,
  meet: learnNetlink,
  claims: (descriptor, context) => netlinkFacts(descriptor, context) !== undefined,
  refuse(descriptor, context) {
    const facts = netlinkFacts(descriptor, context)!;
    const refusal = refuse(facts);
    return refusal === undefined ? undefined : { ...refusal, why: `netlink socket of protocol ${facts.protocol}, port ${facts.port}: ${refusal.why}` };
  },
  ask(program, held, file, context) {
    const first = file.descriptors[0]!;
    const options = askOptions(program, held, AF.NETLINK);
    const own = ownOptions(program, OPTIONS).ask(held, netlinkFacts(first, context)!);
    return (ran) => {
      const general = options(ran);
      answers.set(file, { options: general, filter: readFilter(first, general.filterLength, context), own: [...general.own, ...own(ran)] });
    };
  },
  entry: (file, context) => ({ nlsk: netlinkEntry(file, context) }),
};

function refuse(facts: NetlinkFacts): { readonly why: string; readonly remedy?: string } | undefined {
  if (facts.foreign) return { why: 'it is of another network namespace than the tree', remedy: 'Let the program close it first' };
  if (facts.waiting > 0) return { why: 'messages wait in it to be read, which are about this machine as it is now', remedy: 'Let the program read them first: try again a moment later' };
  if (facts.answering) return { why: 'the kernel is in the middle of an answer to it', remedy: 'Let the program read it first: try again a moment later' };
  if (facts.ebpf) return EBPF_REFUSAL;
  if (facts.protocol === NETLINK_PROTOCOL.NETFILTER) {
    for (const table of ['nfnetlink_queue', 'nfnetlink_log']) {
      const number = served(table, facts.port);
      if (number !== undefined) return { why: `it serves packets of netfilter (${table} ${number}), which would be lost`, remedy: 'Let the program unbind from it first' };
    }
  }
  return undefined;
}

/** The queue or log group that a port serves: the first and second field of these tables. */
function served(table: string, port: number): string | undefined {
  const rows = (tryReadProcText(`/proc/self/net/netfilter/${table}`) ?? '').split('\n').map((line) => line.trim().split(/\s+/u));
  return rows.find(([, peer]) => peer !== undefined && Number(peer) >>> 0 === port)?.[0];
}

function netlinkEntry(file: OpenFile, context: DumpContext): netlink_sk_entry {
  const first = file.descriptors[0]!;
  const facts = netlinkFacts(first, context)!;
  const { options, filter, own } = answers.get(file)!;
  if (own.length > 0) ownFile(context.tree, file.id).sockopts.push(...own);
  // it can be told but not asked
  if (facts.allNamespaces) ownFile(context.tree, file.id).sockopts.push(create(sf_sockopt_entry, { level: SOL_NETLINK, name: NETLINK.LISTEN_ALL_NSID, value: Uint8Array.of(1, 0, 0, 0) }));
  if (facts.type !== SOCK.RAW) ownFile(context.tree, file.id).socket_type = facts.type;
  return create(netlink_sk_entry, {
    id: file.id, ino: facts.inode, protocol: facts.protocol, state: facts.connected ? NETLINK_CONNECTED : 0, flags: first.info.flags, portid: facts.port,
    groups: [...facts.groups], dst_portid: facts.peerPort, dst_group: facts.peerGroup, fown: create(fown_entry, file.owner),
    opts: { ...options.opts, so_filter: [...filter] }, ns_id: context.tree.inventory.root_ids?.net_ns_id ?? 0,
  });
}
