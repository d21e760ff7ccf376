/** Options of a socket (SOL_SOCKET), of any family. Asked for in the frozen window; nothing is changed. */
import { create } from '../../image/wire.ts';
import { sf_sockopt_entry, sk_opts_entry } from '../../image/schema/index.ts';
import { AF, SO, SOL_SOCKET } from '../../kernel/sockets.ts';
import { Program, type DataRef, type RanBlock, type ResultRef } from '../../program/program.ts';

/** What the format has no field for; kept in our own image when it is not the default. */
const OWN_OPTIONS: readonly { name: number; usual: number }[] = [
  { name: SO.PEEK_OFF, usual: -1 }, { name: SO.TIMESTAMP, usual: 0 }, { name: SO.TIMESTAMPNS, usual: 0 },
  { name: SO.PASSPIDFD, usual: 0 }, { name: SO.PASSRIGHTS, usual: 1 },
];

export interface SocketOptions {
  readonly opts: sk_opts_entry;
  /** For our own image. */
  readonly own: readonly sf_sockopt_entry[];
  /** Instructions of its filter; they are asked for with `readFilter`. */
  readonly filterLength: number;
}

/** Adds the questions about a socket that the helper holds. @param family AF_* */
export function askOptions(program: Program, held: ResultRef, family: number): (ran: RanBlock) => SocketOptions {
  const get = (name: number, size = 4): { value: DataRef; got: ResultRef } => {
    const value = program.reserve(size);
    const length = program.data(words(size));
    return { value, got: program.call('getsockopt', [held, SOL_SOCKET, name, value, length], { expect: 'any' }) };
  };
  const ask = (name: number): ((ran: RanBlock) => number | undefined) => {
    const { value, got } = get(name);
    return (ran) => (ran.result(got) < 0n ? undefined : ran.data(value).readInt32LE(0));
  };
  const numbers = new Map<number, (ran: RanBlock) => number | undefined>(NUMBERS.map((name) => [name, ask(name)]));
  const local = family === AF.UNIX || family === AF.NETLINK;
  const [passcred, passsec] = local ? [ask(SO.PASSCRED), ask(SO.PASSSEC)] : [undefined, undefined];
  const [send, receive] = [get(SO.SNDTIMEO, 16), get(SO.RCVTIMEO, 16)];
  const linger = get(SO.LINGER, 8);
  const device = { value: program.reserve(16), length: program.data(words(16)) };
  const deviceGot = program.call('getsockopt', [held, SOL_SOCKET, SO.BINDTODEVICE, device.value, device.length], { expect: 'any' });
  const filterLength = program.data(words(0));
  const filterGot = program.call('getsockopt', [held, SOL_SOCKET, SO.GET_FILTER, 0, filterLength], { expect: 'any' });
  const own = OWN_OPTIONS.filter(({ name }) => local || name === SO.TIMESTAMP || name === SO.TIMESTAMPNS).map((option) => ({ ...option, read: ask(option.name) }));
  return (ran) => {
    const value = (name: number): number => numbers.get(name)!(ran) ?? 0;
    const flag = (name: number): boolean => value(name) !== 0;
    const time = (at: DataRef): [bigint, bigint] => [ran.data(at).readBigUInt64LE(0), ran.data(at).readBigUInt64LE(8)];
    const [sendTime, receiveTime] = [time(send.value), time(receive.value)];
    const mark = value(SO.MARK) >>> 0;
    const lock = numbers.get(SO.BUF_LOCK)!(ran);
    const nameLength = ran.result(deviceGot) < 0n ? 0 : ran.data(device.length).readUInt32LE(0);
    const opts = create(sk_opts_entry, {
      so_sndbuf: value(SO.SNDBUF) >>> 0, so_rcvbuf: value(SO.RCVBUF) >>> 0,
      so_snd_tmo_sec: sendTime[0], so_snd_tmo_usec: sendTime[1], so_rcv_tmo_sec: receiveTime[0], so_rcv_tmo_usec: receiveTime[1],
      reuseaddr: flag(SO.REUSEADDR), so_priority: value(SO.PRIORITY) >>> 0, so_rcvlowat: value(SO.RCVLOWAT) >>> 0,
      so_dontroute: flag(SO.DONTROUTE), so_no_check: flag(SO.NO_CHECK), so_reuseport: flag(SO.REUSEPORT), so_broadcast: flag(SO.BROADCAST),
      so_keepalive: flag(SO.KEEPALIVE), so_oobinline: Number(flag(SO.OOBINLINE)),
      ...(mark === 0 ? {} : { so_mark: mark }),
      ...(lock === undefined ? {} : { so_buf_lock: lock }),
      ...(passcred === undefined ? {} : { so_passcred: passcred(ran) === 1, so_passsec: passsec!(ran) === 1 }),
      ...(ran.data(linger.value).readInt32LE(0) === 0 ? {} : { so_linger: ran.data(linger.value).readUInt32LE(4) }),
      ...(nameLength === 0 ? {} : { so_bound_dev: textBefore(ran.data(device.value, nameLength)) }),
    });
    const others = own.flatMap(({ name, usual, read }) => {
      const got = read(ran);
      return got === undefined || got === usual ? [] : [create(sf_sockopt_entry, { level: SOL_SOCKET, name, value: words(got) })];
    });
    return { opts, own: others, filterLength: ran.result(filterGot) < 0n ? 0 : ran.data(filterLength).readUInt32LE(0) };
  };
}

const NUMBERS = [
  SO.SNDBUF, SO.RCVBUF, SO.BUF_LOCK, SO.PRIORITY, SO.RCVLOWAT, SO.MARK, SO.REUSEADDR, SO.REUSEPORT, SO.DONTROUTE, SO.NO_CHECK, SO.BROADCAST,
  SO.KEEPALIVE, SO.OOBINLINE,
] as const;

/** Adds the question for a filter of so many instructions. @returns struct sock_filter as the image has it: code, jt, jf, k from the top */
export function askFilter(program: Program, held: ResultRef, length: number): (ran: RanBlock) => bigint[] {
  const value = program.reserve(length * 8);
  program.call('getsockopt', [held, SOL_SOCKET, SO.GET_FILTER, value, program.data(words(length))], { keep: false });
  return (ran) => Array.from({ length }, (_, i) => {
    const one = ran.data(value).subarray(i * 8, i * 8 + 8);
    return BigInt(one.readUInt16LE(0)) << 48n | BigInt(one[2]!) << 40n | BigInt(one[3]!) << 32n | BigInt(one.readUInt32LE(4));
  });
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => bytes.writeUInt32LE(value >>> 0, i * 4));
  return bytes;
}

function textBefore(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.subarray(0, end < 0 ? bytes.length : end).toString('latin1');
}
