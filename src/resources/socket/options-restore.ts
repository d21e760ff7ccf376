/** Options of a socket (SOL_SOCKET), of any family. Set when its queue is filled: some of them would change what is queued. */
import type { sf_sockopt_entry, sk_opts_entry } from '../../image/schema/index.ts';
import { ERRNO } from '../../kernel/errno.ts';
import { SO, SOL_SOCKET } from '../../kernel/sockets.ts';
import type { Arg, Program } from '../../program/program.ts';

/** The kernel doubles what it is given. */
const LARGEST = 0x3fff_ffff;
/** What sets a size, and the bit of SO_BUF_LOCK that says that it was set. */
const SNDBUF = { force: SO.SNDBUFFORCE, plain: SO.SNDBUF, locked: 1 } as const, RCVBUF = { force: SO.RCVBUFFORCE, plain: SO.RCVBUF, locked: 2 } as const;

/** Lets a socket take whatever was queued, without waiting. `addOptions` sets the sizes that it had. */
export function addRoomForQueue(p: Program, fd: Arg): void {
  setBuffer(p, fd, SNDBUF, LARGEST);
  setBuffer(p, fd, RCVBUF, LARGEST);
}

/** With CAP_NET_ADMIN of any size; else as large as the system allows. */
function setBuffer(p: Program, fd: Arg, { force, plain }: typeof SNDBUF | typeof RCVBUF, size: number): void {
  const value = p.data(words(size));
  const forced = p.call('setsockopt', [fd, SOL_SOCKET, force, value, 4], { expect: { orErrno: ERRNO.EPERM } });
  const next = { at: 0 };
  p.jump(forced, 0, 0, () => next.at);
  p.call('setsockopt', [fd, SOL_SOCKET, plain, value, 4], { keep: false });
  next.at = p.here;
}

/** The sizes of its queues, and who may change them. */
export function addBuffers(p: Program, fd: Arg, { so_sndbuf, so_rcvbuf, so_buf_lock }: sk_opts_entry): void {
  setBuffer(p, fd, SNDBUF, so_sndbuf >>> 1);
  setBuffer(p, fd, RCVBUF, so_rcvbuf >>> 1);
  if (so_buf_lock !== undefined) p.call('setsockopt', [fd, SOL_SOCKET, SO.BUF_LOCK, p.data(words(so_buf_lock)), 4], { keep: false, remedy: REMEDY });
}

const REMEDY = { EPERM: 'It needs CAP_NET_ADMIN: run the restore as root' };

/** Those sizes that the program had set, of a socket that does not know SO_BUF_LOCK. */
function addBuffersSet(p: Program, fd: Arg, { so_sndbuf, so_rcvbuf, so_buf_lock = 0 }: sk_opts_entry): void {
  if ((so_buf_lock & SNDBUF.locked) !== 0) setBuffer(p, fd, SNDBUF, so_sndbuf >>> 1);
  if ((so_buf_lock & RCVBUF.locked) !== 0) setBuffer(p, fd, RCVBUF, so_rcvbuf >>> 1);
}

/** @param noLock it does not know SO_BUF_LOCK */
export function addOptions(p: Program, fd: Arg, opts: sk_opts_entry, own: readonly sf_sockopt_entry[] = [], { noLock = false } = {}): void {
  const set = (name: number, value: number): void => {
    p.call('setsockopt', [fd, SOL_SOCKET, name, p.data(words(value)), 4], { keep: false, remedy: REMEDY });
  };
  if (noLock) addBuffersSet(p, fd, opts);
  else addBuffers(p, fd, opts);
  if (opts.so_priority !== undefined) set(SO.PRIORITY, opts.so_priority);
  if (opts.so_rcvlowat !== undefined) set(SO.RCVLOWAT, opts.so_rcvlowat);
  if (opts.so_mark !== undefined) set(SO.MARK, opts.so_mark);
  for (const [name, on] of [
    [SO.PASSCRED, opts.so_passcred], [SO.PASSSEC, opts.so_passsec], [SO.DONTROUTE, opts.so_dontroute], [SO.NO_CHECK, opts.so_no_check],
    [SO.BROADCAST, opts.so_broadcast], [SO.OOBINLINE, opts.so_oobinline], [SO.KEEPALIVE, opts.so_keepalive],
  ] as const) {
    if (on === true || on === 1) set(name, 1);
  }
  if (opts.so_linger !== undefined) p.call('setsockopt', [fd, SOL_SOCKET, SO.LINGER, p.data(words(1, opts.so_linger)), 8], { keep: false });
  const times = [[SO.SNDTIMEO, opts.so_snd_tmo_sec, opts.so_snd_tmo_usec], [SO.RCVTIMEO, opts.so_rcv_tmo_sec, opts.so_rcv_tmo_usec]] as const;
  for (const [name, seconds, micro] of times) {
    if (seconds !== 0n || micro !== 0n) p.call('setsockopt', [fd, SOL_SOCKET, name, p.data(new Uint8Array(BigUint64Array.of(seconds, micro).buffer)), 16], { keep: false });
  }
  if (opts.so_bound_dev !== undefined) {
    p.call('setsockopt', [fd, SOL_SOCKET, SO.BINDTODEVICE, p.cstring(opts.so_bound_dev), opts.so_bound_dev.length + 1], { keep: false, remedy: { ENODEV: `There is no network device ${opts.so_bound_dev} here` } });
  }
  if (opts.so_filter.length > 0) addFilter(p, fd, opts.so_filter);
  for (const { level, name, value } of own) p.call('setsockopt', [fd, level, name, p.data(value), value.length], { keep: false });
}

function addFilter(p: Program, fd: Arg, filter: readonly bigint[]): void {
  const code = Buffer.alloc(filter.length * 8);
  filter.forEach((word, i) => {
    code.writeUInt16LE(Number(word >> 48n & 0xffffn), i * 8);
    code.writeUInt8(Number(word >> 40n & 0xffn), i * 8 + 2);
    code.writeUInt8(Number(word >> 32n & 0xffn), i * 8 + 3);
    code.writeUInt32LE(Number(word & 0xffff_ffffn), i * 8 + 4);
  });
  // struct sock_fprog: length, pointer
  const program = p.data(Buffer.concat([words(filter.length), Buffer.alloc(12)]));
  p.store(program.at(8), p.data(code));
  p.call('setsockopt', [fd, SOL_SOCKET, SO.ATTACH_FILTER, program, 16], { keep: false });
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => bytes.writeUInt32LE(value >>> 0, i * 4));
  return bytes;
}
