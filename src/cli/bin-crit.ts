/** The program behind bin/crit (bundled into dist/crit.cjs). */
import { crit } from '../crit/main.ts';

/** Runs a command line and leaves the exit code. */
export function run(args: readonly string[]): void {
  process.exitCode = crit(args);
}
