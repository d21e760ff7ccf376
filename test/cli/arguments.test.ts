/** criu's command line is read as getopt_long reads it; each mistake is told by name. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseArguments } from '../../src/cli/arguments.ts';
import { closest, distance } from '../../src/cli/closest.ts';
import { OPTION_ROWS } from '../../src/cli/options.ts';
import { StillframeError } from '../../src/errors.ts';

/** Options as `name=value`, `name`, `no-name`, then the words. */
function read(line: string): string {
  const { written, words } = parseArguments(line === '' ? [] : line.split(' '));
  return [...written.map(({ row, value, negated }) => `${negated ? 'no-' : ''}${row.name}${value === undefined ? '' : `=${value}`}`), '|', ...words].join(' ');
}

function message(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof StillframeError) return error.message;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const reading = suite('parseArguments');
const ROWS: readonly (readonly [string, string])[] = [
  ['dump -t 5 -D img/ -o dump.log -v4 --tcp-established -j', 'tree=5 images-dir=img/ log-file=dump.log verbosity=4 tcp-established shell-job | dump'],
  ['restore -D img/ -o restore.log -d --tcp-close -j -v4', 'images-dir=img/ log-file=restore.log restore-detached tcp-close shell-job verbosity=4 | restore'],
  ['-v4 -t5 dump', 'verbosity=4 tree=5 | dump'],
  ['-vvv dump', 'verbosity=vv | dump'],
  ['-v dump', 'verbosity | dump'],
  ['-v 4 dump', 'verbosity | 4 dump'],
  ['--verbosity=4 dump', 'verbosity=4 | dump'],
  ['-verbosity=0 dump', 'verbosity=0 | dump'],
  ['--verbosity 4 dump', 'verbosity | 4 dump'],
  ['--tree=5 --images-dir img dump', 'tree=5 images-dir=img | dump'],
  ['-jRDimg dump', 'shell-job leave-running images-dir=img | dump'],
  ['-jv3 dump', 'shell-job verbosity=3 | dump'],
  ['-vj dump', 'verbosity=j | dump'],
  ['--leave-r dump', 'leave-running | dump'],
  ['--img=x', 'ERROR'],
  ['--images x', 'images-dir=x |'],
  ['--no-shell-job dump', 'no-shell-job | dump'],
  ['--no-shell dump', 'no-shell-job | dump'],
  ['--cpu-cap dump', 'cpu-cap | dump'],
  ['--cpu-cap=ins dump', 'cpu-cap=ins | dump'],
  ['-x dump', 'ext-unix-sk | dump'],
  ['-x12,13 dump', 'ext-unix-sk=12,13 | dump'],
  ['--restore-detached restore', 'restore-detached | restore'],
  ['restore --exec-cmd -- cat -v --tree', 'exec-cmd | restore cat -v --tree'],
  ['dump -t -5', 'tree=-5 | dump'],
  ['-o - dump', 'log-file=- | dump'],
  ['- dump', '| - dump'],
  ['', '|'],
];
for (const [line, expected] of ROWS) {
  reading(line === '' ? '(nothing)' : line, () => {
    if (expected === 'ERROR') assert.throws(() => read(line));
    else assert.is(read(line), expected);
  });
}
reading('POSIXLY_CORRECT stops at the first word', () => {
  process.env['POSIXLY_CORRECT'] = '1';
  try {
    assert.is(read('-j dump -t 5'), 'shell-job | dump -t 5');
  } finally {
    delete process.env['POSIXLY_CORRECT'];
  }
});
reading('every name, its beginning up to uniqueness and its negation is understood', () => {
  for (const row of OPTION_ROWS) {
    const line = row.kind === 'flag' || row.optional ? `--${row.name}` : `--${row.name}=1`;
    assert.ok(read(line).startsWith(row.name), line);
    if (row.negatable) assert.is(read(`--no-${row.name}`), `no-${row.name} |`);
    if (row.short !== undefined) assert.ok(read(row.kind === 'flag' || row.optional ? `-${row.short}` : `-${row.short} 1`).startsWith(row.name), row.short);
  }
});
reading.run();

const mistakes = suite('mistakes');
const MISTAKES: readonly (readonly [string, RegExp])[] = [
  ['--leave-runing', /unknown option --leave-runing\. Did you mean --leave-running\?/],
  ['--imagesdir x', /unknown option --imagesdir\. Did you mean --images-dir\?/],
  ['--xyzzy-plugh', /unknown option --xyzzy-plugh\. Try --help/],
  ['-q', /unknown option -q\. Try/],
  ['--tcp', /--tcp is ambiguous: --tcp-established, --tcp-close/],
  ['--no-d', /--no-d is ambiguous/],
  ['--no-tree', /unknown option --no-tree/],
  ['--shell-job=yes', /--shell-job takes no value, it has "yes"/],
  ['dump -t', /-t needs a value: PID/],
  ['--images-dir', /--images-dir needs a value: DIR/],
];
for (const [line, expected] of MISTAKES) {
  mistakes(line, () => assert.match(message(() => read(line)), expected));
}
mistakes('a long name with one dash is recognised', () => assert.match(message(() => read('-evasive-devices')), /unknown option -e\. Did you mean --evasive-devices\?/));
mistakes.run();

const nearest = suite('closest');
nearest('counts edits', () => {
  assert.is(distance('dump', 'dump'), 0);
  assert.is(distance('dmup', 'dump'), 1);
  assert.is(distance('', 'abc'), 3);
  assert.is(distance('kitten', 'sitting'), 3);
});
nearest('gives nothing when nothing is near', () => {
  assert.is(closest('resotre', ['dump', 'restore']), 'restore');
  assert.is(closest('zzzz', ['dump', 'restore']), undefined);
});
nearest.run();
