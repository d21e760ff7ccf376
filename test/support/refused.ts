/** A dump that is refused: it says why, and the program, which verifies itself afterwards, does not notice. */
import { mkdirSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { TestProgram } from './program.ts';
import { OURS, run } from './tool.ts';

export interface RefusedOptions {
  readonly dumpOptions?: readonly string[];
  /** Before the program verifies itself. */
  readonly then?: (program: TestProgram) => void;
  /** Last of all, whatever happened. */
  readonly lastly?: (program: TestProgram) => void;
}

export async function refusedDump(name: string, args: readonly string[], says: RegExp, { dumpOptions = [], then, lastly }: RefusedOptions = {}): Promise<void> {
  const program = new TestProgram(name, { args });
  try {
    await program.waitFor(/^ready$/m);
    mkdirSync(program.images);
    const { status, output } = await run(OURS, ['dump', '-t', String(program.pid), '-D', program.images, ...dumpOptions]);
    assert.is(status, 1, output);
    assert.match(output, says);
    then?.(program);
    await program.verdict();
  } finally {
    await program.stop();
    lastly?.(program);
  }
}
