/** `/proc/PID/smaps`: the mappings of a process with their VmFlags (the short names in the kernel's fs/proc/task_mmu.c). */
export interface Mapping {
  readonly start: bigint;
  readonly end: bigint;
  readonly read: boolean;
  readonly write: boolean;
  readonly exec: boolean;
  readonly shared: boolean;
  /** Offset in the file, bytes. */
  readonly offset: bigint;
  /** Device of the mapped file, `major:minor` in hexadecimal; `00:00` for none. */
  readonly device: string;
  readonly inode: bigint;
  /** Path, `[heap]`, `[anon:...]` or empty. One character a byte; a newline is `\012`. */
  readonly name: string;
  /** `/proc/PID/map_files/` entry: the two addresses as the kernel prints them there. */
  readonly range: string;
  /** Two-letter names. */
  readonly flags: readonly string[];
  /** kB of anonymous memory in it, present or swapped out. 0: it holds no private page of its own. */
  readonly anonymous: number;
}

/** @throws RangeError on a line the kernel does not write */
export function parseSmaps(text: string): Mapping[] {
  const mappings: Mapping[] = [];
  for (let at = 0; at < text.length;) {
    const headEnd = text.indexOf('\n', at);
    const flagsAt = text.indexOf('\nVmFlags: ', headEnd);
    const next = text.indexOf('\n', flagsAt + 1);
    if (headEnd < 0 || flagsAt < 0 || next < 0) throw new RangeError(`smaps ends inside a mapping: ${JSON.stringify(text.slice(at, at + 80))}`);
    const flags = text.slice(flagsAt + 10, next).trimEnd();
    mappings.push({
      ...parseMapsLine(text.slice(at, headEnd)),
      flags: flags === '' ? [] : flags.split(' '),
      anonymous: kilobytes(text, '\nAnonymous:', headEnd, flagsAt) + kilobytes(text, '\nSwap:', headEnd, flagsAt),
    });
    at = next + 1;
  }
  return mappings;
}

/** One line of `/proc/PID/maps`, which is also the head of a mapping in smaps. */
export function parseMapsLine(line: string): Omit<Mapping, 'flags' | 'anonymous'> {
  const f = line.split(' ', 5);
  const [range, prot, offset, device, inode] = f;
  const dash = range?.indexOf('-') ?? -1;
  if (dash < 0 || prot?.length !== 4 || offset === undefined || device === undefined || inode === undefined) {
    throw new RangeError(`not a line of maps: ${JSON.stringify(line)}`);
  }
  const start = range!.slice(0, dash);
  const end = range!.slice(dash + 1);
  const fixed = range!.length + prot.length + offset.length + device.length + inode.length + 5;
  return {
    start: BigInt(`0x${start}`), end: BigInt(`0x${end}`),
    read: prot[0] === 'r', write: prot[1] === 'w', exec: prot[2] === 'x', shared: prot[3] === 's',
    offset: BigInt(`0x${offset}`), device, inode: BigInt(inode), name: line.slice(fixed).trimStart(),
    range: `${unpadded(start)}-${unpadded(end)}`,
  };
}

const unpadded = (hex: string): string => hex.replace(/^0+(?=.)/u, '');

function kilobytes(text: string, key: string, from: number, to: number): number {
  const at = text.indexOf(key, from - 1);
  return at < 0 || at > to ? 0 : parseInt(text.slice(at + key.length, at + key.length + 24), 10);
}
