/** `/proc/PID/cgroup` (cgroups(7)): the control group of each hierarchy, as the reader's cgroup namespace shows its path. */
import { textOf } from '../image/text.ts';

export interface Membership {
  /** Controllers of the hierarchy, `name=NAME` for one without, joined by commas; empty: the unified hierarchy (version 2). */
  readonly name: string;
  readonly path: string;
}

/** By name. @param text the file's bytes as latin1 */
export function parseCgroups(text: string): Membership[] {
  const lines = text.split('\n').filter((line) => line !== '').map((line) => {
    const [, name, path] = /^\d+:([^:]*):(.*)$/u.exec(line) ?? [];
    if (name === undefined || path === undefined) throw new RangeError(`not a line of a cgroup file: ${JSON.stringify(line)}`);
    return { name: textOf(Buffer.from(name, 'latin1')), path: textOf(Buffer.from(path, 'latin1')) };
  });
  return lines.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
