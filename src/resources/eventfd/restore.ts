/** eventfd. */
import { fd_types } from '../../image/schema/index.ts';
import { ownFileOf } from '../../image/tree-own.ts';
import { EFD_INITIAL_MAX, EFD_SEMAPHORE } from '../../kernel/anon.ts';
import { O } from '../../kernel/files.ts';
import { Op } from '../../program/program.ts';
import type { FileKind } from '../../restore/kinds.ts';
import { addStatusFlags } from '../../restore/status-flags.ts';

export const eventfds: FileKind = {
  types: [fd_types.EVENTFD],
  describe: () => 'eventfd',
  check(files, context) {
    for (const { id, efd } of files) if (efd === undefined) context.refuse(`file ${id}`, 'its record in files.img has no eventfd in it', 'The image is damaged: take another');
  },
  open(files, context) {
    const p = context.local.program;
    for (const { id, efd } of files) {
      if (efd === undefined) continue;
      const resource = `file ${id} (eventfd)`;
      const semaphore = ownFileOf(context.tree, id)?.semaphore === true ? EFD_SEMAPHORE : 0;
      const small = efd.counter <= EFD_INITIAL_MAX;
      const ref = p.resource(resource).call('eventfd2', [small ? efd.counter : 0, O.CLOEXEC | semaphore]);
      if (!small) p.control(Op.WRITE_OUT, [ref, p.data(Buffer.from(BigUint64Array.of(efd.counter).buffer)), 8, -1n], { keep: false });
      addStatusFlags(p, ref, efd.flags);
      context.files.set(id, context.local.open(resource, ref));
    }
  },
};
