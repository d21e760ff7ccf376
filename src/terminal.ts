/** Whether a descriptor is a terminal, told without loading `node:tty` (or making a stream of it) where it is none: that takes longer than all else of a start. */
import { fstatSync } from 'node:fs';
import { createRequire } from 'node:module';
import { DEVICE, major } from './kernel/devices.ts';

export function isTerminal(fd: number): boolean {
  if (!mayBe(fd)) return false;
  return (createRequire(import.meta.url)('node:tty') as typeof import('node:tty')).isatty(fd);
}

/** A character device that is no /dev/null or the like. */
function mayBe(fd: number): boolean {
  try {
    const stat = fstatSync(fd, { bigint: true });
    return stat.isCharacterDevice() && major(stat.rdev) !== DEVICE.MEM;
  } catch {
    return false; // not open
  }
}
