/**
 * The way to a hierarchy of control groups: the directory in --cgroup-yard, where it is mounted already, or else a mount of its own that
 * nobody else sees (fsmount(2)) and that goes with its descriptor.
 */
import { join } from 'node:path';
import { AT_FDCWD, O } from '../../kernel/files.ts';
import type { Mount } from '../../proc/mountinfo.ts';
import { addDetachedMount } from '../../program/mount.ts';
import type { Program, ResultRef } from '../../program/program.ts';
import { bytesOf } from '../../image/text.ts';

const NAMED = 'name=';

/** Where hierarchies are mounted whole, by their names (see ../../proc/cgroup.ts), in any order. */
export function findMounts(mounts: readonly Mount[], { writable }: { readonly writable: boolean }): (names: readonly string[]) => string | undefined {
  const usable = mounts.filter(({ type, root, readOnly }) => (type === 'cgroup' || type === 'cgroup2') && root === '/' && !(writable && readOnly));
  return (names) => usable.find(({ type, options }) => (isUnified(names) ? type === 'cgroup2' : type === 'cgroup' && names.every((name) => options.includes(name))))?.path;
}

export const isUnified = (names: readonly string[]): boolean => names.length === 1 && names[0] === '';

/** As messages name it. */
export const hierarchyName = (names: readonly string[]): string => (isUnified(names) ? 'unified hierarchy' : names.join(','));

/** Its directory in a yard. */
const yardName = (names: readonly string[]): string => (isUnified(names) ? 'unified' : names.map((name) => (name.startsWith(NAMED) ? name.slice(NAMED.length) : name)).join(','));

/** Steps of the helper that open its root directory. `optional`: they may fail; the result is then negative. */
export function openHierarchy(p: Program, names: readonly string[], { yard, mounted, optional = false }: { readonly yard: string | undefined; readonly mounted: string | undefined; readonly optional?: boolean }): ResultRef {
  const expect = optional ? 'any' as const : undefined;
  p.resource(`control groups, ${hierarchyName(names)}`);
  const remedy = { '*': 'This machine has no such hierarchy: mount it, or leave control groups out with --manage-cgroups=ignore' };
  const place = yard === undefined ? mounted : join(yard, yardName(names));
  if (place !== undefined) {
    return p.call('openat', [AT_FDCWD, p.cstring(bytesOf(place)), O.RDONLY | O.DIRECTORY | O.CLOEXEC, 0], { expect, remedy: yard === undefined ? {} : { ENOENT: '--cgroup-yard must have a directory for each hierarchy of the images' } });
  }
  return addDetachedMount(p, isUnified(names) ? 'cgroup2' : 'cgroup', {
    expect, remedy, openRemedy: { EPERM: 'Mounting it needs CAP_SYS_ADMIN' },
    set: isUnified(names) ? [] : names.map((name) => (name.startsWith(NAMED) ? ['name', bytesOf(name.slice(NAMED.length))] : [bytesOf(name)])),
  });
}
