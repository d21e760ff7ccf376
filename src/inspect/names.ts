/** Names of numbers that images hold, as people know them. Each table names its kernel header. An unknown number is shown as a number. */

const named = (table: Readonly<Record<number, string>>) => (value: number): string => table[value] ?? String(value);

/** asm-generic/signal.h, real-time ones counted as the C library counts, from 34 (all of CRIU's architectures but mips use these numbers). */
const SIGNALS = ('HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS')
  .split(' ');
export const signalName = (signal: number): string =>
  signal >= 1 && signal <= 31 ? `SIG${SIGNALS[signal - 1]}` : signal >= 34 && signal <= 64 ? `SIGRTMIN+${signal - 34}` : signal === 32 || signal === 33 ? `SIG${signal}` : String(signal);

/** A 64-bit mask of blocked, pending or wanted signals: bit 0 is signal 1. */
export function signalSet(mask: bigint): string[] {
  const names: string[] = [];
  for (let i = 1; i <= 64; i++) if ((mask >> BigInt(i - 1) & 1n) === 1n) names.push(signalName(i));
  return names;
}

/** linux/socket.h */
export const familyName = named({ 1: 'unix', 2: 'inet', 10: 'inet6', 16: 'netlink', 17: 'packet' });
/** linux/net.h */
export const socketTypeName = named({ 1: 'stream', 2: 'dgram', 3: 'raw', 5: 'seqpacket', 10: 'packet' });
/** net/tcp_states.h */
export const tcpStateName = named({
  1: 'ESTABLISHED', 2: 'SYN_SENT', 3: 'SYN_RECV', 4: 'FIN_WAIT1', 5: 'FIN_WAIT2', 6: 'TIME_WAIT', 7: 'CLOSE', 8: 'CLOSE_WAIT', 9: 'LAST_ACK', 10: 'LISTEN', 11: 'CLOSING', 12: 'NEW_SYN_RECV',
});
/** linux/in.h */
export const protocolName = named({ 0: 'ip', 1: 'icmp', 2: 'igmp', 6: 'tcp', 17: 'udp', 58: 'icmpv6', 132: 'sctp', 136: 'udplite', 255: 'raw', 262: 'mptcp' });
/** linux/netlink.h */
export const netlinkName = named({
  0: 'route', 2: 'usersock', 3: 'firewall', 4: 'sock_diag', 5: 'nflog', 6: 'xfrm', 7: 'selinux', 8: 'iscsi', 9: 'audit', 10: 'fib_lookup', 11: 'connector', 12: 'netfilter', 15: 'kobject_uevent', 16: 'generic', 20: 'rdma', 21: 'crypto',
});
/** linux/time.h */
export const clockName = named({ 0: 'realtime', 1: 'monotonic', 2: 'process-cputime', 3: 'thread-cputime', 7: 'boottime', 8: 'realtime-alarm', 9: 'boottime-alarm', 11: 'tai' });
/** linux/sched.h */
export const policyName = named({ 0: 'other', 1: 'fifo', 2: 'rr', 3: 'batch', 5: 'idle', 6: 'deadline', 7: 'ext' });
/** asm-generic/resource.h */
export const LIMITS = ['cpu', 'fsize', 'data', 'stack', 'core', 'rss', 'nproc', 'nofile', 'memlock', 'as', 'locks', 'sigpending', 'msgqueue', 'nice', 'rtprio', 'rttime'];
/** linux/sched.h clone flags of namespaces */
export const namespaceName = named({ 0x80: 'time', 0x20000: 'mnt', 0x2000000: 'cgroup', 0x4000000: 'uts', 0x8000000: 'ipc', 0x10000000: 'user', 0x20000000: 'pid', 0x40000000: 'net' });

const OPEN_FLAGS: readonly (readonly [number, string])[] = [
  [0x40, 'creat'], [0x80, 'excl'], [0x400, 'append'], [0x800, 'nonblock'], [0x1000, 'dsync'], [0x4000, 'direct'], [0x10000, 'directory'],
  [0x20000, 'nofollow'], [0x40000, 'noatime'], [0x200000, 'path'],
];

/** Open flags of a description (asm-generic/fcntl.h): `rw,append`. */
export function openFlags(flags: number): string {
  const mode = ['r', 'w', 'rw', '-'][flags & 3]!;
  return [mode, ...OPEN_FLAGS.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name)].join(',');
}

/** Descriptor events (linux/eventpoll.h). */
export function pollEvents(events: number): string {
  const bits: readonly (readonly [number, string])[] = [[1, 'in'], [2, 'pri'], [4, 'out'], [8, 'err'], [0x10, 'hup'], [0x2000, 'rdhup'], [0x10000000, 'exclusive'], [0x40000000, 'oneshot'], [0x80000000, 'et']];
  return bits.filter(([bit]) => (events & bit) !== 0).map(([, name]) => name).join('|') || '0';
}

/** What `mode & S_IFMT` says (linux/stat.h). */
export function fileModeType(mode: number): string {
  return named({ 0o010000: 'fifo', 0o020000: 'chr', 0o040000: 'dir', 0o060000: 'blk', 0o100000: 'reg', 0o120000: 'link', 0o140000: 'sock' })(mode & 0o170000);
}

/**
 * An address: 1 word (IPv4) or 4 words (IPv6), each holding four bytes in network order as a little-endian number.
 * IPv6 is written as RFC 5952 has it.
 */
export function ipAddress(words: readonly number[]): string {
  const bytes = words.flatMap((word) => [word & 255, word >>> 8 & 255, word >>> 16 & 255, word >>> 24 & 255]);
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return '?';
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8 | bytes[2 * i + 1]!));
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) return `::ffff:${bytes.slice(12).join('.')}`;
  let best = { start: -1, length: 1 };
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0) length++;
    if (length > best.length) best = { start: i, length };
  }
  const text = (from: readonly number[]): string => from.map((group) => group.toString(16)).join(':');
  return best.start < 0 ? text(groups) : `${text(groups.slice(0, best.start))}::${text(groups.slice(best.start + best.length))}`;
}

export function endpoint(words: readonly number[], port: number): string {
  const address = words.length === 0 ? '*' : ipAddress(words);
  return `${address.includes(':') ? `[${address}]` : address}:${port === 0 ? '*' : port}`;
}
