/** Which kernel objects of different tasks are one and the same (kcmp(2)). The helper sorts them, since kcmp orders objects. */
import type { Helper } from '../helper/client.ts';
import { OBJECT_WORDS } from '../helper/protocol.ts';

/** <linux/kcmp.h> */
export const KCMP = { FILE: 0, VM: 1, FILES: 2, FS: 3, SIGHAND: 4, IO: 5, SYSVSEM: 6 } as const;

/** How an object is found. */
export interface ObjectOf<T> {
  /** KCMP_* */
  readonly type: (item: T) => number;
  /** 32 bits; those with different keys are known to be different. */
  readonly key: (item: T) => number;
  readonly pid: (item: T) => number;
  /** KCMP_FILE: the descriptor; else 0. */
  readonly index: (item: T) => number;
}

/** Groups of one object each, by the place of their first; each in the order given. */
export function sameObjects<T>(helper: Pick<Helper, 'same'>, items: readonly T[], { type, key, pid, index }: ObjectOf<T>): T[][] {
  const words = new Uint32Array(items.length * OBJECT_WORDS);
  let at = 0;
  for (const item of items) {
    words[at++] = type(item);
    words[at++] = key(item);
    words[at++] = pid(item);
    words[at++] = index(item);
  }
  const first = helper.same(words);
  const groups: T[][] = [];
  const group = new Uint32Array(items.length);
  items.forEach((item, i) => {
    const place = first[i]!;
    if (place === i) group[i] = groups.push([item]) - 1;
    else groups[group[place]!]!.push(item);
  });
  return groups;
}
