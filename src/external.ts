/** The values of `--external`: which of criu's kinds of external object there are here. */
import { StillframeError } from './errors.ts';

/** Kinds of key that name open files; criu's others name mounts, devices and namespaces. */
const FILES = ['file', 'tty', 'unix'] as const;

/** @throws StillframeError for a key that names something else */
export function checkExternal(doing: string, keys: readonly string[]): void {
  for (const key of keys) {
    const kind = /^[a-z]+(?=\[.+\])/u.exec(key)?.[0];
    if (FILES.some((known) => known === kind)) continue;
    throw new StillframeError({
      doing, where: `--external ${key}`,
      why: kind === undefined ? 'it names nothing: an external object is KIND[..]' : `external objects of kind ${kind} are not supported yet`,
      remedy: 'Open files are named file[MOUNT:INODE], tty[RDEV:DEV] (both hexadecimal, as /proc/PID/fdinfo and stat tell) and unix[INODE]',
    });
  }
}
