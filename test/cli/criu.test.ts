/** bin/criu as scripts and engines meet it: what it prints where, and its exit codes. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPackage, type Ended } from '../support/package.ts';

const installed = buildPackage();
const dir = join(installed.root, 'work');
mkdirSync(join(dir, 'img'), { recursive: true });
mkdirSync(join(dir, 'logs'));
const criu = (line: string, env: Readonly<Record<string, string>> = {}): Ended => installed.run('criu', line.split(' ').filter(Boolean), { cwd: dir, env });

const mistakes = suite('mistakes');
const NO_PID = '2147483646';
for (const [line, expected] of [
  ['--leave-runing dump', /^Error \(cli\): unknown option --leave-runing\. Did you mean --leave-running\?\n$/],
  ['-q dump', /^Error \(cli\): unknown option -q/],
  ['dmup', /^Error \(cli\): unknown command: dmup\. Try --help\n$/],
  ['-j', /^Error \(cli\): a command is required/],
  ['dump', /^Error \(cli\): pid not specified\. Name the root of the tree: -t PID\n$/],
  ['dump -t', /-t needs a value: PID/],
  ['dump -t abc', /^Error \(cli\): invalid argument for -t: abc\. It must be a pid/],
  ['dump -t 0', /invalid argument for -t: 0/],
  ['dump -t 5 6', /excessive parameter for command dump: 6/],
  ['dump -t 5 -D none', /^Error \(cli\): -D none: the directory .*\/work\/none does not exist\. Make it first/],
  ['dump -t 5 -D img -W none', /^Error \(cli\): -W none: the directory .*does not exist/],
  ['dump -t 5 -D img -o none/x.log', /^Error \(log\): .*none\/x\.log: cannot create the log file: ENOENT\. Name a writable file with -o/],
  ['dump -t 5 --stream', /^Error \(cli\): --stream is not supported by dump yet/],
  ['dump -t 5 --lazy-pages', /--lazy-pages is not supported by dump yet/],
  ['restore --empty-ns net', /--empty-ns is not supported by restore yet/],
  ['restore -S', /--restore-sibling only makes sense with --restore-detached/],
  ['dump --tcp', /--tcp is ambiguous: --tcp-established, --tcp-close/],
  ['--config none.conf check', /^Error \(cli\): --config none\.conf: no such file/],
  ['check --feature pagemap_scn', /unknown feature pagemap_scn\. Did you mean pagemap_scan\?/],
  ['check --ms', /--ms is gone from criu/],
  ['service', /service is not supported yet/], ['swrk 3', /swrk is not supported yet/], ['page-server', /page-server is not supported yet/],
  ['lazy-pages', /lazy-pages is not supported yet/],
  ['cpuinfo', /cpuinfo requires an action: dump or check/], ['cpuinfo check -D img', /cpuinfo\.img: the set has no record of the processor/],
] as const) {
  mistakes(line, () => {
    const { code, out, err } = criu(line);
    assert.match(err, expected);
    assert.is(code, 1);
    assert.is(out, '');
  });
}
for (const verb of ['exec', 'show']) mistakes(`${verb} is gone, with criu's exit code`, () => assert.is(criu(verb).code, 255));
mistakes('nothing at all: usage, exit code 1', () => {
  const { code, out } = criu('');
  assert.is(code, 1);
  assert.match(out, /Usage:\n  criu dump -t PID/);
});
mistakes.run();

const printing = suite('help and version');
printing('-V and --version: criu\'s line first', () => {
  for (const line of ['-V', '--version', 'dump --version']) {
    const { code, out, err } = criu(line);
    assert.is(code, 0);
    assert.match(out, /^Version: 4\.2\nStillframe: \d+\.\d+\.\d+\n$/);
    assert.is(err, '');
  }
});
printing('-h wins over everything, also over a broken configuration file', () => {
  writeFileSync(join(dir, 'broken.conf'), 'nonsense here too\n');
  for (const line of ['-h', '--help', '--config broken.conf --help', '--nonsense -h']) {
    const { code, out } = criu(line);
    assert.is(code, 0, line);
    assert.match(out, /-t, --tree PID/);
    assert.match(out, /\* .*--\[no-\]stream/);
  }
});
printing.run();

const config = suite('configuration files');
config('mistakes are told with file and line', () => {
  writeFileSync(join(dir, 'a.conf'), '# fine\nshell-job\nleave-runing\n');
  const { code, err } = criu('--config a.conf dump -t 5');
  assert.match(err, /^Error \(cli\): a\.conf:3: unknown option --leave-runing\. Did you mean --leave-running\?\n$/);
  assert.is(code, 1);
});
config('a refused option is told with file and line', () => {
  writeFileSync(join(dir, 'b.conf'), 'shell-job\nstream\n');
  assert.match(criu('--config b.conf dump -t 5').err, /b\.conf:2: stream is not supported by dump yet/);
});
config('$HOME/.criu/default.conf is read, unless told not to', () => {
  const home = join(dir, 'home');
  mkdirSync(join(home, '.criu'), { recursive: true });
  writeFileSync(join(home, '.criu/default.conf'), 'tree abc\n');
  assert.match(criu('dump', { HOME: home }).err, /home\/\.criu\/default\.conf:1: invalid argument for tree: abc/);
  assert.match(criu('dump --no-default-config', { HOME: home }).err, /pid not specified/);
  assert.match(criu('dump --config a2.conf', { HOME: home }).err, /a2\.conf: no such file/);
});
config('$CRIU_CONFIG_FILE is read', () => {
  writeFileSync(join(dir, 'env.conf'), 'verbosity 9x\n');
  assert.match(criu('dump', { CRIU_CONFIG_FILE: 'env.conf' }).err, /env\.conf:1: invalid argument for verbosity: 9x/);
});
config('the command line wins', () => {
  writeFileSync(join(dir, 'out.conf'), 'log-file "conf.log"\nverbosity 4\n');
  criu('--config out.conf restore -D img -W logs -o mine.log');
  assert.ok(existsSync(join(dir, 'logs/mine.log')));
  assert.not.ok(existsSync(join(dir, 'logs/conf.log')));
  assert.match(readFileSync(join(dir, 'logs/mine.log'), 'utf8'), /^\(00\.0\d{5}\) .*Version: 4\.2/m);
});
config.run();

const logs = suite('logs');
logs('-o is relative to the work directory, and gets the errors instead of stderr', () => {
  const { code, err } = criu(`dump -t ${NO_PID} -D img -W logs -o x.log`);
  assert.is(code, 1);
  assert.is(err, '');
  assert.match(readFileSync(join(dir, 'logs/x.log'), 'utf8'), /^Error \((?!internal)[^)]+\): /m);
});
logs('without -W it is relative to the images', () => {
  criu(`dump -t ${NO_PID} -D img -o y.log -v4`);
  assert.match(readFileSync(join(dir, 'img/y.log'), 'utf8'), /^\(00\.\d{6}\) Error \((?!internal)[^)]+\): /m);
});
logs('-o - is standard output', () => {
  const { out, err } = criu(`dump -t ${NO_PID} -D img -o -`);
  assert.match(out, /^Error \((?!internal)[^)]+\): /m);
  assert.is(err, '');
});
logs('without -o, stderr', () => assert.match(criu(`dump -t ${NO_PID} -D img`).err, /^Error \((?!internal)[^)]+\): /m));
logs.run();

const scripts = suite('action scripts');
scripts('a failing pre-restore script stops the restore before anything', () => {
  writeFileSync(join(dir, 'no.sh'), '#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" = pre-restore ] && exit 3\nexit 0\n');
  chmodSync(join(dir, 'no.sh'), 0o755);
  const { code, err } = criu(`restore -D img --action-script ${join(dir, 'no.sh')}`);
  assert.is(code, 1);
  assert.match(err, /Error \(action-script\): pre-restore: .*no\.sh exited with 3/);
});
for (const certificates of ['/no/such.pem', undefined]) {
  scripts(`Node starts without NODE_EXTRA_CA_CERTS, a script has it as it was: ${certificates ?? 'not set'}`, () => {
    writeFileSync(join(dir, 'env.sh'), '#!/bin/sh\nenv | grep EXTRA_CA_CERTS\nexit 3\n');
    chmodSync(join(dir, 'env.sh'), 0o755);
    const { status, stdout, stderr } = spawnSync(join(installed.root, 'bin/criu'), ['restore', '-D', 'img', '--action-script', join(dir, 'env.sh')], {
      cwd: dir, encoding: 'utf8', env: { PATH: process.env['PATH'], ...certificates === undefined ? {} : { NODE_EXTRA_CA_CERTS: certificates } },
    });
    assert.is(status, 1);
    assert.not.match(stderr, /extra certs/); // Node's warning of a file that it cannot read
    assert.is(stdout, certificates === undefined ? '' : `NODE_EXTRA_CA_CERTS=${certificates}\n`);
  });
}
scripts.run();

const checking = suite('check');
checking('Looks good.', () => {
  const { code, out } = criu('check');
  assert.is(out, 'Looks good.\n');
  assert.is(code, 0);
});
checking('a feature that is there, one that is not', () => {
  assert.equal(criu('check --feature kcmp'), { code: 0, out: 'kcmp is supported\n', err: '' });
  const { code, out, err } = criu('check --feature compat_cr');
  assert.is(code, 1);
  assert.is(out, '');
  assert.match(err, /^Error \(check\): compat_cr is missing: .*It is needed for 32-bit tasks; it comes with/);
});
checking('without privilege much is missing, and is said so', () => {
  if (process.getuid?.() !== 0) return;
  chmodSync(installed.root, 0o755);
  const wrapper = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
  if (spawnSync(wrapper[0]!, [...wrapper.slice(1), 'test', '-r', fileURLToPath(new URL('../../node_modules/koffi/package.json', import.meta.url))]).status !== 0) {
    console.log('SKIP check without privilege: this source tree cannot be read by other users');
    return;
  }
  const { code, out, err } = installed.run('criu', ['check', '--all'], { cwd: '/', wrapper });
  assert.is(code, 1);
  assert.match(err, /^Warn  \(check\): clone3_set_tid is missing: clone3\(.*\): EPERM/m);
  assert.match(err, /^Warn  \(check\): tcp_repair is missing: setsockopt\(.*\): EPERM\. It is needed for TCP connections; it comes with/m);
  assert.match(err, /Does not look good\./);
  assert.is(out, '');
});
checking.after(() => installed.remove());
checking.run();
