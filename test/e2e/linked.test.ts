/** --link-remap: open files whose name was removed while another name lives on. */
import { readdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TestProgram } from '../support/program.ts';
import { roundTrip } from '../support/round-trip.ts';
import { dump, OURS, run } from '../support/tool.ts';

const linked = suite('linked');
const links = (dir: string): string[] => readdirSync(dir).filter((name) => name.startsWith('link_remap.'));

linked('dump and restore', async () => {
  await roundTrip('linked', { dumpOptions: ['--link-remap'], afterDump: ({ dir }) => { assert.is(links(dir).length, 3, 'one name for each file'); }, meanwhile: ({ dir }) => { assert.equal(links(dir), [], 'taken away again'); } });
});

linked('dump with -R takes the names away again', async () => {
  const program = new TestProgram('linked');
  try {
    await program.waitFor(/^ready$/m);
    await dump(OURS, program.pid, program.images, ['-R', '--link-remap']);
    assert.equal(links(program.dir), []);
    await program.verdict();
  } finally {
    await program.stop();
  }
});

linked('refused without it, by name; nothing has changed', async () => {
  const program = new TestProgram('linked');
  try {
    await program.waitFor(/^ready$/m);
    await run('mkdir', ['-p', program.images]);
    const { status, output } = await run(OURS, ['dump', '-t', String(program.pid), '-D', program.images, '-R']);
    assert.is.not(status, 0);
    assert.match(output, '--link-remap');
    assert.match(output, '/name (deleted)');
    assert.equal(links(program.dir), []);
    await program.verdict();
  } finally {
    await program.stop();
  }
});
linked.run();
