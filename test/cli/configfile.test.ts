/** Configuration files: criu's syntax, and mistakes told by FILE:LINE. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig, readConfigs, splitStatement } from '../../src/cli/configfile.ts';

const statement = suite('splitStatement');
const LINES: readonly (readonly [string, string | undefined, string | undefined])[] = [
  ['', undefined, undefined],
  ['   ', undefined, undefined],
  ['# comment', undefined, undefined],
  ['  #comment', undefined, undefined],
  ['tcp-close', 'tcp-close', undefined],
  [' tcp-close #comment', 'tcp-close', undefined],
  ['\ttcp-close#comment', 'tcp-close', undefined],
  ['verbosity 4', 'verbosity', '4'],
  ['verbosity\t4', 'verbosity', '4'],
  ['verbosity 4#comment', 'verbosity', '4'],
  ['verbosity    4   # comment', 'verbosity', '4'],
  ['work-dir "/a b/c"', 'work-dir', '/a b/c'],
  ['work-dir "/a #b" # c', 'work-dir', '/a #b'],
  ['lsm-profile "a \\"b\\" c"', 'lsm-profile', 'a "b" c'],
  ['work-dir ""', 'work-dir', ''],
  ['log-file=x.log', 'log-file', 'x.log'],
];
for (const [line, name, value] of LINES) {
  statement(JSON.stringify(line), () => {
    const found = splitStatement(line);
    assert.is(found?.name, name);
    assert.is(found?.value, value);
  });
}
for (const [line, expected] of [
  ['verbosity "', /closing double quote is missing/],
  ['verbosity "4', /closing double quote is missing/],
  ['verbosity "4" 5', /unexpected "5"/],
  ['verbosity 4 5', /unexpected "5" after "4".*double quotes/],
] as const) {
  statement(`${line} is refused`, () => assert.throws(() => splitStatement(line, 'f:1'), expected));
}
statement.run();

const parsing = suite('parseConfig');
parsing('reads options in order with their place', () => {
  const written = parseConfig('# mine\nshell-job\nno-shell-job\n\ntree 5\nverbosity 4\n', 'a.conf');
  assert.equal(written.map(({ row, value, negated, source }) => [row.name, value, negated, source]), [
    ['shell-job', undefined, false, 'a.conf:2'], ['shell-job', undefined, true, 'a.conf:3'],
    ['tree', '5', false, 'a.conf:5'], ['verbosity', '4', false, 'a.conf:6'],
  ]);
});
for (const [text, expected] of [
  ['\nleave-runing', /a\.conf:2: unknown option --leave-runing\. Did you mean --leave-running/],
  ['tcp', /a\.conf:1: --tcp is ambiguous/],
  ['shell-job yes', /a\.conf:1: shell-job takes no value/],
  ['tree', /a\.conf:1: tree needs a value: PID/],
  ['--tree 5', /a\.conf:1: "--tree" is no option name\. .*without dashes: tree/],
  ['-t 5', /a\.conf:1: "-t" is no option name\. .*without dashes: tree/],
] as const) {
  parsing(JSON.stringify(text), () => assert.throws(() => parseConfig(text, 'a.conf'), expected));
}
parsing.run();

const files = suite('readConfigs');
const dir = mkdtempSync(join(tmpdir(), 'sf-config-'));
mkdirSync(join(dir, '.criu'));
writeFileSync(join(dir, '.criu/default.conf'), 'shell-job\n');
writeFileSync(join(dir, 'env.conf'), 'verbosity 3\n');
writeFileSync(join(dir, 'own.conf'), 'verbosity 4\n');
const names = (read: ReturnType<typeof readConfigs>): string[] => read.written.map(({ row, value }) => `${row.name}=${value ?? ''}`);
files('home, then the environment\'s', () => {
  const read = readConfigs({ file: undefined, defaults: true }, { HOME: dir, CRIU_CONFIG_FILE: join(dir, 'env.conf') });
  assert.equal(names(read).slice(-2), ['shell-job=', 'verbosity=3']);
});
files('--config leaves out the default ones, the environment\'s stays', () => {
  const read = readConfigs({ file: join(dir, 'own.conf'), defaults: false }, { HOME: dir, CRIU_CONFIG_FILE: join(dir, 'env.conf') });
  assert.equal(names(read), ['verbosity=3', 'verbosity=4']);
});
files('a file that --config names must exist', () => {
  assert.throws(() => readConfigs({ file: join(dir, 'none.conf'), defaults: false }, {}), /--config .*none\.conf: no such file/);
});
files('a file that only the environment names is reported as missing', () => {
  assert.equal(readConfigs({ file: undefined, defaults: false }, { CRIU_CONFIG_FILE: join(dir, 'none.conf') }).missing, [join(dir, 'none.conf')]);
});
files('a directory is told as such', () => {
  assert.throws(() => readConfigs({ file: dir, defaults: false }, {}), /cannot be read: EISDIR/);
});
files.after(() => rmSync(dir, { recursive: true }));
files.run();
