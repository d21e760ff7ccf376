/**
 * How single values are shown with `--pretty`, and read back: hexadecimal, flag names, names of values, devices, addresses.
 * Which field is shown how is said by the schema (`Show` in ../image/schema/define.ts). The names are crit's.
 */
import type { Show } from '../image/schema/define.ts';

type Flags = readonly (readonly [name: string, bits: number])[];

/** include/uapi/linux/mman.h, fcntl.h; VMA_* and PE_* are CRIU's own (criu/include/image.h, pagemap.h). */
const FLAGS: Readonly<Record<string, Flags>> = {
  'mmap.prot': [['PROT_READ', 1], ['PROT_WRITE', 2], ['PROT_EXEC', 4]],
  'mmap.flags': [['MAP_SHARED', 1], ['MAP_PRIVATE', 2], ['MAP_DROPPABLE', 8], ['MAP_ANON', 0x20], ['MAP_GROWSDOWN', 0x100]],
  'mmap.status': [
    ['VMA_AREA_REGULAR', 2 ** 0], ['VMA_AREA_STACK', 2 ** 1], ['VMA_AREA_VSYSCALL', 2 ** 2], ['VMA_AREA_VDSO', 2 ** 3],
    ['VMA_AREA_HEAP', 2 ** 5], ['VMA_FILE_PRIVATE', 2 ** 6], ['VMA_FILE_SHARED', 2 ** 7], ['VMA_ANON_SHARED', 2 ** 8],
    ['VMA_ANON_PRIVATE', 2 ** 9], ['VMA_AREA_SYSVIPC', 2 ** 10], ['VMA_AREA_SOCKET', 2 ** 11], ['VMA_AREA_VVAR', 2 ** 12],
    ['VMA_AREA_AIORING', 2 ** 13], ['VMA_AREA_MEMFD', 2 ** 14], ['VMA_AREA_SHSTK', 2 ** 15], ['VMA_AREA_UPROBES', 2 ** 17],
    ['VMA_UNSUPP', 2 ** 31],
  ],
  'rfile.flags': [
    ['O_WRONLY', 0o1], ['O_RDWR', 0o2], ['O_CREAT', 0o100], ['O_EXCL', 0o200], ['O_NOCTTY', 0o400], ['O_TRUNC', 0o1000],
    ['O_APPEND', 0o2000], ['O_NONBLOCK', 0o4000], ['O_DSYNC', 0o10000], ['FASYNC', 0o20000], ['O_DIRECT', 0o40000],
    ['O_LARGEFILE', 0o100000], ['O_DIRECTORY', 0o200000], ['O_NOFOLLOW', 0o400000], ['O_NOATIME', 0o1000000], ['O_CLOEXEC', 0o2000000],
  ],
  'seals.flags': [['F_SEAL_SEAL', 1], ['F_SEAL_SHRINK', 2], ['F_SEAL_GROW', 4], ['F_SEAL_WRITE', 8], ['F_SEAL_FUTURE_WRITE', 16]],
  'pmap.flags': [['PE_PARENT', 1], ['PE_LAZY', 2], ['PE_PRESENT', 4]],
};

/** Names of values, by the table and the field's name. crit's names for task_state are not what the numbers mean (3 is stopped). */
const DICTS: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>> = {
  gen: {
    task_state: { Alive: 1, Zombie: 3, Stopped: 6 },
  },
  sk: {
    family: { UNIX: 1, INET: 2, INET6: 10, NETLINK: 16, PACKET: 17 },
    type: { STREAM: 1, DGRAM: 2, RAW: 3, SEQPACKET: 5, PACKET: 10 },
    state: {
      ESTABLISHED: 1, SYN_SENT: 2, SYN_RECV: 3, FIN_WAIT1: 4, FIN_WAIT2: 5, TIME_WAIT: 6, CLOSE: 7, CLOSE_WAIT: 8, LAST_ACK: 9, LISTEN: 10,
    },
    proto: { IP: 0, TCP: 6, UDP: 17, UDPLITE: 136 },
  },
};

export const hex = (value: number | bigint): string => (value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`);

/** An integer as `--pretty` shows it. `inherited`: it is inside a message that is shown in hexadecimal. */
export function showNumber(value: number | bigint, name: string, show: Show, inherited: boolean): number | bigint | string {
  if (inherited || show.hex === true) return hex(value);
  if (show.dev === true) return showDevice(BigInt(value), show.odev === true);
  if (show.flags !== undefined) return showFlags(BigInt(value), show.flags);
  if (show.dict !== undefined) return nameOf(show.dict, name, value) ?? value;
  return value;
}

/** The number a shown text stands for. @throws RangeError */
export function readNumber(text: string, name: string, show: Show): bigint {
  if (show.dev === true) return readDevice(text, show.odev === true);
  const flags = show.flags === undefined ? undefined : FLAGS[show.flags];
  if (flags !== undefined) return readFlags(text, flags);
  const named = show.dict === undefined ? undefined : DICTS[show.dict]?.[name]?.[text];
  return named === undefined ? integer(text) : BigInt(named);
}

/** The name a table has for a field's value: `nameOf('sk', 'state', 10)` is `LISTEN`. */
export function nameOf(dict: string, field: string, value: number | bigint): string | undefined {
  return Object.entries(DICTS[dict]?.[field] ?? {}).find(([, number]) => number === Number(value))?.[0];
}

function showFlags(value: bigint, table: string): string {
  const flags = FLAGS[table];
  if (flags === undefined) return hex(value);
  const names = flags.filter(([, bits]) => (value & BigInt(bits)) !== 0n).map(([flag]) => flag);
  const rest = value & ~flags.reduce((all, [, bits]) => all | BigInt(bits), 0n);
  return (rest === 0n ? names : [...names, hex(rest)]).join(' | ');
}

function readFlags(text: string, flags: Flags): bigint {
  if (text.trim() === '') return 0n;
  return text.split('|').map((part) => part.trim()).reduce((sum, part) => sum + BigInt(flags.find(([flag]) => flag === part)?.[1] ?? (part === 'VMA_AREA_NONE' ? 0 : integer(part))), 0n);
}

/** Minor bits of the kernel's own device numbers (include/linux/kdev_t.h). */
const MINOR_BITS = 20n;

function showDevice(dev: bigint, libc: boolean): string {
  if (!libc) return `${dev >> MINOR_BITS}:${dev & (1n << MINOR_BITS) - 1n}`;
  return `${(dev >> 8n & 0xfffn) | (dev >> 32n & ~0xfffn)}:${(dev & 0xffn) | (dev >> 12n & 0xffffff00n)}`;
}

function readDevice(text: string, libc: boolean): bigint {
  const [major, minor, more] = text.split(':');
  if (major === undefined || minor === undefined || more !== undefined) throw new RangeError(`${JSON.stringify(text)} is no device: major:minor is`);
  const [a, b] = [integer(major), integer(minor)];
  if (!libc) return a << MINOR_BITS | b;
  return (a & 0xfffn) << 8n | (a & ~0xfffn) << 32n | (b & 0xffn) | (b & ~0xffn) << 12n;
}

/** Decimal, 0x, 0o or 0b, with a sign. */
function integer(text: string): bigint {
  const match = /^\s*([-+]?)(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0+|[1-9][0-9]*)\s*$/.exec(text);
  if (match === null) throw new RangeError(`${JSON.stringify(text)} is no number`);
  const value = BigInt(match[2]!);
  return match[1] === '-' ? -value : value;
}

const swap = (word: number): number => ((word & 0xff) << 24 | (word & 0xff00) << 8 | (word >>> 8 & 0xff00) | word >>> 24) >>> 0;

/** An address of 1 or 4 words in network byte order; undefined when it is neither. */
export function showAddress(words: readonly number[]): string | undefined {
  if (words.length === 1) return v4(swap(words[0]!));
  if (words.length !== 4) return undefined;
  const groups = words.map(swap).flatMap((word) => [word >>> 16, word & 0xffff]);
  let best = { at: -1, size: 1 };
  for (let at = 0; at < 8; at++) {
    let size = 0;
    while (groups[at + size] === 0) size++;
    if (size > best.size) best = { at, size };
  }
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  return best.at < 0 ? text(groups) : `${text(groups.slice(0, best.at))}::${text(groups.slice(best.at + best.size))}`;
}

const v4 = (word: number): string => [24, 16, 8, 0].map((shift) => word >>> shift & 255).join('.');

/** The words of an address. @throws RangeError */
export function readAddress(text: string): number[] {
  const wrong = new RangeError(`${JSON.stringify(text)} is no IPv4 or IPv6 address`);
  if (!text.includes(':')) return [swap(readV4(text, wrong))];
  let body = text;
  const dotted = /^(.*:)([0-9.]+\.[0-9.]+)$/.exec(text);
  if (dotted !== null) {
    const word = readV4(dotted[2]!, wrong);
    body = `${dotted[1]!}${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`;
  }
  const halves = body.split('::');
  if (halves.length > 2) throw wrong;
  const parse = (half: string | undefined): number[] => (half === undefined || half === '' ? [] : half.split(':').map((group) => {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) throw wrong;
    return parseInt(group, 16);
  }));
  const [head, tail] = [parse(halves[0]), parse(halves[1])];
  const gap = 8 - head.length - tail.length;
  if (halves.length === 1 ? gap !== 0 : gap < 1) throw wrong;
  const groups = [...head, ...new Array<number>(gap).fill(0), ...tail];
  return [0, 2, 4, 6].map((i) => swap((groups[i]! << 16 | groups[i + 1]!) >>> 0));
}

function readV4(text: string, wrong: RangeError): number {
  const parts = text.split('.');
  if (parts.length !== 4 || parts.some((part) => !/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255)) throw wrong;
  return parts.reduce((word, part) => (word << 8 | Number(part)) >>> 0, 0);
}
