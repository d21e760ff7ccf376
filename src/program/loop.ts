/** Steps that are run a number of times: the executor counts in the program's data. */
import { Cond, type Program } from './program.ts';

export function addLoop(p: Program, times: number, body: () => void): void {
  if (times === 0) return;
  const count = p.reserve(8);
  p.store(count, 0);
  const top = p.here;
  body();
  const done = p.add(p.load(count, 8), 1);
  p.store(count, done);
  p.jump(done, Cond.LT, times, () => top);
}
