/** Security labels of a thread: AppArmor's profile, SELinux's context (proc_pid_attr(5)). Which module a kernel has; how labels are written. */
import { existsSync, readFileSync } from 'node:fs';
import { StillframeError } from '../../errors.ts';
import { lsmtype } from '../../image/schema/index.ts';

export type Module = 'apparmor' | 'selinux';
export const MODULE_NAMES: Readonly<Record<Module, string>> = { apparmor: 'AppArmor', selinux: 'SELinux' };
export const TYPES: Readonly<Record<Module, number>> = { apparmor: lsmtype.APPARMOR, selinux: lsmtype.SELINUX };

/** The module an image's labels are of. */
export const moduleOf = (type: number | undefined): Module | undefined => (['apparmor', 'selinux'] as const).find((module) => TYPES[module] === type);

/** The module of this kernel whose labels a checkpoint keeps; undefined: none is active. */
export function findModule(): Module | undefined {
  if (existsSync('/sys/fs/selinux/enforce')) return 'selinux';
  if (existsSync('/sys/kernel/security/apparmor')) return 'apparmor';
  try {
    return readFileSync('/sys/module/apparmor/parameters/enabled', 'latin1').startsWith('Y') ? 'apparmor' : undefined;
  } catch {
    return undefined; // it is not built in
  }
}

/** What the file says as an image keeps it; undefined: the thread is not confined. AppArmor adds the mode: `NAME (enforce)`. */
export function parseLabel(module: Module, text: string): string | undefined {
  const label = text.replace(/[\0\n]+$/u, '');
  const name = module === 'apparmor' ? label.replace(/ \((?:enforce|complain|kill|user|unconfined|mixed)\)$/u, '') : label;
  return name === '' || name.startsWith('unconfined') ? undefined : name;
}

/** What is written to a thread's `current` so that it has the label. */
export const writtenLabel = (module: Module, label: string): string => (module === 'apparmor' ? `changeprofile ${label}` : label);

/** --lsm-profile: in place of the labels of the images. `none`: they are not restored. */
export interface LabelOption { readonly module: Module | 'none'; readonly label: string }

/** @throws StillframeError */
export function parseLabelOption(text: string | undefined): LabelOption | undefined {
  if (text === undefined) return undefined;
  const [, module, label = ''] = /^(apparmor|selinux|none):(.*)$/su.exec(text) ?? [];
  if (module === undefined || (module !== 'none' && label === '')) {
    throw new StillframeError({ doing: 'restore', where: `--lsm-profile ${text}`, why: 'it names no label', remedy: 'Write apparmor:NAME, selinux:CONTEXT, or none: to leave labels out' });
  }
  return { module: module as LabelOption['module'], label };
}
