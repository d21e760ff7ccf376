/**
 * Replaces this process by another program (execvp), which Node cannot: `restore --exec-cmd -- COMMAND` makes COMMAND the parent of
 * the restored root task, and it can only be that in this very process.
 */
import { constants } from 'node:os';
import { StillframeError } from '../errors.ts';
import { loadKoffi } from '../helper/koffi-native.ts';
import { errnoName } from '../kernel/errno.ts';

/** <linux/fcntl.h> */
const F_SETFD = 2;

/** Does not return when it succeeds. */
export function exec(command: readonly string[]): never {
  const koffi = loadKoffi();
  const libc = koffi.load(null);
  const signal = libc.func('void *signal(int, intptr_t)');
  const execvp = libc.func('int execvp(const char *file, const char **argv)');
  // Node marks the descriptors it started with as close-on-exec: the new program gets its standard ones back.
  const fcntl = libc.func('int fcntl(int fd, int command, int flags)');
  for (const fd of [0, 1, 2]) fcntl(fd, F_SETFD, 0);
  // Node ignores SIGPIPE; an ignored signal would stay ignored in the new program.
  signal(constants.signals.SIGPIPE, 0);
  const [file = ''] = command;
  execvp(file, [...command, null]);
  const why = errnoName(koffi.errno());
  throw new StillframeError({ doing: 'exec-cmd', where: file, why: `cannot be started: ${why}`, remedy: 'The tree was restored and runs' });
}
