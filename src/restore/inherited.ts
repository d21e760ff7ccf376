/**
 * `--inherit-fd fd[N]:RESOURCE`: descriptors of the restoring process that take the place of open files of the image. They are handed to the
 * helper before it opens anything; their numbers there are known from then on.
 */
import { StillframeError } from '../errors.ts';
import { F, O } from '../kernel/files.ts';
import { Deferred } from '../program/program.ts';
import type { RestoreContext } from './context.ts';
import type { HelperFd } from './helper-fd.ts';
import { addReopen } from './reopen.ts';

export interface InheritedFd {
  /** What of the image it stands for: `pipe:[4711]`, `socket:[4712]`, `tty[8803:18]`, `file[2a:1b3]`, `/memfd:x`, `tmp/log`. */
  readonly key: string;
  /** The restoring process's number. */
  readonly fd: number;
}

const FORM = /^fd\[(\d{1,9})\]:(.+)$/su;

/** @throws StillframeError when one is not written as it must be */
export function parseInherited(values: readonly string[]): InheritedFd[] {
  return values.map((text) => {
    const [, fd, key] = FORM.exec(text) ?? [];
    if (fd === undefined || key === undefined) {
      throw new StillframeError({ doing: 'restore', where: `--inherit-fd ${text}`, why: 'it is not of the form fd[NUM]:RESOURCE', remedy: "Write --inherit-fd 'fd[3]:pipe:[4711]' (quoted, for the shell's sake)" });
    }
    return { key, fd: Number(fd) };
  });
}

/** One of them, and its number in the helper. */
class Handed {
  held: number | undefined;
  readonly arg: Deferred;

  constructor(readonly given: InheritedFd) {
    this.arg = new Deferred(`fd ${given.fd} of the restoring process`, () => {
      if (this.held === undefined) throw new RangeError(`fd ${given.fd} was not handed to the helper yet`);
      return this.held;
    });
  }
}

/** Descriptors that were handed in, by what they stand for. */
export class Inherited {
  readonly #byKey = new Map<string, Handed>();

  constructor(given: readonly InheritedFd[]) {
    for (const one of given) {
      // the first of two with one key counts, as in criu
      if (!this.#byKey.has(one.key)) this.#byKey.set(one.key, new Handed(one));
    }
  }

  get empty(): boolean { return this.#byKey.size === 0; }

  has(key: string | undefined): boolean { return key !== undefined && this.#byKey.has(key); }

  /** The helper's number, for its program. */
  arg(key: string): Deferred { return this.#byKey.get(key)!.arg; }

  /** @param put gives a descriptor of ours to the helper, @returns its number there */
  hand(put: (fd: number) => number): void {
    for (const one of this.#byKey.values()) one.held = put(one.given.fd);
  }
}

/** The description that was handed in, shared with whoever handed it in. */
export function openAsGiven(context: RestoreContext, key: string, resource: string): HelperFd {
  const p = context.local.program.resource(resource);
  return context.local.open(resource, p.call('fcntl', [context.inherited.arg(key), F.DUPFD_CLOEXEC, 0]));
}

/** What was handed in, opened once more with the flags of the image. Never waits for the other end of a fifo. */
export function openAgain(context: RestoreContext, key: string, flags: number, resource: string): HelperFd {
  const p = context.local.program.resource(resource);
  const wait = (flags & (O.NONBLOCK | O.PATH)) === 0;
  const fd = context.local.open(resource, addReopen(context, context.inherited.arg(key), wait ? flags | O.NONBLOCK : flags, { ENXIO: 'Nobody reads from it: hand in a descriptor of a fifo that has a reader' }));
  if (wait) p.call('fcntl', [fd.ref, F.SETFL, flags & ~O.NONBLOCK], { keep: false });
  return fd;
}
