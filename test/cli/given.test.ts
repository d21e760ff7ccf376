/** Options as values: types, order, refusals, words and directories. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArguments } from '../../src/cli/arguments.ts';
import { findDirectories, Given, parseSize, readWords, refuseUnsupported, type Asked } from '../../src/cli/given.ts';
import { OPTION_ROWS, supportedSince, VERBS } from '../../src/cli/options.ts';

const given = (line: string): Given => new Given(parseArguments(line.split(' ').filter(Boolean)).written);
const asked = (line: string): Asked => {
  const { written, words } = parseArguments(line.split(' ').filter(Boolean));
  return readWords(words, new Given(written));
};

const values = suite('Given');
for (const [line, level] of [['', 2], ['-v', 3], ['-vv', 4], ['-vvv', 5], ['-v0', 0], ['-v4', 4], ['-v4 -v', 5], ['--verbosity=1', 1], ['-v -v', 4], ['-vvv -v1', 1]] as const) {
  values(`verbosity of "${line}" is ${level}`, () => assert.is(given(line).verbosity, level));
}
values('the last one wins', () => {
  assert.is(given('-t 1 -t 2').number('tree'), 2);
  assert.is(given('-j --no-shell-job').flag('shell-job'), false);
  assert.is(given('--no-shell-job -j').flag('shell-job'), true);
  assert.is(given('-R -s').lastOf('leave-running', 'leave-stopped'), 'leave-stopped');
  assert.is(given('-s -R').lastOf('leave-running', 'leave-stopped'), 'leave-running');
});
values('another spelling is the same option', () => {
  assert.is(given('--daemon').flag('restore-detached'), true);
  assert.is(given('--daemon --no-restore-detached').flag('restore-detached'), false);
});
values('options that can be given several times keep all', () => {
  assert.equal(given('--action-script a --action-script b').texts('action-script'), ['a', 'b']);
  assert.equal(given('--external a --external b').toMap().get('external'), ['a', 'b']);
  assert.equal(given('-t 1 -t 2').toMap().get('tree'), ['2']);
  assert.equal(given('-j').toMap().get('shell-job'), []);
  assert.is(given('-j --no-shell-job').toMap().has('shell-job'), false);
});
for (const [text, bytes] of [['0', 0n], ['4096', 4096n], ['1K', 1024n], ['2M', 2097152n], ['3g', 3221225472n]] as const) {
  values(`size ${text}`, () => assert.is(parseSize(text), bytes));
}
for (const line of ['-t abc', '-t 0', '-t -5', '-t 1x', '-t=', '--timeout x', '--timeout -1', '--ghost-limit 1X', '--ghost-limit M', '-vx', '--port 0', '--port 70000',
  '--file-validation md5', '--manage-cgroups=some', '--status-fd x']) {
  values(`${line} is refused`, () => assert.throws(() => given(line), /invalid argument for -{1,2}[a-z-]+: .*It must be/));
}
values.run();

const refusing = suite('refuseUnsupported');
for (const { name: verb, since } of VERBS) {
  if (since === undefined) continue;
  for (const row of OPTION_ROWS.filter((candidate) => supportedSince(candidate, verb) === undefined && candidate.verbs.includes(verb))) {
    refusing(`${verb} --${row.name}`, () => {
      const value = row.choices?.[0] ?? (row.kind === 'flag' ? undefined : '1');
      assert.throws(() => refuseUnsupported(verb, given(value === undefined ? `--${row.name}` : `--${row.name}=${value}`)), new RegExp(`--${row.name} (is not supported by ${verb} yet|is gone)`));
    });
  }
}
refusing('turning an unsupported option off is fine', () => assert.equal(refuseUnsupported('dump', given('--no-track-mem --no-page-server')).withoutEffect, []));
refusing('an option without meaning for the verb is passed over, as criu does', () => {
  assert.equal(refuseUnsupported('restore', given('--track-mem --leave-running')).withoutEffect, ['--track-mem', '--leave-running']);
});
refusing('the options of the experiment are taken', () => {
  assert.equal(refuseUnsupported('dump', given('-t 5 -D img/ -o dump.log -v4 --tcp-established -j')).withoutEffect, []);
  assert.equal(refuseUnsupported('restore', given('-D img/ -o restore.log -d --tcp-close -j -v4')).withoutEffect, []);
});
refusing.run();

const words = suite('readWords');
words('a verb', () => assert.equal(asked('dump -t 5'), { verb: 'dump', sub: undefined, execCommand: undefined }));
words('cpuinfo and its action', () => assert.is(asked('cpuinfo check').sub, 'check'));
words('a command to become', () => assert.equal(asked('restore --exec-cmd -- cat -v x').execCommand, ['cat', '-v', 'x']));
for (const [line, expected] of [
  ['-j', /a command is required/], ['dmup', /unknown command: dmup/], ['-v 4 dump', /unknown command: 4\. Attach the value: -v4/],
  ['dump 5', /excessive parameter for command dump: 5/], ['dump 5 6', /excessive parameters for command dump: 5 6/],
  ['restore -- sleep', /excessive parameter for command restore: sleep\. .*--exec-cmd/], ['restore --exec-cmd', /--exec-cmd requires a command/],
  ['dump --exec-cmd -- x', /--exec-cmd is for restore only/], ['restore -d --exec-cmd -- x', /cannot be used together/],
  ['cpuinfo', /requires an action: dump or check/], ['cpuinfo show', /unknown cpuinfo action: show/], ['swrk', /criu swrk FD/],
] as const) {
  words(line, () => assert.throws(() => asked(line), expected));
}
words.run();

const directories = suite('findDirectories');
const dir = mkdtempSync(join(tmpdir(), 'sf-dirs-'));
writeFileSync(join(dir, 'file'), '');
directories('work defaults to images, both become absolute', () => {
  const before = process.cwd();
  process.chdir(dir);
  try {
    assert.equal(findDirectories('dump', given('-D .')), { images: process.cwd(), work: process.cwd() });
    assert.equal(findDirectories('dump', given('-W /tmp')), { images: process.cwd(), work: '/tmp' });
  } finally {
    process.chdir(before);
  }
});
for (const [line, expected] of [
  [`-D ${dir}/none`, /-D .*none: the directory .*none does not exist\. Make it first: mkdir -p/], [`-D ${dir}/file`, /-D .*file: .*file is not a directory/],
  [`-D ${dir} -W ${dir}/none`, /-W .*none: the directory .*does not exist/], [`-D ${dir}/file/x`, /ENOTDIR/],
] as const) {
  directories(line.replaceAll(dir, 'DIR'), () => assert.throws(() => findDirectories('dump', given(line)), expected));
}
directories('a directory that may not be written', () => {
  if (process.getuid?.() === 0) {
    // Root may write everywhere except where nobody can.
    assert.throws(() => findDirectories('dump', given('-D /proc/self')), /cannot be written: (EACCES|EROFS|EPERM)/);
    return;
  }
  chmodSync(dir, 0o500);
  assert.throws(() => findDirectories('dump', given(`-D ${dir}`)), /cannot be written: EACCES/);
  chmodSync(dir, 0o700);
});
directories.after(() => rmSync(dir, { recursive: true }));
directories.run();
