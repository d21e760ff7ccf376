/** `--pidfile`: the restored root task's pid in decimal, without newline, in a file that must not exist yet (as criu does). */
import { closeSync, openSync, writeSync } from 'node:fs';
import { StillframeError } from '../errors.ts';

/** @param path absolute, or relative to the working directory of this process */
export function writePidfile(path: string, pid: number): void {
  try {
    const fd = openSync(path, 'wx', 0o600);
    try {
      writeSync(fd, String(pid));
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw new StillframeError({
      doing: 'pidfile', where: path, why: `cannot be written: ${code}`, cause,
      remedy: code === 'EEXIST' ? 'It is left from an earlier run: remove it, or name another with --pidfile' : undefined,
    });
  }
}
