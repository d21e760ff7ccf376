/** What the kernel's list of unix sockets says (unix_diag), for all sockets of our network namespace. */
import { AF, SOCK, SK_STATE, UDIAG_SHOW, UNIX_DIAG } from '../../kernel/sockets.ts';
import type { DumpContext } from '../../dump/context.ts';
import { attributesOf, sockDiag } from '../socket/diag.ts';

export interface UnixSocket {
  readonly inode: number;
  /** SOCK_* */
  readonly type: number;
  /** SK_STATE */
  readonly state: number;
  /** Inode; 0: none, or one that nobody has open. */
  readonly peer: number;
  /** It has a peer, though one that nobody has open. */
  readonly orphan: boolean;
  /** sun_path: empty when unnamed; an abstract name begins with a zero byte. */
  readonly name: Uint8Array;
  /** Bytes waiting to be read: of the whole queue, of a datagram socket of its first message; of a listening one how many wait to be accepted. */
  readonly received: number;
  /** Bytes it has sent that were not read; of a listening one its backlog. */
  readonly sent: number;
  /** Bits: 1 receiving, 2 sending. */
  readonly shutdown: number;
  /** Of a listening one: inodes of who waits to be accepted, 0 for who has closed meanwhile. */
  readonly pending: readonly number[];
}

const tables = new WeakMap<DumpContext, ReadonlyMap<number, UnixSocket>>();

/** By inode; asked for once a dump. */
export function unixSockets(context: DumpContext): ReadonlyMap<number, UnixSocket> {
  let table = tables.get(context);
  if (table === undefined) tables.set(context, table = readTable(context));
  return table;
}

function readTable({ helper }: DumpContext): ReadonlyMap<number, UnixSocket> {
  // struct unix_diag_req: family, protocol, padding, states, inode, what to show, cookie
  const request = Buffer.alloc(24);
  request.writeUInt8(AF.UNIX, 0);
  request.writeUInt32LE(0xffff_ffff, 4);
  request.writeUInt32LE(UDIAG_SHOW.NAME | UDIAG_SHOW.VFS | UDIAG_SHOW.PEER | UDIAG_SHOW.ICONS | UDIAG_SHOW.RQLEN, 12);
  const table = new Map<number, UnixSocket>();
  for (const body of sockDiag(helper, 'unix', request)) {
    const inode = body.readUInt32LE(4);
    if (inode !== 0) table.set(inode, parseSocket(inode, body));
  }
  return table;
}

/** struct unix_diag_msg: family, type, state, padding, inode, cookie; attributes follow. */
function parseSocket(inode: number, body: Buffer): UnixSocket {
  const found = attributesOf(body.subarray(16));
  const word = (type: number, at = 0): number => {
    const bytes = found.get(type);
    return bytes === undefined || bytes.length < at + 4 ? 0 : bytes.readUInt32LE(at);
  };
  const pending = found.get(UNIX_DIAG.ICONS);
  return {
    inode, type: body.readUInt8(1), state: body.readUInt8(2), peer: word(UNIX_DIAG.PEER), orphan: found.has(UNIX_DIAG.PEER) && word(UNIX_DIAG.PEER) === 0, name: Uint8Array.from(found.get(UNIX_DIAG.NAME) ?? []),
    received: word(UNIX_DIAG.RQLEN), sent: word(UNIX_DIAG.RQLEN, 4), shutdown: found.get(UNIX_DIAG.SHUTDOWN)?.[0] ?? 0,
    pending: pending === undefined ? [] : Array.from({ length: pending.length / 4 }, (_, i) => pending.readUInt32LE(i * 4)),
  };
}

export const isPath = ({ name }: Pick<UnixSocket, 'name'>): boolean => name.length > 0 && name[0] !== 0;

const TYPE_NAMES: Readonly<Record<number, string>> = { [SOCK.STREAM]: 'stream', [SOCK.DGRAM]: 'datagram', [SOCK.SEQPACKET]: 'seqpacket' };
export const typeName = (type: number): string => TYPE_NAMES[type] ?? `type ${type}`;

/** As a person names it: `/run/x.sock`, `@abstract`, `unnamed`. */
export function displayName(name: Uint8Array): string {
  if (name.length === 0) return 'unnamed';
  const text = Buffer.from(name).toString('latin1').replace(/\0+$/u, '');
  return text.startsWith('\0') ? `@${text.slice(1).replaceAll('\0', '@')}` : text.replace(/\0.*$/su, '');
}

export const isListening = ({ state }: Pick<UnixSocket, 'state'>): boolean => state === SK_STATE.LISTEN;
