/** `/proc/PID/fdinfo/FD` (proc_pid_fdinfo(5)): the lines every descriptor has, and the ones its kind adds. */
export interface FdInfo {
  readonly pos: bigint;
  /** O_* flags of the open file description, without O_CLOEXEC. */
  readonly flags: number;
  readonly closeOnExec: boolean;
  readonly mountId: number;
  readonly inode: bigint;
  /** Every other line, `name:value`, untouched. */
  readonly more: readonly string[];
}

export const O_CLOEXEC = 0o2000000;

/** @throws RangeError when a common line is missing */
export function parseFdInfo(text: string): FdInfo {
  let pos: bigint | undefined, flags: number | undefined, mountId = -1, inode = 0n;
  const more: string[] = [];
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    const value = line.slice(colon + 1).trim();
    switch (line.slice(0, Math.max(colon, 0))) {
      case '': break;
      case 'pos': pos = BigInt.asUintN(64, BigInt(value)); break;
      case 'flags': flags = parseInt(value, 8); break;
      case 'mnt_id': mountId = Number(value); break;
      case 'ino': inode = inode === 0n && /^\d+$/u.test(value) ? BigInt(value) : inode; break;
      default: more.push(line);
    }
  }
  if (pos === undefined || flags === undefined) throw new RangeError(`not a fdinfo file: ${JSON.stringify(text)}`);
  return { pos, flags: (flags & ~O_CLOEXEC) >>> 0, closeOnExec: (flags & O_CLOEXEC) !== 0, mountId, inode, more };
}

/** The value of a line that a kind adds, trimmed. @throws RangeError when there is none */
export function fdInfoField(info: FdInfo, name: string): string {
  const value = findFdInfoField(info, name);
  if (value === undefined) throw new RangeError(`fdinfo has no line '${name}'`);
  return value;
}

export function findFdInfoField({ more }: FdInfo, name: string): string | undefined {
  return more.find((line) => line.startsWith(`${name}:`))?.slice(name.length + 1).trim();
}
