/** Terminals: descriptions, settings, queued data. */
import { enumeration, message, opt, rep, req, type Message } from './define.ts';
import { fown_entry } from './files.ts';

export const TtyType = enumeration({ UNKNOWN: 0, PTY: 1, CONSOLE: 2, VT: 3, CTTY: 4, EXT_TTY: 5, SERIAL: 6 });

export const winsize_entry = message('winsize_entry', {
  ws_row: req.uint32(1),
  ws_col: req.uint32(2),
  ws_xpixel: req.uint32(3),
  ws_ypixel: req.uint32(4),
});
export type winsize_entry = Message<typeof winsize_entry>;

export const termios_entry = message('termios_entry', {
  c_iflag: req.uint32(1),
  c_oflag: req.uint32(2),
  c_cflag: req.uint32(3),
  c_lflag: req.uint32(4),
  c_line: req.uint32(5),
  c_ispeed: req.uint32(6),
  c_ospeed: req.uint32(7),
  c_cc: rep.uint32(8),
});
export type termios_entry = Message<typeof termios_entry>;

export const tty_pty_entry = message('tty_pty_entry', { index: req.uint32(1) });
export type tty_pty_entry = Message<typeof tty_pty_entry>;

export const tty_data_entry = message('tty_data_entry', { tty_id: req.uint32(1), data: req.bytes(2) });
export type tty_data_entry = Message<typeof tty_data_entry>;

export const tty_info_entry = message('tty_info_entry', {
  id: req.uint32(1),
  type: req.enum(2, TtyType),
  locked: req.bool(3),
  exclusive: req.bool(4),
  packet_mode: req.bool(5),
  sid: req.uint32(6),
  pgrp: req.uint32(7),
  rdev: req.uint32(8),
  termios: opt.msg(9, () => termios_entry),
  termios_locked: opt.msg(10, () => termios_entry),
  winsize: opt.msg(11, () => winsize_entry),
  pty: opt.msg(12, () => tty_pty_entry),
  dev: opt.uint32(13),
  uid: opt.uint32(14),
  gid: opt.uint32(15),
});
export type tty_info_entry = Message<typeof tty_info_entry>;

export const tty_file_entry = message('tty_file_entry', {
  id: req.uint32(1),
  tty_info_id: req.uint32(2),
  flags: req.uint32(3, { hex: true }),
  fown: req.msg(4, () => fown_entry),
  regf_id: opt.uint32(6),
});
export type tty_file_entry = Message<typeof tty_file_entry>;
