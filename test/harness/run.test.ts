/** The test runner itself: a test file that crashes, hangs, runs nothing, fails or leaves a process behind must count as failed. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const HEAD = "import { test } from 'uvu';\nimport * as assert from 'uvu/assert';\n";
const GOOD = `${HEAD}test('good', () => assert.ok(true));\n`;

const ROWS: { what: string; source: string; last: string; exit: number; says?: RegExp }[] = [
  { what: 'two good tests', source: `${GOOD}test('more', () => {});\ntest.run();\n`, last: '2 passed, 0 failed', exit: 0 },
  { what: 'one of two fails', source: `${GOOD}test('bad', () => assert.ok(false));\ntest.run();\n`, last: '1 passed, 1 failed', exit: 1 },
  { what: 'a crash', source: `${GOOD}test.run();\nprocess.abort();\n`, last: '0 passed, 1 failed', exit: 1, says: /printed no totals/ },
  { what: 'an exit in the middle', source: `${HEAD}test('x', () => process.exit(0));\ntest.run();\n`, last: '0 passed, 1 failed', exit: 1 },
  { what: 'an exit code after good tests', source: `${GOOD}test.run();\nprocess.on('exit', () => { process.exitCode = 3; });\n`, last: '1 passed, 1 failed', exit: 1, says: /exit code 3/ },
  { what: 'no test', source: `${HEAD}test.run();\n`, last: '0 passed, 1 failed', exit: 1, says: /ran no test/ },
  { what: 'a forgotten run()', source: GOOD, last: '0 passed, 1 failed', exit: 1 },
  { what: 'a hang', source: `// timeout: 2 s\n${HEAD}test('x', () => { for (;;); });\ntest.run();\n`, last: '0 passed, 1 failed', exit: 1, says: /did not end within 2 s/ },
  { what: 'a process left behind', exit: 1, last: '1 passed, 1 failed', says: /left behind: \d+ \(sleep\)/,
    source: `import { spawn } from 'node:child_process';\n${HEAD}test('x', () => { spawn('sleep', ['60'], { detached: true, stdio: 'ignore' }).unref(); });\ntest.run();\n` },
  { what: 'a skipped test is listed', source: `${GOOD}console.log('SKIP later: no such kernel');\ntest.skip('later', () => {});\ntest.run();\n`, last: '1 passed, 0 failed', exit: 0, says: /skipped: later: no such kernel/ },
];

const runner = suite('test runner');
for (const { what, source, last, exit, says } of ROWS) {
  runner(what, () => {
    const dir = mkdtempSync(join(tmpdir(), 'sf-runner-'));
    try {
      symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
      writeFileSync(join(dir, 'package.json'), '{ "type": "module" }');
      writeFileSync(join(dir, 'x.test.ts'), source);
      const { stdout, status } = spawnSync(process.execPath, [join(ROOT, 'test/run.mjs'), '--dir', dir], { encoding: 'utf8' });
      assert.is(stdout.trimEnd().split('\n').at(-1), last, stdout);
      assert.is(status, exit, stdout);
      if (says) assert.match(stdout, says);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
}

runner('a filter that fits nothing fails', () => {
  const dir = mkdtempSync(join(tmpdir(), 'sf-runner-'));
  const { stdout, status } = spawnSync(process.execPath, [join(ROOT, 'test/run.mjs'), 'nothing', '--dir', dir], { encoding: 'utf8' });
  rmSync(dir, { recursive: true });
  assert.is(status, 1);
  assert.match(stdout, /0 passed, 1 failed\n$/);
});

runner.run();
