/**
 * `--external`: what the tree has open and is not of the tree. Each is named by criu's key for it, compared as it is written; the image
 * then says only that it is to be handed in again at the restore (--inherit-fd).
 */
import type { DumpContext } from './context.ts';
import type { Descriptor } from './file-kinds.ts';

export function isExternal(key: string, { options: { given } }: DumpContext): boolean {
  return (given.get('external') ?? []).includes(key);
}

/** `file[2a:1b3]`: mount id and inode, hexadecimal. */
export const fileKey = ({ info, stat }: Descriptor): string => `file[${(info.mountId >>> 0).toString(16)}:${stat.ino.toString(16)}]`;

/** Its key, when it is named as external. */
export function externalFileKey(descriptor: Descriptor, context: DumpContext): string | undefined {
  if (!context.options.given.has('external')) return undefined;
  const key = fileKey(descriptor);
  return isExternal(key, context) ? key : undefined;
}

/** `tty[8803:18]`: the terminal's device number, and that of the file system it is on, hexadecimal. */
export const terminalKey = ({ stat }: Descriptor): string => `tty[${stat.rdev.toString(16)}:${stat.dev.toString(16)}]`;

export const socketKey = (inode: number): string => `unix[${inode}]`;
