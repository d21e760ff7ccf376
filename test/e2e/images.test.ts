/** Sets of our own dumps as the image commands see them: nothing to complain about, backtraces in gdb, a view, an anonymous copy. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compiled, ROOT, TestProgram } from '../support/program.ts';
import { dump, OURS, run } from '../support/tool.ts';

const STILLFRAME = join(ROOT, 'bin/stillframe.js');

async function image(...args: string[]): Promise<string> {
  const ran = await run(process.execPath, [STILLFRAME, 'image', ...args]);
  assert.is(ran.status, 0, `image ${args.join(' ')}: ${ran.output}`);
  return ran.output;
}

const images = suite('image commands on our own sets');

images('gdb shows the backtrace of every thread, by name', async () => {
  const program = new TestProgram('backtrace');
  try {
    await program.waitFor(/^ready$/m);
    await dump(OURS, program.pid, program.images);
    const core = join(program.dir, 'core');
    await image('core', program.images, String(program.pid), '-o', core);
    const out = execFileSync('gdb-multiarch', ['-batch', '-nx', '-ex', 'thread apply all bt', '-ex', 'p turns > 0', compiled('backtrace'), core], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    assert.is(out.match(/ in waits_in_here \(/g)?.length, 4 + 6, out);
    assert.match(out, ' in second_thread (');
    assert.match(out, ' in main (');
    assert.match(out, '$1 = 1');
  } finally {
    await program.stop();
  }
});

for (const name of ['tree', 'unix', 'pipes', 'threads', 'memory']) {
  images(`${name}: the check finds no error and no warning; view and anonymous copy can be made`, async () => {
    const program = new TestProgram(name);
    try {
      await program.waitFor(/^ready$/m);
      await dump(OURS, program.pid, program.images);
      const report = await image('check', program.images, '--strict');
      assert.match(report, '0 errors, 0 warnings', report);
      await image('view', program.images, '-o', join(program.dir, 'view.html'));
      await image('anonymise', program.images, '-o', join(program.dir, 'anonymous'));
      assert.match(await image('check', join(program.dir, 'anonymous'), '--strict'), '0 errors, 0 warnings');
      assert.match(await image('diff', program.images, program.images), 'They are equal.');
    } finally {
      await program.stop();
    }
  });
}

images.run();
