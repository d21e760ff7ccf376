/** signalfd. */
import { fd_types } from '../../image/schema/index.ts';
import { O } from '../../kernel/files.ts';
import { SIGSET_SIZE } from '../../kernel/signals.ts';
import type { FileKind } from '../../restore/kinds.ts';
import { addStatusFlags } from '../../restore/status-flags.ts';

export const signalfds: FileKind = {
  types: [fd_types.SIGNALFD],
  describe: () => 'signalfd',
  check(files, context) {
    for (const { id, sgfd } of files) if (sgfd === undefined) context.refuse(`file ${id}`, 'its record in files.img has no signalfd in it', 'The image is damaged: take another');
  },
  open(files, context) {
    const p = context.local.program;
    for (const { id, sgfd } of files) {
      if (sgfd === undefined) continue;
      const resource = `file ${id} (signalfd)`;
      const ref = p.resource(resource).call('signalfd4', [-1, p.data(Buffer.from(BigUint64Array.of(sgfd.sigmask).buffer)), SIGSET_SIZE, O.CLOEXEC]);
      addStatusFlags(p, ref, sgfd.flags);
      context.files.set(id, context.local.open(resource, ref));
    }
  },
};
