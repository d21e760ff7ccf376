/** Security labels of restored threads: written by each thread itself, before it gives up the right to. */
import type { creds_entry } from '../../image/schema/index.ts';
import { bytesOf } from '../../image/text.ts';
import { AT_FDCWD, O } from '../../kernel/files.ts';
import type { Program } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import { MODULE_NAMES, TYPES, writtenLabel } from './label.ts';

/** The label a thread gets; undefined: none is to be set. The option stands for the labels of those that have one, as with criu. */
function labelFor({ options: { label } }: RestoreContext, { lsm_profile }: creds_entry): string | undefined {
  if (lsm_profile === undefined || lsm_profile === '' || label?.module === 'none') return undefined;
  return label?.label ?? lsm_profile;
}

/** The option itself, once a restore. */
export function checkLabelOption(context: RestoreContext): void {
  const { options: { label }, host } = context;
  if (label !== undefined && label.module !== 'none' && label.module !== host.securityModule) context.refuse('--lsm-profile', `${MODULE_NAMES[label.module]} is not active in this kernel`, 'Leave labels out with --lsm-profile none:');
}

export function checkLabel(context: RestoreContext, creds: creds_entry, where: string): void {
  const label = labelFor(context, creds);
  if (label === undefined || context.options.label !== undefined) return;
  const module = context.host.securityModule;
  if (module !== undefined && TYPES[module] === context.tree.inventory.lsmtype) return;
  context.refuse(where, `it ran under the security label '${label}', of a security module that is not active in this kernel`, 'Restore it where it is, or without its label: --lsm-profile none:');
}

export function addLabel(p: Program, context: RestoreContext, creds: creds_entry): void {
  const module = context.host.securityModule;
  const label = labelFor(context, creds);
  if (module === undefined || label === undefined) return;
  for (const [name, text] of [['sockcreate', creds.lsm_sockcreate], ['current', writtenLabel(module, label)]] as const) {
    if (text === undefined || text === '') continue;
    const bytes = bytesOf(text);
    p.resource(`security label ${label}`);
    const fd = p.call('openat', [AT_FDCWD, p.cstring(`/proc/thread-self/attr/${name}`), O.WRONLY | O.CLOEXEC, 0]);
    p.call('write', [fd, p.data(bytes, 1), bytes.length], {
      keep: false, expect: { equals: bytes.length }, remedy: { ENOENT: 'No such profile is loaded: load it, or name another with --lsm-profile', EINVAL: 'The policy does not know it: name another with --lsm-profile', EACCES: 'The policy does not allow the restore to set it: name another with --lsm-profile', EPERM: 'The policy does not allow the restore to set it: name another with --lsm-profile' },
    });
    p.call('close', [fd], { keep: false });
  }
}
