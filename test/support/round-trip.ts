/**
 * The one checker of the end-to-end tests: start a program, dump it, restore it, let it verify itself, compare what can be seen
 * from outside. Which command dumps and which restores is a parameter, so that the same rows serve for interoperation.
 */
import * as assert from 'uvu/assert';
import { TestProgram, alive, treeOf, type StartOptions } from './program.ts';
import { differences, snapshot } from './snapshot.ts';
import { OURS, dump, restore } from './tool.ts';

export interface RoundTripOptions extends StartOptions {
  readonly dumpWith?: string;
  readonly restoreWith?: string;
  /** Dump with -R: the program must run on unchanged; it is then killed and restored from the images. */
  readonly leaveRunning?: boolean;
  readonly dumpOptions?: readonly string[];
  readonly restoreOptions?: readonly string[];
  /** Keys of the outside view that may differ: what moves by itself. */
  readonly mayDiffer?: readonly RegExp[];
  /** How often to dump and restore before the program verifies itself. */
  readonly times?: number;
  /** Looks at the program between restore and verdict. */
  readonly meanwhile?: (program: TestProgram) => Promise<void> | void;
  /** Looks at the images. */
  readonly afterDump?: (program: TestProgram, images: string) => Promise<void> | void;
  /** Who dumps and who restores, in turn, instead of the same all the `times`. */
  readonly ways?: readonly { readonly dumpWith: string; readonly restoreWith: string }[];
}

/** SIGKILL to each that is still there: a zombie may go with its parent. */
export function kill(pids: readonly number[]): void {
  for (const pid of pids) {
    try { process.kill(pid, 'SIGKILL'); } catch (error) { if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; }
  }
}

export function same(when: string, differs: readonly string[]): void {
  if (differs.length === 0) return;
  const more = differs.length > 12 ? `\n... and ${differs.length - 12} more` : '';
  throw new Error(`${when}, seen from outside, ${differs.length} things have changed:\n${differs.slice(0, 12).join('\n')}${more}`);
}

/** Returns how many checks the program found right. Leaves no process behind, whatever happens; keeps its directory on failure. */
export async function roundTrip(name: string, options: RoundTripOptions = {}): Promise<number> {
  const { leaveRunning = false, ways = [], times = Math.max(1, ways.length) } = options;
  const program = new TestProgram(name, options);
  let good = false;
  try {
    await program.waitFor(/^ready$/m);
    await new Promise((resolve) => setTimeout(resolve, 20)); // the file shows the line before the position has moved
    for (let i = 0; i < times; i++) {
      const { dumpWith = OURS, restoreWith = OURS } = ways[i] ?? options;
      const pids = treeOf(program.pid);
      const before = snapshot(program.pid, { acrossRestore: true });
      const images = `${program.images}${i === 0 ? '' : i}`;
      if (leaveRunning) {
        const exact = snapshot(program.pid);
        await dump(dumpWith, program.pid, images, ['-R', ...options.dumpOptions ?? []]);
        same('after a dump with -R', differences(exact, snapshot(program.pid), options.mayDiffer));
        kill(pids);
      } else {
        await dump(dumpWith, program.pid, images, options.dumpOptions);
      }
      await program.gone(pids);
      await options.afterDump?.(program, images);
      await restore(restoreWith, images, options.restoreOptions);
      assert.ok(alive(program.pid), `task ${program.pid} runs after the restore`);
      const after = snapshot(program.pid, { acrossRestore: true });
      same('after the restore', differences(before, after, options.mayDiffer));
    }
    await options.meanwhile?.(program);
    const checks = await program.verdict();
    good = true;
    return checks;
  } catch (error) {
    (error as Error).message += `\n(images and logs: ${program.dir})`;
    throw error;
  } finally {
    await program.stop(!good);
  }
}
