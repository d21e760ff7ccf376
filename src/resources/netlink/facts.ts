/** What the kernel says of netlink sockets: address, groups, peer, what waits. Looks only. */
import type { DumpContext } from '../../dump/context.ts';
import type { Descriptor } from '../../dump/file-kinds.ts';
import { NDIAG, NDIAG_FLAG, NETLINK, NETLINK_CONNECTED, SOCKADDR_NL_SIZE, SOL_NETLINK } from '../../kernel/netlink.ts';
import { AF, SK_MEMINFO_SIZE, SO_MEMINFO, SOL_SOCKET } from '../../kernel/sockets.ts';
import { Program, type RanBlock, type ResultRef } from '../../program/program.ts';
import { attributesOf, sockDiag } from '../socket/diag.ts';
import { addWithSockets, answerOf, askOption, socketFacts, type SocketFacts } from '../socket/facts.ts';
import { KnownSockets } from '../socket/known.ts';
import { askEbpf } from '../socket/filter.ts';

export interface NetlinkFacts extends SocketFacts {
  readonly inode: number;
  /** 0: not bound. */
  readonly port: number;
  /** Bits of its groups, 32 a word, without empty words at the end. */
  readonly groups: readonly number[];
  readonly connected: boolean;
  readonly peerPort: number;
  /** Number of its peer's group, 0: none. */
  readonly peerGroup: number;
  /** Bytes of memory that messages which wait to be read take. */
  readonly waiting: number;
  /** An answer of the kernel is still being made. */
  readonly answering: boolean;
  readonly allNamespaces: boolean;
  readonly ebpf: boolean;
}

const facts = new KnownSockets<NetlinkFacts>();

export const netlinkFacts = (descriptor: Descriptor, context: DumpContext): NetlinkFacts | undefined => facts.of(descriptor, context);

/** Room for the bits of all groups that any protocol has. */
const GROUPS_SIZE = 256;

/** Looks at netlink sockets not looked at before. */
export function learnNetlink(descriptors: readonly Descriptor[], context: DumpContext): void {
  const fresh = facts.unseen(descriptors, context, (one) => socketFacts(one, context)?.family === AF.NETLINK);
  if (fresh.length === 0) return;
  const program = new Program('helper');
  const answers = addWithSockets(program, fresh.map(([, one]) => one), (held) => ask(program, held));
  const ran = context.helper.local(program).check('dump');
  const bound = readTable(context);
  fresh.forEach(([inode, descriptor], i) => {
    facts.learn(inode, { ...socketFacts(descriptor, context)!, inode, ...NOT_BOUND, ...bound.get(inode), ...answers[i]!(ran) }, context);
  });
}

type Bound = Pick<NetlinkFacts, 'connected' | 'peerPort' | 'peerGroup' | 'answering' | 'allNamespaces'>;
const NOT_BOUND: Bound = { connected: false, peerPort: 0, peerGroup: 0, answering: false, allNamespaces: false };

function ask(program: Program, held: ResultRef): (ran: RanBlock) => Pick<NetlinkFacts, 'port' | 'groups' | 'waiting' | 'ebpf'> {
  const name = program.reserve(SOCKADDR_NL_SIZE);
  program.call('getsockname', [held, name, program.data(Uint8Array.of(SOCKADDR_NL_SIZE, 0, 0, 0))], { keep: false });
  const groups = askOption(program, held, SOL_NETLINK, NETLINK.LIST_MEMBERSHIPS, GROUPS_SIZE);
  const memory = askOption(program, held, SOL_SOCKET, SO_MEMINFO, SK_MEMINFO_SIZE);
  const ebpf = askEbpf(program, held);
  return (ran) => {
    const bits = answerOf(ran, groups) ?? Buffer.alloc(0);
    const words = Array.from({ length: bits.length >> 2 }, (_, i) => bits.readUInt32LE(i * 4));
    while (words.at(-1) === 0) words.pop();
    return { port: ran.data(name).readUInt32LE(4), groups: words, waiting: answerOf(ran, memory)?.readUInt32LE(0) ?? 0, ebpf: ebpf(ran) };
  };
}

/** Of those that are bound or in a group, by inode: the kernel lists no others. */
function readTable({ helper }: DumpContext): ReadonlyMap<number, Bound> {
  // struct netlink_diag_req: family, protocol, padding, inode, what to show, cookie
  const request = Buffer.alloc(20);
  request.writeUInt8(AF.NETLINK, 0);
  request.writeUInt8(NDIAG.ALL, 1);
  request.writeUInt32LE(NDIAG.SHOW_FLAGS, 8);
  return new Map(sockDiag(helper, 'netlink', request).map((body) => {
    // struct netlink_diag_msg: family, type, protocol, state, port, peer's port, peer's group, inode, cookie; attributes follow
    const flags = attributesOf(body.subarray(NDIAG.MESSAGE_SIZE)).get(NDIAG.FLAGS)?.readUInt32LE(0) ?? 0;
    return [body.readUInt32LE(16), {
      connected: body[3] === NETLINK_CONNECTED, peerPort: body.readUInt32LE(8), peerGroup: body.readUInt32LE(12),
      answering: (flags & NDIAG_FLAG.CB_RUNNING) !== 0, allNamespaces: (flags & NDIAG_FLAG.LISTEN_ALL_NSID) !== 0,
    }];
  }));
}
