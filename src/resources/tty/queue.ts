/**
 * What waits in a pseudo-terminal: typed and not read yet, written and not shown yet. It cannot be looked at without taking it, so a helper's
 * program takes it and puts it back in one go, with the line quiet meanwhile. Only pairs of which the tree has both ends, and only
 * when something waits. A dump killed between these few calls loses it, as a terminal may.
 */
import { create } from '../../image/wire.ts';
import { tty_data_entry, type termios_entry, type tty_info_entry } from '../../image/schema/index.ts';
import type { DumpContext } from '../../dump/context.ts';
import { describeDescriptor, type Descriptor } from '../../dump/file-kinds.ts';
import { FIONREAD, TCSETS } from '../../kernel/files.ts';
import { Cond, Op, Program, type RanBlock, type ResultRef } from '../../program/program.ts';
import { encodeTermios, quiet, raw } from './termios.ts';

/** <asm-generic/ioctls.h> */
const TIOCPKT = 0x5420;
/** A line holds 4096 bytes (N_TTY_BUF_SIZE), the buffer before it up to 64 KiB (drivers/tty/tty_buffer.c). */
const ROUNDS = 18, ROUND = 4096;

export interface PtyEnds { readonly master: Descriptor; readonly slave: Descriptor }

/** Reads what waits at both ends into the tree's `tty_data`, and puts it back. In the frozen window. */
export function copyQueues({ master, slave }: PtyEnds, info: { readonly master: tty_info_entry; readonly termios: termios_entry }, context: DumpContext): void {
  const p = new Program('helper').resource(describeDescriptor(master));
  const m = held(p, master);
  const s = held(p, slave);
  const set = (termios: termios_entry): void => { p.call('ioctl', [s, TCSETS, p.data(encodeTermios(termios))], { keep: false }); };
  const packet = (on: number): void => {
    if (info.master.packet_mode) p.call('ioctl', [m, TIOCPKT, p.data(Buffer.from(Int32Array.of(on).buffer))], { keep: false });
  };
  packet(0);
  set(raw(info.termios));
  const [typed, shown] = [take(p, s), take(p, m)];
  set(quiet(info.termios));
  for (const { at, got } of typed) putBack(p, m, at, got);
  for (const { at, got } of shown) putBack(p, s, at, got);
  set(info.termios);
  packet(1);
  for (const fd of [m, s]) p.call('close', [fd], { keep: false });
  const ran = context.helper.local(p).check('dump');
  for (const [id, parts] of [[info.master.id & ~1, typed], [info.master.id, shown]] as const) {
    const data = Buffer.concat(parts.map((part) => bytesOf(ran, part)));
    if (data.length > 0) context.tree.tty_data.push(create(tty_data_entry, { tty_id: id, data: Uint8Array.from(data) }));
  }
}

interface Part { readonly at: ReturnType<Program['reserve']>; readonly got: ResultRef }

const bytesOf = (ran: RanBlock, { at, got }: Part): Buffer => ran.data(at, Math.max(0, Number(ran.result(got))));

function held(p: Program, { task, fd }: Descriptor): ResultRef {
  const target = p.call('pidfd_open', [task.pid, 0]);
  const ref = p.call('pidfd_getfd', [target, fd, 0]);
  p.call('close', [target], { keep: false });
  return ref;
}

/** Reads until nothing waits. A part that was not reached has result 0. */
function take(p: Program, fd: ResultRef): Part[] {
  const parts: Part[] = [];
  const end = { step: 0 };
  for (let i = 0; i < ROUNDS; i++) {
    const count = p.reserve(4, 4);
    p.call('ioctl', [fd, FIONREAD, count], { keep: false });
    const waiting = p.load(count, 4);
    p.jump(waiting, Cond.EQ, 0, () => end.step);
    const at = p.reserve(ROUND);
    parts.push({ at, got: p.call('read', [fd, at, ROUND]) });
  }
  end.step = p.here;
  return parts;
}

/** Writes to one end what was read at the other. */
function putBack(p: Program, to: ResultRef, at: Part['at'], got: ResultRef): void {
  const end = { step: 0 };
  p.jump(got, Cond.LE, 0, () => end.step);
  p.control(Op.WRITE_OUT, [to, at, got, -1n], { keep: false });
  end.step = p.here;
}
