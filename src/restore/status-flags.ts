/** Status flags that fcntl can set on an open description. O_ASYNC is not among them: it comes last, by the task that has the descriptor (./table.ts). */
import { F, O } from '../kernel/files.ts';
import type { Arg, Program } from '../program/program.ts';

const SETTABLE = O.APPEND | O.NONBLOCK | O.DIRECT | O.NOATIME;

/** @param flags of the image */
export function addStatusFlags(p: Program, fd: Arg, flags: number): void {
  if ((flags & SETTABLE) !== 0) p.call('fcntl', [fd, F.SETFL, flags & SETTABLE], { keep: false });
}
