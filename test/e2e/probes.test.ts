/** A program in which a uprobe was hit: refused, unless both sides say --allow-uprobes. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { roundTrip } from '../support/round-trip.ts';
import { TestProgram } from '../support/program.ts';
import { OURS, dump, run } from '../support/tool.ts';
import { mkdirSync } from 'node:fs';

const probes = suite('uprobes');
/** Where the kernel puts its page: the last one there is. */
const PAGE = [/map 7fffffffe000-7ffffffff000/];
const BOTH = { dumpOptions: ['--allow-uprobes'], restoreOptions: ['--allow-uprobes'] };
probes('dump and restore', async () => { await roundTrip('uprobe', { ...BOTH, mayDiffer: PAGE }); });
probes('it runs on', async () => { await roundTrip('uprobe', { ...BOTH, leaveRunning: true, mayDiffer: PAGE }); });
probes('without the option: dump refuses, restore refuses', async () => {
  const program = new TestProgram('uprobe');
  try {
    await program.waitFor(/^ready$/m);
    mkdirSync(program.images);
    const refused = await run(OURS, ['dump', '-t', String(program.pid), '-D', program.images]);
    assert.is(refused.status, 1);
    assert.match(refused.output, /mapping .*\[uprobes\]: a probe \(uprobe\) was hit in this process.* --allow-uprobes/);
    await dump(OURS, program.pid, program.images, ['--allow-uprobes']);
    await program.gone();
    const again = await run(OURS, ['restore', '-d', '-D', program.images]);
    assert.is(again.status, 1);
    assert.match(again.output, /probes \(uprobes\) had been hit in the tree when it was dumped\. Restore with --allow-uprobes/);
  } finally {
    program.stop();
  }
});
probes.run();
