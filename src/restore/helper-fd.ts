/**
 * What the helper does by itself before any task exists: one LOCAL program that opens every file description, makes pipes,
 * ghost files and shared memory. Tasks fetch the descriptors from the helper (pidfd_getfd).
 */
import { AT_FDCWD, O } from '../kernel/files.ts';
import { Deferred, Program, type RanBlock, type ResultRef } from '../program/program.ts';

/** Numbers that files have for a moment, so that their names below /proc/self/fd are known beforehand. Nothing else may be given them. */
export const SPOTS = { watched: 998, reopen: 999 } as const;

/** A descriptor that the local program opens. Its number is known once that program ran. */
export class HelperFd {
  #number: number | undefined;
  /** For steps of tasks. */
  readonly arg: Deferred;

  /** @param ref its number for later steps of the local program itself */
  constructor(readonly label: string, readonly ref: ResultRef) {
    this.arg = new Deferred(`fd of ${label}`, () => this.number);
  }

  get number(): number {
    if (this.#number === undefined) throw new RangeError(`${this.label} is not open yet`);
    return this.#number;
  }

  /** Takes its number from the program's results. */
  settle(ran: RanBlock): void {
    this.#number = Number(ran.result(this.ref));
  }
}

/** Something outside the helper that a step makes and that a failed restore has to take back. */
interface Undo {
  readonly step: number;
  readonly undone: () => number;
  readonly add: (program: Program, ran: RanBlock) => void;
}

export class LocalPlan {
  readonly program = new Program('helper');
  readonly opened: HelperFd[] = [];
  /** What is under the SPOTS while no file is. */
  readonly plug: ResultRef;
  #undos: Undo[] = [];

  constructor() {
    const p = this.program.resource('numbers of the restore');
    this.plug = p.call('openat', [AT_FDCWD, p.cstring('/dev/null'), O.RDONLY | O.CLOEXEC, 0]);
    for (const spot of Object.values(SPOTS)) p.call('dup3', [this.plug, spot, O.CLOEXEC], { keep: false });
  }

  /** Remembers a descriptor that a step opened. */
  open(label: string, ref: ResultRef): HelperFd {
    const fd = new HelperFd(label, ref);
    this.opened.push(fd);
    return fd;
  }

  /**
   * Declares how to take back what the steps `from` (made) to `until` (which itself takes it back) leave when the program fails between.
   * `until` Infinity: it is to be taken back also when the restore fails later.
   * @param add adds the steps that take it back to an undo program; `ran` has the results of the steps that were done
   */
  undo(from: number, until: number | (() => number), add: (program: Program, ran: RanBlock) => void): void {
    this.#undos.push({ step: from, undone: typeof until === 'number' ? () => until : until, add });
  }

  /** The program that takes back what a run left that failed at step `at` (Infinity: that succeeded); undefined when it left nothing. */
  undoAt(ran: RanBlock, at = Infinity): Program | undefined {
    const left = this.#undos.filter(({ step, undone }) => at > step && at <= undone());
    if (left.length === 0) return undefined;
    const program = new Program('helper, undoing');
    for (const { add } of left.reverse()) add(program, ran);
    return program.steps.length === 0 ? undefined : program;
  }

  /** Declares what a person is to be told when a step that may fail did. */
  warnIfFailed(ref: ResultRef, text: string): void {
    this.#warnings.push({ ref, text });
  }
  #warnings: { readonly ref: ResultRef; readonly text: string }[] = [];

  warnings(ran: RanBlock): string[] {
    return this.#warnings.filter(({ ref }) => ran.result(ref) < 0n).map(({ text }) => text);
  }

  settle(ran: RanBlock): void {
    for (const fd of this.opened) fd.settle(ran);
  }
}
