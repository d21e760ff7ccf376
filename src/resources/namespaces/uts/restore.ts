/** A UTS namespace of the tree's own: the root makes it, so all others are born in it. */
import type { utsns_entry } from '../../../image/schema/index.ts';
import { bytesOf } from '../../../image/text.ts';
import { CLONE } from '../../../kernel/process.ts';
import type { Program } from '../../../program/program.ts';
import type { RestoreContext } from '../../../restore/context.ts';
import { ownNamespace } from '../own.ts';

/** __NEW_UTS_LEN of <linux/utsname.h> */
const LONGEST = 64;

export function checkUts(context: RestoreContext): void {
  const id = ownNamespace(context, 'uts');
  if (id === undefined) return;
  const entry = context.tree.utsns.get(id);
  if (entry === undefined) context.refuse(`utsns-${id}.img`, 'it is missing: it has the host name of the tree', 'The set is incomplete: copy all of its files');
  else if ([entry.nodename, entry.domainname].some((name) => bytesOf(name).length > LONGEST)) context.refuse(`utsns-${id}.img`, `a name is longer than ${LONGEST} bytes`, 'The image is damaged: take another');
}

export function addUts(p: Program, context: RestoreContext): void {
  const id = ownNamespace(context, 'uts');
  const entry: utsns_entry | undefined = id === undefined ? undefined : context.tree.utsns.get(id);
  if (entry === undefined) return;
  p.resource('UTS namespace').call('unshare', [CLONE.NEWUTS], { keep: false, remedy: { EPERM: 'A namespace needs CAP_SYS_ADMIN: run the restore as root', ENOSPC: 'The limit of namespaces is reached (/proc/sys/user/max_uts_namespaces)' } });
  for (const [call, name] of [['sethostname', entry.nodename], ['setdomainname', entry.domainname]] as const) {
    const bytes = bytesOf(name);
    p.call(call, [p.data(bytes, 1), bytes.length], { keep: false });
  }
}
