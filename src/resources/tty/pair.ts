/**
 * Pseudo-terminals that are part of the tree. The kernel gives a new one the lowest free index, so /dev/ptmx is opened until it is the
 * wanted one; what else was opened on the way is closed again.
 */
import type { tty_data_entry, tty_info_entry } from '../../image/schema/index.ts';
import { AT_FDCWD, O, TCSETS, TIOCSCTTY, TIOCSPGRP, flagsToReopen } from '../../kernel/files.ts';
import { Cond, Op, type Program, type ResultRef } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import { encodeTermios, quiet, TERMIOS_SIZE } from './termios.ts';

/** <asm-generic/ioctls.h> */
const TIOCEXCL = 0x540c, TIOCSWINSZ = 0x5414, TIOCPKT = 0x5420, TIOCGPTN = 0x80045430, TIOCSPTLCK = 0x40045431, TIOCGPTPEER = 0x5441, TIOCSLCKTRMIOS = 0x5457;

/** A pseudo-terminal as the images have it. */
export interface PtyPlan {
  readonly index: number;
  readonly master: tty_info_entry | undefined;
  readonly slave: tty_info_entry | undefined;
}

/** Adds the steps that open pseudo-terminal `index`. Result: its master, unlocked. */
export function addMaster(p: Program, index: number, path: string): ResultRef {
  const EBUSY = 16;
  const name = p.cstring(path);
  const cell = p.reserve(8);
  const tries: ResultRef[] = [];
  const taken = { EBUSY: `/dev/pts/${index} belongs to another terminal: end what runs on it` };
  p.store(cell, 0x7fffffff, 4);
  const ends: { step: number }[] = [];
  for (let i = 0; i <= index; i++) {
    const fd = p.call('openat', [AT_FDCWD, name, O.RDWR | O.NOCTTY | O.CLOEXEC, 0]);
    tries.push(fd);
    const number = p.reserve(4, 4);
    p.call('ioctl', [fd, TIOCGPTN, number], { keep: false });
    const got = p.load(number, 4);
    p.control(Op.EXPECT, [got, Cond.LE, index, EBUSY], { keep: false, remedy: taken });
    const next = { step: 0 };
    p.jump(got, Cond.NE, index, () => next.step);
    p.store(cell, fd, 4);
    const end = { step: 0 };
    p.jump(0, Cond.EQ, 0, () => end.step);
    next.step = p.here;
    ends.push(end);
  }
  for (const end of ends) end.step = p.here;
  const master = p.load(cell, 4);
  p.control(Op.EXPECT, [master, Cond.LT, 0x7fffffff, EBUSY], { keep: false, remedy: taken });
  for (const fd of tries) {
    const skip = { step: 0 };
    p.jump(fd, Cond.LE, 2, () => skip.step); // not opened: its result is still 0
    p.jump(fd, Cond.EQ, master, () => skip.step);
    p.call('close', [fd], { keep: false });
    skip.step = p.here;
  }
  p.call('ioctl', [master, TIOCSPTLCK, p.data(Buffer.alloc(4))], { keep: false });
  return master;
}

export function addSlave(p: Program, master: ResultRef, flags: number): ResultRef {
  return p.call('ioctl', [master, TIOCGPTPEER, flagsToReopen(flags) | O.CLOEXEC]);
}

/** Puts back what waited at either end, by writing it at the other while the line is quiet. */
export function addQueued(p: Program, slave: ResultRef, master: ResultRef, { master: m, slave: s }: PtyPlan, queued: readonly tty_data_entry[]): void {
  const termios = (s ?? m)?.termios;
  if (termios === undefined || queued.length === 0) return;
  p.call('ioctl', [slave, TCSETS, p.data(encodeTermios(quiet(termios)))], { keep: false });
  for (const { tty_id, data } of queued) p.control(Op.WRITE_OUT, [(tty_id & 1) === 1 ? slave : master, p.data(data), data.length, -1n], { keep: false });
}

/** What both ends share is set through the slave; what a master has of its own, last (a locked or exclusive one cannot be opened again). */
export function addSettings(p: Program, slave: ResultRef, master: ResultRef | undefined, { master: m, slave: s }: PtyPlan): void {
  const info = s ?? m;
  if (info?.termios_locked !== undefined) p.call('ioctl', [slave, TIOCSLCKTRMIOS, p.data(Buffer.alloc(TERMIOS_SIZE))], { keep: false });
  if (info?.termios !== undefined) p.call('ioctl', [slave, TCSETS, p.data(encodeTermios(info.termios))], { keep: false });
  if (info?.termios_locked !== undefined) p.call('ioctl', [slave, TIOCSLCKTRMIOS, p.data(encodeTermios(info.termios_locked))], { keep: false });
  if (info?.winsize !== undefined) {
    const { ws_row, ws_col, ws_xpixel, ws_ypixel } = info.winsize;
    p.call('ioctl', [slave, TIOCSWINSZ, p.data(Buffer.from(Uint16Array.of(ws_row, ws_col, ws_xpixel, ws_ypixel).buffer))], { keep: false });
  }
  if (s?.uid !== undefined && s.gid !== undefined) p.call('fchown', [slave, s.uid, s.gid], { keep: false });
  const one = p.data(Buffer.from(Int32Array.of(1).buffer));
  if (master !== undefined && m?.packet_mode === true) p.call('ioctl', [master, TIOCPKT, one], { keep: false });
  if (master !== undefined && m?.locked === true) p.call('ioctl', [master, TIOCSPTLCK, one], { keep: false });
  if (s?.exclusive === true) p.call('ioctl', [slave, TIOCEXCL, 0], { keep: false });
}

/** The leader of a session takes its controlling terminal, right after it founded the session. */
export function addControllingTerminal(p: Program, context: RestoreContext, pid: number): void {
  const terminal = context.controlling.get(pid);
  if (terminal === undefined) return;
  p.resource('controlling terminal');
  const fd = p.call('pidfd_getfd', [context.pidfd, terminal.fd.arg, 0]);
  p.call('ioctl', [fd, TIOCSCTTY, 0], { keep: false });
  p.call('close', [fd], { keep: false });
}

/** Once all groups exist: which of them is in the foreground. */
export function addForegroundGroup(p: Program, context: RestoreContext, pid: number): void {
  const terminal = context.controlling.get(pid);
  if (terminal === undefined || terminal.pgrp === 0 || terminal.pgrp === pid) return;
  p.resource('foreground process group of the terminal');
  const fd = p.call('pidfd_getfd', [context.pidfd, terminal.fd.arg, 0]);
  p.call('ioctl', [fd, TIOCSPGRP, p.data(Buffer.from(Int32Array.of(terminal.pgrp).buffer))], { keep: false });
  p.call('close', [fd], { keep: false });
}
