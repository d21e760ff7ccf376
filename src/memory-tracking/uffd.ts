/**
 * userfaultfd as a tracker: asynchronous write-protection (Linux 6.7). A write to a protected page goes on at once, the kernel only notes
 * it; nobody has to answer, so a task never waits for us. The descriptor is made by the task for its own memory, taken out, and closed there.
 */
import type { Helper, RunOptions } from '../helper/client.ts';
import type { Range } from '../helper/protocol.ts';
import { O } from '../kernel/files.ts';
import { Cond, Program, SELF_TID } from '../program/program.ts';

/** <linux/userfaultfd.h> */
const UFFD_API = 0xaan, UFFD_USER_MODE_ONLY = 1;
const UFFDIO_API = 0xc018aa3f, UFFDIO_REGISTER = 0xc020aa00;
const FEATURE_WP_UNPOPULATED = 1n << 13n, FEATURE_WP_ASYNC = 1n << 15n;
const REGISTER_MODE_WP = 2n;

const quads = (...words: bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(words).buffer);

/** What came of asking a task for its userfaultfd: the helper's number of it, or the errno. */
export type Made = { readonly held: number } | { readonly errno: number };

/**
 * Makes a userfaultfd in a task. What the program opens it closes itself, whether or not anybody is there to take it.
 * @param enter how to run a program in the task's main thread
 */
export function makeUffd(helper: Helper, pid: number, enter: RunOptions): Made {
  const program = new Program(`task ${pid}`).resource('memory tracking');
  const end = { at: 0 };
  // user mode only: needs no privilege, and what is protected so needs nobody to serve faults of the kernel
  const fd = program.call('userfaultfd', [O.CLOEXEC | UFFD_USER_MODE_ONLY], { expect: 'any' });
  program.jump(fd, Cond.LT, 0, () => end.at);
  const api = program.call('ioctl', [fd, UFFDIO_API, program.data(quads(UFFD_API, FEATURE_WP_ASYNC | FEATURE_WP_UNPOPULATED, 0n))], { expect: 'any' });
  program.call('tkill', [SELF_TID, enter.doneSignal ?? 0], { expect: 'any', keep: false });
  program.call('close', [fd], { expect: 'any', keep: false });
  end.at = program.here;
  const ran = helper.run(pid, program, { ...enter, take: fd }).check('dump');
  const held = ran.result(fd);
  const offered = held < 0n ? 0n : ran.result(api);
  if (held < 0n) return { errno: Number(-held) };
  if (offered >= 0n) return { held: Number(held) };
  helper.closeFds([Number(held)]);
  return { errno: Number(-offered) };
}

/**
 * Registers mappings, which must be whole ones: of a part the kernel makes a mapping of its own, and the program's mremap of both fails (EFAULT).
 * For the same reason nothing is unregistered piece by piece: tracking ends with the last copy of the descriptor, all at once.
 * @returns those that the kernel took
 */
export function register<T extends Range>(helper: Helper, held: number, ranges: readonly T[]): T[] {
  if (ranges.length === 0) return [];
  const program = new Program('helper').resource('memory tracking');
  const asked = ranges.map(({ address, size }) => program.call('ioctl', [held, UFFDIO_REGISTER, program.data(quads(address, size, REGISTER_MODE_WP, 0n))], { expect: 'any' }));
  const ran = helper.local(program).check('dump');
  return ranges.filter((_, i) => ran.result(asked[i]!) >= 0n);
}
