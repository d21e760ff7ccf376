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
  /** Two-letter names of VmFlags; none in maps. Mappings with the same flags have the same list. */
  readonly flags: readonly string[];
  /** Bytes of a page, of mappings of huge pages (flag `ht`) only. */
  readonly pageSize?: number;
}

/** @throws RangeError on a line the kernel does not write */
export function parseSmaps(text: string): Mapping[] {
  const mappings: Mapping[] = [];
  for (let at = 0; at < text.length;) {
    const headEnd = text.indexOf('\n', at);
    const flagsAt = text.indexOf('\nVmFlags: ', headEnd);
    const next = text.indexOf('\n', flagsAt + 1);
    if (headEnd < 0 || flagsAt < 0 || next < 0) throw new RangeError(`smaps ends inside a mapping: ${JSON.stringify(text.slice(at, at + 80))}`);
    const flags = flagsOf(text.slice(flagsAt + 10, next));
    const mapping = parseHead(text.slice(at, headEnd), flags);
    mappings.push(flags.includes('ht') ? { ...mapping, pageSize: pageSizeOf(text.slice(headEnd, flagsAt)) } : mapping);
    at = next + 1;
  }
  return mappings;
}

function pageSizeOf(fields: string): number {
  const kilobytes = /^KernelPageSize: +(\d+) kB$/mu.exec(fields)?.[1];
  if (kilobytes === undefined) throw new RangeError('smaps has no KernelPageSize for a mapping of huge pages');
  return Number(kilobytes) * 1024;
}

/** There are few combinations of flags, and thousands of mappings. */
const flagLists = new Map<string, readonly string[]>();

function flagsOf(text: string): readonly string[] {
  let list = flagLists.get(text);
  if (list === undefined) {
    const names = text.trimEnd();
    flagLists.set(text, list = names === '' ? [] : names.split(' '));
  }
  return list;
}

/** One line of `/proc/PID/maps`. */
export function parseMapsLine(line: string): Mapping {
  return parseHead(line, []);
}

/** `00400000-00401000 r-xp 00001000 fe:00 77      /a/file`: fields end at single spaces, then spaces up to the name. */
function parseHead(line: string, flags: readonly string[]): Mapping {
  const dash = line.indexOf('-');
  const a = line.indexOf(' ', dash);
  const b = line.indexOf(' ', a + 1);
  const c = line.indexOf(' ', b + 1);
  const d = line.indexOf(' ', c + 1);
  if (dash < 0 || a < 0 || b !== a + 5 || c < 0 || d < 0) throw new RangeError(`not a line of maps: ${JSON.stringify(line)}`);
  const e = line.indexOf(' ', d + 1);
  const start = line.slice(0, dash);
  const end = line.slice(dash + 1, a);
  const offset = line.slice(b + 1, c);
  const inode = line.slice(d + 1, e < 0 ? line.length : e);
  return {
    start: BigInt(`0x${start}`), end: BigInt(`0x${end}`),
    read: line[a + 1] === 'r', write: line[a + 2] === 'w', exec: line[a + 3] === 'x', shared: line[a + 4] === 's',
    offset: offset === '00000000' ? 0n : BigInt(`0x${offset}`), device: line.slice(c + 1, d), inode: inode === '0' ? 0n : BigInt(inode),
    name: e < 0 ? '' : line.slice(e).trimStart(), range: start[0] === '0' || end[0] === '0' ? `${unpadded(start)}-${unpadded(end)}` : line.slice(0, a), flags,
  };
}

const unpadded = (hex: string): string => hex.replace(/^0+(?=.)/u, '');
