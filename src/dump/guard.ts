/**
 * What a dump changes outside of the images while a tree is frozen, and how it is taken back: on a failure, when the tree runs on, and, by
 * a process that stands guard, when the helper itself dies.
 */
import type { Helper } from '../helper/client.ts';
import { Program, type DataRef } from '../program/program.ts';

export interface Undo {
  /** Adds the steps that take back what will be done; they do no harm when it was not done. */
  readonly steps: (program: Program) => void;
  /** A shell command that is needed as well. */
  readonly command?: string | undefined;
}

export class Guard {
  #undo: Undo | undefined;

  /** @param run runs a shell command */
  constructor(readonly helper: Pick<Helper, 'guard' | 'local'>, readonly run: (command: string) => void) {}

  /** Called before the first change. */
  arm(undo: Undo): void {
    const program = programOf(undo);
    if (undo.command !== undefined) addShell(program, undo.command);
    this.helper.guard(program);
    this.#undo = undo;
  }

  /** Takes everything back. */
  undo(): void {
    if (this.#undo === undefined) return;
    this.helper.local(programOf(this.#undo)).check('dump');
    if (this.#undo.command !== undefined) this.run(this.#undo.command);
    this.commit();
  }

  /** What was changed stays. */
  commit(): void {
    if (this.#undo === undefined) return;
    this.helper.guard();
    this.#undo = undefined;
  }
}

function programOf({ steps }: Undo): Program {
  const program = new Program('helper, undoing');
  steps(program);
  return program;
}

/** The last step: the guard becomes a shell. */
function addShell(program: Program, command: string): void {
  const list = (texts: readonly string[]): DataRef => {
    const place = program.reserve((texts.length + 1) * 8);
    texts.forEach((text, i) => { program.store(place.at(i * 8), program.cstring(text)); });
    return place;
  };
  program.call('execve', [program.cstring('/bin/sh'), list(['sh', '-c', command]), list(['PATH=/usr/sbin:/usr/bin:/sbin:/bin'])], { expect: 'any', keep: false });
}
