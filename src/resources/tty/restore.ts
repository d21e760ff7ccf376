/**
 * Terminals: pseudo-terminals of the tree are made again (./pair.ts), with -j the restoring process's own terminal takes the place of the
 * one the tree was on, /dev/tty is opened by a task whose controlling terminal it is, and devices (consoles, virtual terminals, serial lines)
 * by their names.
 */
import type { file_entry, reg_file_entry, tty_info_entry } from '../../image/schema/index.ts';
import { TtyType } from '../../image/schema/index.ts';
import type { FrozenTree } from '../../image/tree.ts';
import { isHarmlessDevice } from '../../kernel/devices.ts';
import { AT_FDCWD, F, O, TCSETS } from '../../kernel/files.ts';
import { SIG, SIG_BLOCK, SIGSET_SIZE } from '../../kernel/signals.ts';
import { HelperFd } from '../../restore/helper-fd.ts';
import { openAsGiven } from '../../restore/inherited.ts';
import type { Program } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import type { FileKind } from '../../restore/kinds.ts';
import { checkRemap, reopen } from '../ghost/restore.ts';
import { openReg, regOf } from '../regular/restore.ts';
import { addMaster, addQueued, addSettings, addSlave, type PtyPlan } from './pair.ts';
import { encodeTermios } from './termios.ts';

const TTY = 11;
function infoOf(tree: FrozenTree, file: file_entry): tty_info_entry | undefined {
  return file.tty === undefined ? undefined : tree.ttys.get(file.tty.tty_info_id);
}

function nameOf(file: file_entry, tree: FrozenTree): string {
  const info = infoOf(tree, file);
  const reg = file.tty?.regf_id === undefined ? undefined : tree.files.get(file.tty.regf_id)?.reg;
  return reg?.name ?? (info?.pty === undefined ? `terminal ${file.id}` : `/dev/pts/${info.pty.index}`);
}

/** Pseudo-terminals that are made again: with their master in the tree, or hung up (then nothing is known of their settings). */
function pairsOf({ tree }: RestoreContext): Map<number, PtyPlan> {
  const pairs = new Map<number, PtyPlan>();
  for (const info of tree.ttys.values()) {
    if (info.type !== TtyType.PTY || info.pty === undefined) continue;
    const { index } = info.pty;
    const master = tree.ttys.get((index << 1) | 1);
    if (master !== undefined || info.termios === undefined) pairs.set(index, { index, master, slave: tree.ttys.get(index << 1) });
  }
  return pairs;
}

/** Whether /dev/tty of these descriptions is a terminal of the tree: then a task opens it. */
const ownsTerminal = (info: tty_info_entry | undefined, { tree }: RestoreContext): boolean => info?.type === TtyType.CTTY && tree.tasks.has(info.sid);

export const terminals: FileKind = {
  types: [TTY],
  describe: (file, tree) => `terminal ${nameOf(file, tree)}`,
  keys(file, tree) {
    const info = infoOf(tree, file);
    return info === undefined ? [] : [keyOf(info)];
  },
  openInherited: openHandedIn,
  check(files, context) {
    const pairs = pairsOf(context);
    let needed = false;
    for (const file of files) {
      const where = terminals.describe(file, context.tree);
      const info = infoOf(context.tree, file);
      if (info === undefined) context.refuse(where, 'its record in tty-info.img is missing', 'The image is damaged: take another');
      else if (ownsTerminal(info, context)) continue;
      else if (info.type === TtyType.CTTY) needed = needed || context.options.shellJob;
      else if (isDevice(info)) checkDevice(file, info, context);
      else if (info.type === TtyType.EXT_TTY) context.refuse(where, 'it was dumped as external: it has to be handed in', `Open it as some descriptor N of the restore, and say --inherit-fd 'fd[N]:${keyOf(info)}'`);
      else if (info.type !== TtyType.PTY) context.refuse(where, `terminals of type ${info.type} cannot be restored yet`);
      else if (info.pty === undefined || info.pty.index !== info.id >> 1) context.refuse(where, 'its record in tty-info.img has no index, or another one than its id says', 'The image is damaged: take another');
      else if (pairs.has(info.pty.index)) continue;
      else if (!context.options.shellJob) context.refuse(where, 'the tree was on a terminal that is not part of it', 'Restore it with -j (--shell-job) to put it on this terminal');
      else needed = true;
    }
    if (needed && context.host.terminal === undefined) {
      context.refuse('terminal', 'the tree was on a terminal, and this process has none to give it: standard input, output and error are no terminals',
        'Run the restore in a terminal');
    }
  },
  open(files, context) {
    const pairs = pairsOf(context);
    for (const plan of pairs.values()) openPair(context, plan, files.filter((file) => infoOf(context.tree, file)?.pty?.index === plan.index));
    const others = files.filter((file) => !pairs.has(infoOf(context.tree, file)?.pty?.index ?? -1));
    openDevices(context, others.filter((file) => isDevice(infoOf(context.tree, file))));
    openInherited(context, others.filter((file) => !isDevice(infoOf(context.tree, file))));
  },
  opensIn: (file, context) => (ownsTerminal(infoOf(context.tree, file), context) ? 'processes' : undefined),
  openIn: (p, file) => p.call('openat', [AT_FDCWD, p.cstring('/dev/tty'), ((file.tty?.flags ?? 0) & ~O.CREAT) | O.CLOEXEC, 0]),
};

/** What --inherit-fd calls it. */
const keyOf = ({ rdev, dev }: tty_info_entry): string => `tty[${rdev.toString(16)}:${(dev ?? 0).toString(16)}]`;

const settled = new WeakMap<RestoreContext, Set<number>>();

/** A terminal that was handed in gets the settings it had; whose controlling terminal it was, to that session it is again. */
function openHandedIn(file: file_entry, key: string, context: RestoreContext): HelperFd {
  const info = infoOf(context.tree, file)!;
  const resource = `file ${file.id} (${key}, handed in)`;
  const fd = openAsGiven(context, key, resource);
  let done = settled.get(context);
  if (done === undefined) settled.set(context, done = new Set());
  if (done.has(info.id)) return fd;
  done.add(info.id);
  blockTtou(context.local.program);
  addSettings(context.local.program, fd.ref, undefined, { index: info.id, master: undefined, slave: { ...info, uid: undefined, gid: undefined } });
  if (info.sid !== 0 && context.tree.tasks.has(info.sid)) context.controlling.set(info.sid, { fd, pgrp: info.pgrp });
  return fd;
}

const isDevice = (info: tty_info_entry | undefined): boolean => info?.type === TtyType.CONSOLE || info?.type === TtyType.VT || info?.type === TtyType.SERIAL;

const nameEntry = (file: file_entry, { tree }: RestoreContext): reg_file_entry | undefined => (file.tty?.regf_id === undefined ? undefined : regOf(tree, file.tty.regf_id));

function checkDevice(file: file_entry, info: tty_info_entry, context: RestoreContext): void {
  const where = terminals.describe(file, context.tree);
  const name = nameEntry(file, context);
  if (name === undefined) context.refuse(where, 'the name of its device is not in files.img', 'The image is damaged: take another');
  else checkRemap(context, name);
  if (!isHarmlessDevice(BigInt(info.rdev))) context.refuse(where, `its record in tty-info.img is of device 0x${info.rdev.toString(16)}, which is no terminal`, 'The image is damaged: take another');
}

/** Consoles, virtual terminals and serial lines of this machine, with the settings they had. */
function openDevices(context: RestoreContext, files: readonly file_entry[]): void {
  const p = context.local.program;
  const done = new Set<number>();
  for (const file of files) {
    const [info, name] = [infoOf(context.tree, file)!, nameEntry(file, context)];
    if (file.tty === undefined || name === undefined) continue;
    const resource = `file ${file.id} (${terminals.describe(file, context.tree)})`;
    const fd = openReg(context, name, file.tty.flags | O.NOCTTY, resource);
    context.files.set(file.id, fd);
    if (done.has(info.id)) continue;
    done.add(info.id);
    p.resource(resource);
    blockTtou(p);
    addSettings(p, fd.ref, undefined, { index: info.id, master: undefined, slave: { ...info, uid: undefined, gid: undefined } });
    if (info.sid !== 0 && context.tree.tasks.has(info.sid)) context.controlling.set(info.sid, { fd, pgrp: info.pgrp });
  }
}

/** Makes one pseudo-terminal and opens all descriptions of it. */
function openPair(context: RestoreContext, plan: PtyPlan, files: readonly file_entry[]): void {
  const p = context.local.program;
  const resource = `terminal /dev/pts/${plan.index}`;
  p.resource(resource);
  blockTtou(p);
  const masterFile = files.find((file) => infoOf(context.tree, file)?.id === plan.master?.id);
  const master = addMaster(p, plan.index, masterFile === undefined ? '/dev/ptmx' : nameOf(masterFile, context.tree));
  const base = addSlave(p, master, O.RDWR);
  for (const file of files) {
    if (file.tty === undefined) continue;
    const name = `file ${file.id} (${terminals.describe(file, context.tree)})`;
    p.resource(name);
    if (file === masterFile) {
      p.call('fcntl', [master, F.SETFL, file.tty.flags & (O.NONBLOCK | O.APPEND)], { keep: false });
      context.files.set(file.id, context.local.open(name, master));
    } else if (plan.master !== undefined && file.tty.tty_info_id === plan.master.id) {
      context.files.set(file.id, context.local.open(name, p.call('fcntl', [master, F.DUPFD_CLOEXEC, 0])));
    } else {
      context.files.set(file.id, context.local.open(name, addSlave(p, master, file.tty.flags)));
    }
  }
  p.resource(resource);
  const sid = (plan.slave ?? plan.master)?.sid ?? 0;
  const pgrp = (plan.slave ?? plan.master)?.pgrp ?? 0;
  addQueued(p, base, master, plan, context.tree.tty_data.filter(({ tty_id }) => tty_id >> 1 === plan.index));
  addSettings(p, base, masterFile === undefined ? undefined : master, plan);
  if (sid !== 0 && context.tree.tasks.has(sid)) context.controlling.set(sid, { fd: context.local.open(resource, base), pgrp });
  else p.call('close', [base], { keep: false });
  if (masterFile === undefined) p.call('close', [master], { keep: false }); // the slaves are hung up, as they were
}

/** A background process may set a terminal's attributes only with this signal out of the way. */
function blockTtou(p: Program): void {
  const set = p.data(Buffer.from(BigUint64Array.of(1n << BigInt(SIG.TTOU - 1)).buffer));
  p.call('rt_sigprocmask', [SIG_BLOCK, set, 0, SIGSET_SIZE], { keep: false });
}

/** Descriptions of the terminal that the tree was started on: ours takes its place. */
function openInherited(context: RestoreContext, files: readonly file_entry[]): void {
  const p = context.local.program;
  const done = new Set<number>();
  for (const file of files) {
    const info = infoOf(context.tree, file);
    if (file.tty === undefined || info === undefined) continue;
    const resource = `file ${file.id} (${terminals.describe(file, context.tree)})`;
    p.resource(resource);
    if (info.type === TtyType.CTTY) {
      context.files.set(file.id, context.local.open(resource, p.call('openat', [AT_FDCWD, p.cstring('/dev/tty'), (file.tty.flags & ~O.CREAT) | O.CLOEXEC, 0])));
      continue;
    }
    const ours = p.call('fcntl', [context.terminal, F.DUPFD_CLOEXEC, 0]);
    const fd = context.local.open(resource, reopen(context, new HelperFd(resource, ours), file.tty.flags));
    if (info.termios !== undefined && !done.has(info.id)) {
      done.add(info.id);
      blockTtou(p);
      p.call('ioctl', [fd.ref, TCSETS, p.data(encodeTermios(info.termios))], { keep: false });
    }
    p.call('close', [ours], { keep: false });
    context.foregroundFd ??= fd;
    context.foregroundGroup ||= info.pgrp;
    context.files.set(file.id, fd);
  }
}
