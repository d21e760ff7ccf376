/**
 * Terminals: both ends of pseudo-terminals of the tree, hung up or not, /dev/tty, and (`-j`) the slave of one whose master somebody else has;
 * consoles, virtual terminals and serial lines, which are devices of the machine and are opened again by their names.
 * Settings are kept, and what waits in a line of which the tree has both ends (./queue.ts).
 */
import { create } from '../../image/wire.ts';
import { fd_types, file_entry, fown_entry, tty_file_entry, tty_info_entry, tty_pty_entry, TtyType, winsize_entry } from '../../image/schema/index.ts';
import { DEVICE, encodedDevice, LAST_VT, major, minor, slaveDevice } from '../../kernel/devices.ts';
import { ERRNO } from '../../kernel/errno.ts';
import { FIONREAD, O, S } from '../../kernel/files.ts';
import type { Program, RanBlock, ResultRef } from '../../program/program.ts';
import type { DumpContext } from '../../dump/context.ts';
import { isExternal, terminalKey } from '../../dump/external.ts';
import { describeDescriptor, type Descriptor, type FileKind, type OpenFile } from '../../dump/file-kinds.ts';
import { findFdInfoField } from '../../proc/fdinfo.ts';
import { doorOf, keepContents, namedEntry, refuseNamed } from '../regular/dump.ts';
import { copyQueues, type PtyEnds } from './queue.ts';
import { decodeTermios, TERMIOS_SIZE } from './termios.ts';
import type { FileStat } from '../../kernel/stat.ts';

/** <asm-generic/ioctls.h> */
const TCGETS = 0x5401, TIOCGWINSZ = 0x5413, TIOCGLCKTRMIOS = 0x5456, TIOCGPKT = 0x80045438, TIOCGPTLCK = 0x80045439, TIOCGEXCL = 0x80045440;
const WINSIZE_SIZE = 8;
/** Ids of terminals: index << 1, and 1 for a master. /dev/tty has an index of its own above all pseudo-terminals. */
const CTTY_INDEX = 1006;
const MAX_PTY_INDEX = 1000;
/** The first device of each kind has the kind's index, others of the same kind one of these. */
const DEVICE_INDEX = { console: 1002, vt: 1004, serial: 1010 } as const, MORE_INDEXES = [1078, 1080, 1082, 1084, 1086] as const;
const DEVICE_TYPE = { console: TtyType.CONSOLE, vt: TtyType.VT, serial: TtyType.SERIAL } as const;

/** Terminals that are handed in at the restore have the indexes above, in the order they are met. */
const EXTERNAL_INDEX = 1012, MAX_EXTERNAL = 64;

const external = new WeakMap<DumpContext, Map<string, number>>();

/** The index of a terminal that --external names; undefined for all others. */
function externalIndex(descriptor: Descriptor, context: DumpContext): number | undefined {
  const key = terminalKey(descriptor);
  if (!isExternal(key, context)) return undefined;
  let known = external.get(context);
  if (known === undefined) external.set(context, known = new Map());
  let index = known.get(key);
  if (index === undefined) known.set(key, index = EXTERNAL_INDEX + known.size + 1);
  return index;
}

type DeviceKind = keyof typeof DEVICE_INDEX;
type TtyKind = 'slave' | 'master' | 'ctty' | DeviceKind;
const isDevice = (kind: TtyKind | 'external' | undefined): kind is DeviceKind => kind !== undefined && kind in DEVICE_INDEX;

function kindOf(stat: FileStat): TtyKind | undefined {
  if ((Number(stat.mode) & S.IFMT) !== S.IFCHR) return undefined;
  const number = major(stat.rdev);
  if (number >= DEVICE.PTY_SLAVE && number < DEVICE.PTY_SLAVE + DEVICE.PTY_MAJORS) return 'slave';
  if (number >= DEVICE.PTY_MASTER && number < DEVICE.PTY_MASTER + DEVICE.PTY_MAJORS) return 'master';
  if (number === DEVICE.TTYAUX) return ([ 'ctty', 'console', 'master' ] as const)[minor(stat.rdev)];
  if (number === DEVICE.TTY) return minor(stat.rdev) > 0 && minor(stat.rdev) <= LAST_VT ? 'vt' : 'serial';
  return number === DEVICE.USB_SERIAL || number === DEVICE.LOW_DENSE_SERIAL ? 'serial' : undefined;
}

/** Which pseudo-terminal: a master's descriptor says it in its fdinfo, a slave's in its name. NaN when neither does. */
function indexOf({ link, stat, info }: Descriptor): number {
  const kind = kindOf(stat);
  if (kind === 'ctty') return CTTY_INDEX;
  if (kind === 'master') return Number(findFdInfoField(info, 'tty-index') ?? NaN);
  return Number(/\/(\d+)(?: \(deleted\))?$/u.exec(link)?.[1] ?? NaN);
}

export const terminals: FileKind = {
  type: fd_types.TTY,
  claims: ({ stat }) => kindOf(stat) !== undefined,
  refuse: (descriptor, context) => {
    const handedIn = externalIndex(descriptor, context);
    if (handedIn !== undefined) return handedIn > EXTERNAL_INDEX + MAX_EXTERNAL ? { why: `the image format has room for ${MAX_EXTERNAL} external terminals` } : undefined;
    const kind = kindOf(descriptor.stat);
    if ((descriptor.info.flags & O.PATH) !== 0) return { why: 'a terminal held by O_PATH is not supported yet' };
    if (isDevice(kind)) return deviceIndex(descriptor, context) === undefined ? { why: 'the image format has no room for so many consoles, virtual terminals and serial lines' } : refuseNamed(doorOf(descriptor), context);
    const index = indexOf(descriptor);
    if (!(index >= 0) || (index > MAX_PTY_INDEX && kind !== 'ctty')) return { why: `the image format has no room for terminal ${index} (the last one is ${MAX_PTY_INDEX})` };
    return undefined;
  },
  collect: (all, _files, context) => {
    const own = all.filter(({ descriptors: [first] }) => externalIndex(first!, context) === undefined);
    refuseOutside(own, context);
    pairs.set(context, pairEnds(own));
  },
  ask: askTerminal,
  entry: (file, context) => {
    const first = file.descriptors[0]!;
    const { id } = file;
    const own = { id, tty_info_id: infoId(first, context), flags: first.info.flags, fown: create(fown_entry, file.owner) };
    if (externalIndex(first, context) !== undefined) return { tty: create(tty_file_entry, own) };
    const regf = nameIds.get(file) ?? context.newFileId();
    const named = doorOf(first);
    context.tree.files.set(regf, create(file_entry, { type: fd_types.REG, id: regf, reg: namedEntry(regf, named, { flags: first.info.flags, pos: first.info.pos, owner: file.owner }) }));
    return { tty: create(tty_file_entry, { ...own, regf_id: regf }) };
  },
};

/** Pseudo-terminals of which the tree has both ends, by index. */
const pairs = new WeakMap<DumpContext, ReadonlyMap<number, PtyEnds>>();

function pairEnds(own: readonly OpenFile[]): Map<number, PtyEnds> {
  const found = new Map<number, PtyEnds>();
  const readable = own.map(({ descriptors: [first] }) => first!).filter(({ info }) => (info.flags & O.ACCMODE) === O.RDWR);
  for (const master of readable.filter(({ stat }) => kindOf(stat) === 'master')) {
    const slave = readable.find((d) => kindOf(d.stat) === 'slave' && !isGone(d) && indexOf(d) === indexOf(master));
    if (slave !== undefined) found.set(indexOf(master), { master, slave });
  }
  return found;
}

/** A hung up terminal's master is closed: it needs none outside. */
const isGone = ({ link }: Descriptor): boolean => link.endsWith(' (deleted)');

const OUTSIDE = { why: 'its terminal is outside of the tree', remedy: 'Say with -j (--shell-job) that the terminal may be another one after the restore' };

/** Without -j a slave needs its master in the tree, and /dev/tty the leader of its session. */
function refuseOutside(own: readonly OpenFile[], context: DumpContext): void {
  if (context.options.shellJob) return;
  const masters = new Set(own.map(({ descriptors: [first] }) => first!).filter(({ stat }) => kindOf(stat) === 'master').map(indexOf));
  for (const { descriptors: [first] } of own) {
    const kind = kindOf(first!.stat);
    const inside = kind === 'slave' ? masters.has(indexOf(first!)) || isGone(first!) : kind !== 'ctty' || context.tasks.some(({ pid }) => pid === first!.task.stat.sid);
    if (!inside) context.refusals.add(describeDescriptor(first!), OUTSIDE.why, OUTSIDE.remedy);
  }
}

/** Ids of the files image that were given to names already: those of deleted devices. */
const nameIds = new WeakMap<OpenFile, number>();
const indexes = new WeakMap<DumpContext, Map<bigint, number>>();

/** The index that stands for a console, virtual terminal or serial line; undefined when they are used up. */
function deviceIndex({ stat }: Descriptor, context: DumpContext): number | undefined {
  const kind = kindOf(stat);
  if (!isDevice(kind)) return undefined;
  let known = indexes.get(context);
  if (known === undefined) indexes.set(context, known = new Map());
  const taken = new Set(known.values());
  const index = known.get(stat.rdev) ?? [DEVICE_INDEX[kind], ...MORE_INDEXES].find((free) => !taken.has(free));
  if (index !== undefined) known.set(stat.rdev, index);
  return index;
}

function infoId(descriptor: Descriptor, context: DumpContext): number {
  const handedIn = externalIndex(descriptor, context);
  if (handedIn !== undefined) return handedIn << 1;
  return ((deviceIndex(descriptor, context) ?? indexOf(descriptor)) << 1) | (kindOf(descriptor.stat) === 'master' ? 1 : 0);
}

/** Adds to the set what the terminal itself is like, once a terminal. */
function askTerminal(program: Program, held: ResultRef, file: OpenFile, context: DumpContext): (ran: RanBlock) => void {
  const first = file.descriptors[0]!;
  const id = infoId(first, context);
  const handedIn = externalIndex(first, context) !== undefined;
  if (isDevice(kindOf(first.stat)) && !handedIn) {
    const regf = context.newFileId();
    nameIds.set(file, regf);
    keepContents(regf, doorOf(first), context);
  }
  if (context.tree.ttys.has(id)) return () => {};
  const kind = handedIn ? 'external' : kindOf(first.stat);
  const pty = kind === 'master' || kind === 'slave';
  const info = create(tty_info_entry, {
    id, type: kind === 'external' ? TtyType.EXT_TTY : isDevice(kind) ? DEVICE_TYPE[kind] : pty ? TtyType.PTY : TtyType.CTTY, locked: false, exclusive: false, packet_mode: false, ...controlling(first, context),
    rdev: Number(BigInt.asUintN(32, first.stat.rdev)), dev: Number(BigInt.asUintN(32, first.stat.dev)), uid: Number(first.stat.uid), gid: Number(first.stat.gid),
    pty: pty ? create(tty_pty_entry, { index: indexOf(first) }) : undefined,
  });
  context.tree.ttys.set(id, info);
  const word = (request: number): readonly [() => number, (ran: RanBlock) => boolean] => {
    const at = program.reserve(8);
    const result = program.call('ioctl', [held, request, at], { expect: 'any' });
    let failed = 0;
    return [() => failed, (ran) => (failed = Number(ran.result(result)), failed === 0 && ran.data(at).readInt32LE(0) !== 0)];
  };
  const exclusive = word(TIOCGEXCL);
  const packet = kind === 'master' ? word(TIOCGPKT) : undefined;
  const locked = kind === 'master' ? word(TIOCGPTLCK) : undefined;
  const ends = kind === 'master' ? pairs.get(context)?.get(indexOf(first)) : undefined;
  const waiting = ends === undefined ? undefined : askWaiting(program, held, ends);
  const settings = program.reserve(TERMIOS_SIZE);
  const locks = program.reserve(TERMIOS_SIZE);
  const size = program.reserve(WINSIZE_SIZE);
  const any = { expect: 'any' } as const;
  const gotSettings = program.call('ioctl', [held, TCGETS, settings], any);
  program.call('ioctl', [held, TIOCGLCKTRMIOS, locks], { ...any, keep: false });
  program.call('ioctl', [held, TIOCGWINSZ, size], { ...any, keep: false });
  return (ran) => {
    info.exclusive = exclusive[1](ran);
    info.packet_mode = packet?.[1](ran) ?? false;
    info.locked = locked?.[1](ran) ?? false;
    // a terminal that was hung up answers EIO to everything: nothing more is known of it
    if (exclusive[0]() === -ERRNO.EIO || ran.result(gotSettings) !== 0n) return;
    info.termios = decodeTermios(ran.data(settings));
    info.termios_locked = decodeTermios(ran.data(locks));
    if (ends !== undefined && waiting?.(ran) === true) copyQueues(ends, { master: info, termios: info.termios }, context);
    const w = ran.data(size);
    info.winsize = create(winsize_entry, { ws_row: w.readUInt16LE(0), ws_col: w.readUInt16LE(2), ws_xpixel: w.readUInt16LE(4), ws_ypixel: w.readUInt16LE(6) });
  };
}

/** Whether something waits at either end. */
function askWaiting(program: Program, master: ResultRef, { slave }: PtyEnds): (ran: RanBlock) => boolean {
  const counts = program.reserve(8);
  const target = program.call('pidfd_open', [slave.task.pid, 0]);
  const held = program.call('pidfd_getfd', [target, slave.fd, 0]);
  program.call('ioctl', [master, FIONREAD, counts], { keep: false, expect: 'any' });
  program.call('ioctl', [held, FIONREAD, counts.at(4)], { keep: false, expect: 'any' });
  for (const fd of [held, target]) program.call('close', [fd], { keep: false });
  return (ran) => ran.data(counts).readInt32LE(0) > 0 || ran.data(counts).readInt32LE(4) > 0;
}

/** Session and foreground group of the terminal: what the tasks say whose controlling terminal it is. */
function controlling(descriptor: Descriptor, { tasks }: DumpContext): { sid: number; pgrp: number } {
  const kind = kindOf(descriptor.stat);
  const device = kind === 'ctty' ? descriptor.task.stat.tty : encodedDevice(isDevice(kind) ? descriptor.stat.rdev : slaveDevice(indexOf(descriptor)));
  const holder = isGone(descriptor) || device === 0 ? undefined : tasks.find(({ stat, zombie }) => !zombie && stat.tty === device);
  return holder === undefined ? { sid: 0, pgrp: 0 } : { sid: holder.stat.sid, pgrp: Math.max(0, holder.stat.tpgid) };
}
