/** The UTS namespace of a tree that has one of its own: host and domain name, as the helper finds them in it. */
import { create } from '../../../image/wire.ts';
import { utsns_entry } from '../../../image/schema/index.ts';
import { textOf } from '../../../image/text.ts';
import type { DumpContext } from '../../../dump/context.ts';
import { CLONE } from '../../../kernel/process.ts';
import { within } from '../within.ts';

/** struct new_utsname of <linux/utsname.h>: six names of 65 bytes. */
const NAME_SIZE = 65, NODE_AT = NAME_SIZE, DOMAIN_AT = 5 * NAME_SIZE, SIZE = 6 * NAME_SIZE;

/** @param pid a task that is in it */
export function dumpUts(id: number, pid: number, { helper, tree }: DumpContext): void {
  const [names, ran] = within(helper, 'uts', CLONE.NEWUTS, pid, (p) => {
    const bytes = p.reserve(SIZE);
    p.call('uname', [bytes], { keep: false });
    return bytes;
  });
  const bytes = ran.data(names);
  const name = (at: number): string => {
    const part = bytes.subarray(at, at + NAME_SIZE);
    return textOf(part.subarray(0, part.indexOf(0)));
  };
  tree.utsns.set(id, create(utsns_entry, { nodename: name(NODE_AT), domainname: name(DOMAIN_AT) }));
}
