/**
 * Which kernel objects of different tasks are one and the same (kcmp(2)). kcmp orders objects, so candidates are sorted by it: all
 * comparisons of one round of a quicksort go to the helper in one program, and equal ones drop out. n objects take about 2 n ln n comparisons
 * in a few dozen requests, however they are shared.
 */
import type { Helper } from '../helper/client.ts';
import { Program } from '../program/program.ts';

/** <linux/kcmp.h> */
export const KCMP = { FILE: 0, VM: 1, FILES: 2, FS: 3, SIGHAND: 4, IO: 5, SYSVSEM: 6 } as const;

export interface Candidate {
  readonly pid: number;
  /** KCMP_FILE: the descriptor; else 0. */
  readonly index: number;
}

interface Bucket<T> { readonly type: number; readonly items: readonly T[] }

/** A program longer than this is cut: it has to fit the wire. */
const MAX_STEPS = 1 << 19;

/**
 * Sorts candidates into groups that are one object each. The first of a group is the first that was given.
 * @param buckets only members of one bucket can be the same
 */
export function sameObjects<T extends Candidate>(helper: Pick<Helper, 'local'>, buckets: readonly Bucket<T>[]): T[][] {
  const groups: T[][] = [];
  let open = buckets.filter(({ items }) => items.length > 0);
  while (open.length > 0) {
    const orders = compareRound(helper, open);
    const next: Bucket<T>[] = [];
    open.forEach(({ type, items }, i) => {
      const [pivot, ...others] = items as readonly [T, ...T[]];
      const same = [pivot], less: T[] = [], more: T[] = [];
      others.forEach((item, j) => [same, less, more][orders[i]![j]!]!.push(item));
      groups.push(same);
      for (const items of [less, more]) if (items.length > 0) next.push({ type, items });
    });
    open = next;
  }
  return groups;
}

/** For each bucket, how its first member compares with each other one: 0 the same, 1 less, 2 greater. */
function compareRound<T extends Candidate>(helper: Pick<Helper, 'local'>, buckets: readonly Bucket<T>[]): number[][] {
  const orders: number[][] = buckets.map(() => []);
  let program = new Program('helper').resource('kernel objects of the tree');
  let asked: { bucket: number; place: number; result: ReturnType<Program['call']> }[] = [];
  const flush = (): void => {
    if (asked.length === 0) return;
    const ran = helper.local(program).check('dump');
    for (const { bucket, place, result } of asked) orders[bucket]![place] = orderOf(ran.result(result));
    program = new Program('helper').resource('kernel objects of the tree');
    asked = [];
  };
  buckets.forEach(({ type, items }, bucket) => {
    const pivot = items[0]!;
    for (let i = 1; i < items.length; i++) {
      const other = items[i]!;
      asked.push({ bucket, place: i - 1, result: program.call('kcmp', [pivot.pid, other.pid, type, pivot.index, other.index]) });
      if (asked.length === MAX_STEPS) flush();
    }
  });
  flush();
  return orders;
}

/** kcmp answers 0 (equal), 1, 2 (ordered) or 3 (different, not ordered: the kernel keeps the order to itself). */
function orderOf(result: bigint): number {
  if (result === 3n) return 2;
  return Number(result);
}
