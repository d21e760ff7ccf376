/**
 * What a dump changes outside of the images while a tree is frozen, and how it is taken back: on a failure, when the tree runs on, and, by
 * a process that stands guard, when the helper itself dies.
 */
import type { Helper } from '../helper/client.ts';
import { Program } from '../program/program.ts';

export class Guard {
  #undo: Program | undefined;

  constructor(readonly helper: Pick<Helper, 'guard' | 'local'>) {}

  /** Called before the first change. @param undo adds the steps that take back what will be done, and do no harm when it was not */
  arm(undo: (program: Program) => void): void {
    const program = new Program('helper, undoing');
    undo(program);
    this.helper.guard(program);
    this.#undo = program;
  }

  /** Takes everything back. */
  undo(): void {
    const program = this.#undo;
    if (program === undefined) return;
    this.helper.local(program).check('dump');
    this.commit();
  }

  /** What was changed stays. */
  commit(): void {
    if (this.#undo === undefined) return;
    this.helper.guard();
    this.#undo = undefined;
  }
}
