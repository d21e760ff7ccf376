/** The program `ballast` with 2 MiB: how it is changed, seen from outside, and compared with an image set. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openPath } from '../../src/inspect/node/open.ts';
import { TestProgram, until } from './program.ts';
import { differences, snapshot, type Snapshot } from './snapshot.ts';

const MIB = 2;

/** @param body is also given the paths of names in the program's directory */
export async function withBallast(body: (program: TestProgram, path: (name: string) => string) => Promise<void>): Promise<void> {
  const program = new TestProgram('ballast', { args: [String(MIB)] });
  let good = false;
  try {
    await program.waitFor(/^ready$/m);
    await body(program, (name) => join(program.dir, name));
    good = true;
  } finally {
    await program.stop(!good);
  }
}

/** Lets it change 1 % of its pages. */
export const changed = (program: TestProgram): Promise<void> => program.ask('change');

/** As seen from outside, but for the one mark that tracking leaves on mappings (flag uw in smaps). */
export const view = (pid: number): Snapshot => new Map([...snapshot(pid)].map(([key, value]) => [key, value.replace(/ uw\b/u, '')]));

/** Until it is seen as before: a helper that dies has let go in a moment. @throws with what differs */
export async function untilUnharmed(where: string, { pid }: TestProgram, before: Snapshot): Promise<void> {
  let differs: readonly string[] = [];
  await until(`${where}: unharmed`, () => (differs = differences(before, view(pid))).length === 0, 3000).catch((error: Error) => { throw new Error(`${error.message}:\n${differs.join('\n')}`); });
}

/** Whether the kernel notes what it writes. */
export const isTracked = (pid: number): boolean => /^VmFlags:.* uw/m.test(readFileSync(`/proc/${pid}/smaps`, 'latin1'));

/** That the set has the ballast as it is now. */
export async function hasBallast(dir: string, { pid, output }: TestProgram): Promise<void> {
  const start = BigInt(/^memory (\w+)$/m.exec(output)![1]!), now = Buffer.alloc(MIB * 2 ** 20), stored = Buffer.alloc(now.length);
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  assert.is(readSync(memory, now, 0, now.length, start), now.length);
  closeSync(memory);
  const set = await openPath(dir);
  for await (const piece of set.memory(pid).stored(start, start + BigInt(now.length))) stored.set(piece.bytes, Number(piece.start - start));
  await set.close();
  const differs = now.findIndex((byte, i) => byte !== stored[i]);
  assert.is(differs, -1, `${dir} has another byte ${differs} of the ballast`);
}
