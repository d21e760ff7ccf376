/** `make demo` goes well, and fails when anything in it does not. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../support/program.ts';
import { run, type Ran } from '../support/tool.ts';

const show = (env: Record<string, string> = {}): Promise<Ran> => run(process.execPath, [join(ROOT, 'scripts/demo.mjs')], { env: { ...process.env, ...env } });

/** The demo with another command in place of ours. */
async function showWith(script: string): Promise<Ran> {
  const dir = mkdtempSync(join(tmpdir(), 'sf-demo-'));
  try {
    const tool = join(dir, 'tool');
    writeFileSync(tool, `#!/bin/bash\n${script}\n`);
    chmodSync(tool, 0o755);
    return await show({ DEMO_BIN: tool, DEMO_PATIENCE: '4', TMPDIR: dir });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const demo = suite('make demo');

demo('the counter stops, vanishes and counts on', async () => {
  const { status, output } = await show();
  assert.is(status, 0, output);
  assert.match(output, /\| Killed/);
  assert.match(output, /After (\d+) came/);
  assert.match(output, /The demo went well\.\n$/);
});

for (const [what, script, says] of [
  ['a dump that fails', 'exit 1', /The demo failed: dump ended with exit code 1/],
  ['a dump that does not kill', 'exit 0', /The demo failed: the shell did not say Killed/],
  ['a restore that does nothing', 'case $1 in dump) kill -9 $3;; esac', /The demo failed: the count does not go on/],
  ['a restore that counts from the start', 'case $1 in dump) kill -9 $3;; restore) (for i in 0 1 2 3 4 5 6 7 8 9 10; do echo $i; done) ;; esac', /The demo failed/],
] as const) {
  demo(`notices ${what}`, async () => {
    const { status, output } = await showWith(script);
    assert.is(status, 1, output);
    assert.ok(says.test(output), output);
  });
}

demo.run();
