/** A tree of another kernel: the addresses its program has of vDSO functions lead into this kernel's. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readFileSync } from 'node:fs';
import { alterVdsos } from '../support/old-vdso.ts';
import { treeOf } from '../support/program.ts';
import { roundTrip } from '../support/round-trip.ts';

const vdso = suite('vDSO');
// its mappings are other ones on purpose: the program says what counts
const mayDiffer = [/./];

vdso('of this kernel', async () => { await roundTrip('vdso'); });

vdso('of another kernel, checkpointed once more afterwards', async () => {
  let altered = 0;
  await roundTrip('vdso', {
    times: 2, mayDiffer,
    afterDump: ({ images }) => { if (altered === 0) altered = alterVdsos(images); },
    meanwhile: ({ pid }) => {
      for (const task of treeOf(pid)) assert.is([...readFileSync(`/proc/${task}/maps`, 'latin1').matchAll(/\[vdso\]$/gm)].length, 1, 'one vDSO a task');
    },
  });
  assert.is(altered, 2);
});
vdso.run();
