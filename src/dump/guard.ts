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
  /** In the order of the changes. */
  #undos: readonly Undo[] = [];

  /** @param run runs a shell command */
  constructor(readonly helper: Pick<Helper, 'guard' | 'local'>, readonly run: (command: string) => void) {}

  /** Called before a change. The changes are taken back in the opposite order. @returns what drop() takes */
  arm(undo: Undo): Undo {
    this.#stand([...this.#undos, undo]);
    return undo;
  }

  /** Takes everything back. */
  undo(): void {
    if (this.#undos.length === 0) return;
    this.helper.local(programOf(this.#undos)).check('dump');
    for (const command of commandsOf(this.#undos)) this.run(command);
    this.commit();
  }

  /** One change is no more, or stays. */
  drop(undo: Undo): void {
    if (this.#undos.includes(undo)) this.#stand(this.#undos.filter((one) => one !== undo));
  }

  /** What was changed stays. */
  commit(): void {
    if (this.#undos.length > 0) this.#stand([]);
  }

  #stand(undos: readonly Undo[]): void {
    if (undos.length === 0) this.helper.guard();
    else {
      const program = programOf(undos);
      const commands = commandsOf(undos);
      if (commands.length > 0) addShell(program, commands.join('\n'));
      this.helper.guard(program);
    }
    this.#undos = undos;
  }
}

function programOf(undos: readonly Undo[]): Program {
  const program = new Program('helper, undoing');
  for (const { steps } of [...undos].reverse()) steps(program);
  return program;
}

const commandsOf = (undos: readonly Undo[]): string[] => [...undos].reverse().flatMap(({ command }) => command ?? []);

/** The last step: the guard becomes a shell. */
function addShell(program: Program, command: string): void {
  const list = (texts: readonly string[]): DataRef => {
    const place = program.reserve((texts.length + 1) * 8);
    texts.forEach((text, i) => { program.store(place.at(i * 8), program.cstring(text)); });
    return place;
  };
  program.call('execve', [program.cstring('/bin/sh'), list(['sh', '-c', command]), list(['PATH=/usr/sbin:/usr/bin:/sbin:/bin'])], { expect: 'any', keep: false });
}
