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
  /** Keys of the outside view that may differ after a restore. */
  readonly mayDiffer?: readonly RegExp[];
  /** How often to dump and restore before the program verifies itself. */
  readonly times?: number;
  /** Looks at the program between restore and verdict. */
  readonly meanwhile?: (program: TestProgram) => Promise<void> | void;
  /** Looks at the images. */
  readonly afterDump?: (program: TestProgram) => Promise<void> | void;
}

/** Returns how many checks the program found right. Leaves no process behind, whatever happens; keeps its directory on failure. */
export async function roundTrip(name: string, options: RoundTripOptions = {}): Promise<number> {
  const { dumpWith = OURS, restoreWith = OURS, leaveRunning = false, times = 1 } = options;
  const program = new TestProgram(name, options);
  let good = false;
  try {
    await program.waitFor(/^ready$/m);
    for (let i = 0; i < times; i++) {
      const pids = treeOf(program.pid);
      const before = snapshot(program.pid, { acrossRestore: true });
      const images = `${program.images}${i === 0 ? '' : i}`;
      if (leaveRunning) {
        const exact = snapshot(program.pid);
        await dump(dumpWith, program.pid, images, ['-R', ...options.dumpOptions ?? []]);
        assert.equal(differences(exact, snapshot(program.pid)), [], 'after a dump with -R something has changed');
        for (const pid of pids) process.kill(pid, 'SIGKILL');
      } else {
        await dump(dumpWith, program.pid, images, options.dumpOptions);
      }
      await program.gone(pids);
      await options.afterDump?.(program);
      await restore(restoreWith, images, options.restoreOptions);
      assert.ok(alive(program.pid), `task ${program.pid} runs after the restore`);
      const after = snapshot(program.pid, { acrossRestore: true });
      assert.equal(differences(before, after, options.mayDiffer), [], 'seen from outside, something has changed');
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
