/** What can be said against --inherit-fd from this process's descriptors. */
import { fstatSync, readlinkSync } from 'node:fs';
import { StillframeError } from '../errors.ts';
import type { InheritedFd } from './inherited.ts';

/** @throws StillframeError when a descriptor is not open, or is one that Node uses itself */
export function checkInherited(given: readonly InheritedFd[]): void {
  for (const { key, fd } of given) {
    const refuse = (why: string): StillframeError => new StillframeError({ doing: 'restore', where: `--inherit-fd fd[${fd}]:${key}`, why, remedy: `Open it as descriptor ${fd} of the command, without close-on-exec` });
    try {
      fstatSync(fd);
    } catch (cause) {
      throw refuse(`this process has no descriptor ${fd}: ${cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)}`);
    }
    if (readlinkSync(`/proc/self/fd/${fd}`).startsWith('anon_inode:')) throw refuse(`descriptor ${fd} of this process is no file, pipe, socket or terminal, and was not handed in`);
  }
}
