/** The options about control groups, as both verbs read them. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { StillframeError } from '../../errors.ts';
import { withRules, type Properties } from './properties.ts';

/** What becomes of groups: see docs/cli.md, --manage-cgroups. */
export type CgroupMode = 'none' | 'props' | 'soft' | 'full' | 'strict' | 'ignore';

export interface CgroupOptions {
  readonly mode: CgroupMode;
  /** --cgroup-root: by the hierarchy's name; '*' is that of all others. */
  readonly roots: ReadonlyMap<string, string>;
  /** --cgroup-yard: absolute. */
  readonly yard: string | undefined;
  /** --cgroup-dump-controller: names of hierarchies; empty: all. */
  readonly only: ReadonlySet<string>;
  readonly properties: Properties;
}

/** Of all hierarchies not named. */
export const EVERY = '*';

/** @param workDir what paths are relative to, as criu has it @throws StillframeError for a value that is not understood */
export function readCgroupOptions(doing: string, workDir: string, given: ReadonlyMap<string, readonly string[]>): CgroupOptions {
  const last = (name: string): string | undefined => given.get(name)?.at(-1);
  const roots = new Map<string, string>();
  for (const text of given.get('cgroup-root') ?? []) {
    const at = text.indexOf(':');
    const path = text.slice(at + 1);
    if (!path.startsWith('/')) throw new StillframeError({ doing, where: `--cgroup-root ${text}`, why: 'it is no path of a control group', remedy: 'It is [CONTROLLER:]/PATH, from the root of the hierarchy on' });
    roots.set(at < 0 ? EVERY : text.slice(0, at), path);
  }
  const rules = [last('cgroup-props')];
  const file = last('cgroup-props-file');
  if (file !== undefined) {
    try {
      rules.push(readFileSync(resolve(workDir, file), 'utf8'));
    } catch (cause) {
      throw new StillframeError({ doing, where: `--cgroup-props-file ${file}`, why: cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause), cause });
    }
  }
  const yard = last('cgroup-yard');
  return {
    mode: (last('manage-cgroups') ?? 'soft') as CgroupMode, roots, yard: yard === undefined ? undefined : resolve(workDir, yard),
    only: new Set(given.get('cgroup-dump-controller') ?? []), properties: withRules(doing, rules.filter((text) => text !== undefined)),
  };
}
