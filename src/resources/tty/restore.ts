/** Terminals: with -j the restoring process's own terminal takes the place of the one the tree was on. */
import type { file_entry, termios_entry, tty_info_entry } from '../../image/schema/index.ts';
import { TtyType } from '../../image/schema/index.ts';
import type { FrozenTree } from '../../image/tree.ts';
import { AT_FDCWD, F, O, TCSETS } from '../../kernel/files.ts';
import { SIG, SIG_BLOCK, SIGSET_SIZE } from '../../kernel/signals.ts';
import { HelperFd } from '../../restore/helper-fd.ts';
import type { FileKind } from '../../restore/kinds.ts';
import { reopen } from '../ghost/restore.ts';

const TTY = 11;
/** makedev(5, 2): /dev/ptmx, what a master is open on. */
const PTMX = 0x502;
/** struct termios of the kernel: four words, c_line, 19 control characters. */
const NCCS = 19;

function infoOf(tree: FrozenTree, file: file_entry): tty_info_entry | undefined {
  return file.tty === undefined ? undefined : tree.ttys.get(file.tty.tty_info_id);
}

function nameOf(file: file_entry, tree: FrozenTree): string {
  const info = infoOf(tree, file);
  const reg = file.tty?.regf_id === undefined ? undefined : tree.files.get(file.tty.regf_id)?.reg;
  return reg?.name ?? (info?.pty === undefined ? `terminal ${file.id}` : `/dev/pts/${info.pty.index}`);
}

export const terminals: FileKind = {
  types: [TTY],
  describe: (file, tree) => `terminal ${nameOf(file, tree)}`,
  check(files, context) {
    let needed = false;
    for (const file of files) {
      const where = terminals.describe(file, context.tree);
      const info = infoOf(context.tree, file);
      if (info === undefined) context.refuse(where, 'its record in tty-info.img is missing', 'The image is damaged: take another');
      else if (info.type === TtyType.CTTY) needed = needed || context.options.shellJob;
      else if (info.type !== TtyType.PTY) context.refuse(where, `terminals of type ${info.type} cannot be restored yet`);
      else if (info.rdev === PTMX) context.refuse(where, 'it is the master of a pseudo-terminal', 'Masters inside the tree cannot be restored yet');
      else if (!context.options.shellJob) context.refuse(where, 'the tree was on a terminal that is not part of it', 'Restore it with -j (--shell-job) to put it on this terminal');
      else needed = true;
    }
    if (needed && context.host.terminal === undefined) {
      context.refuse('terminal', 'the tree was on a terminal, and this process has none to give it: standard input, output and error are no terminals',
        'Run the restore in a terminal');
    }
  },
  open(files, context) {
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
        const set = p.data(Buffer.from(BigUint64Array.of(1n << BigInt(SIG.TTOU - 1)).buffer));
        p.call('rt_sigprocmask', [SIG_BLOCK, set, 0, SIGSET_SIZE], { keep: false });
        p.call('ioctl', [fd.ref, TCSETS, p.data(encodeTermios(info.termios))], { keep: false });
      }
      p.call('close', [ours], { keep: false });
      context.foregroundFd ??= fd;
      context.files.set(file.id, fd);
    }
  },
};

function encodeTermios(termios: termios_entry): Buffer {
  const bytes = Buffer.alloc(36);
  [termios.c_iflag, termios.c_oflag, termios.c_cflag, termios.c_lflag].forEach((word, i) => bytes.writeUInt32LE(word >>> 0, 4 * i));
  bytes.writeUInt8(termios.c_line & 255, 16);
  // the image's words hold four control characters each (see dump.ts)
  Buffer.from(Uint32Array.from(termios.c_cc).buffer).copy(bytes, 17, 0, NCCS);
  return bytes;
}
