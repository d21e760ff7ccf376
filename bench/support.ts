/** What several benchmarks need. */
import { TestProgram } from '../test/support/program.ts';

/**
 * Takes memory and gives it back. A virtual machine gets a page from its host when it touches it for the first time, which takes eight times as long
 * as filling it (2,500 ms a GiB, later 300): whoever came first would pay for that. Seconds later the host may have it back (free page reporting): to be done
 * before each run.
 */
export async function touchMemory(mib: number): Promise<void> {
  if (mib < 1) return;
  const program = new TestProgram('load', { args: ['memory', String(Math.ceil(mib))] });
  try {
    await program.waitFor(/^ready$/m, 300_000);
  } finally {
    await program.stop();
  }
}
