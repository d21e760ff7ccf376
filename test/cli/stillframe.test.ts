/** stillframe: commands, `--json`, errors, completion, and a plugin that adds a command. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CRIU_VERSION, STILLFRAME_VERSION } from '../../src/version.ts';
import { buildPackage, ROOT, type Ended } from '../support/package.ts';

const installed = buildPackage();
const dir = join(installed.root, 'work');
mkdirSync(join(dir, 'img'), { recursive: true });
const FIXTURE = join(ROOT, 'test/fixtures/counter');
const stillframe = (line: string): Ended => installed.run('stillframe.js', line.split(' ').filter(Boolean), { cwd: dir, env: { XDG_DATA_HOME: join(dir, 'data'), XDG_CACHE_HOME: join(dir, 'cache'), SHELL: '/bin/bash' } });
const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;

const versions = suite('version');
versions('the package, the source and the command agree', () => {
  const pjson = json(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  assert.is(pjson['version'], STILLFRAME_VERSION);
  const { code, out, err } = stillframe('version --json');
  assert.is(code, 0, err);
  assert.equal(json(out), { stillframe: STILLFRAME_VERSION, criu: CRIU_VERSION, node: process.versions.node, platform: `${process.platform}-${process.arch}` });
  assert.match(stillframe('version').out, new RegExp(`^stillframe ${STILLFRAME_VERSION} `));
});
versions.run();

const errors = suite('errors');
for (const [line, expected] of [
  ['dmup', /^Error: unknown command dmup, did you mean dump\? Try stillframe --help\n$/],
  ['dump', /^Error: cli: pid not specified/],
  ['dump -t abc', /^Error: cli: invalid argument for -t: abc/],
  ['dump --leave-runing', /^Error: cli: unknown option --leave-runing\. Did you mean --leave-running\?/],
  ['dump -t 5 --stream', /^Error: cli: --stream is not supported by dump yet/],
  ['dump -t 5 -D none', /^Error: cli: -D none: the directory .* does not exist/],
  ['restore -D img', /^Error: .*inventory\.img/],
  ['plan img', /^Error: .*inventory\.img/],
  ['plan a b', /^Error: cli: one directory, not 2: a b/],
  ['version --nonsense', /^Error: cli: unknown option --nonsense/],
] as const) {
  errors(line, () => {
    const { code, out, err } = stillframe(line);
    assert.match(err, expected);
    assert.is(code, 1);
    assert.is(out, '');
  });
}
errors('--json: the error as data, nothing on stderr', () => {
  const { code, out, err } = stillframe('dump -t abc --json');
  assert.is(code, 1);
  assert.is(err, '');
  assert.match(String((json(out)['error'] as Record<string, unknown>)['why']), /invalid argument for -t: abc/);
});
errors('with -o the error is also in the log file', () => {
  const { err } = stillframe('restore -D img -o r.log');
  assert.match(err, /^Error: /);
  assert.match(readFileSync(join(dir, 'img/r.log'), 'utf8'), /^Error \((?!internal)[^)]+\): /m);
});
errors.run();

const commands = suite('commands');
commands('plan prints what a restore would do', () => {
  const { code, out, err } = stillframe(`plan ${FIXTURE} -j`);
  assert.is(code, 0, err);
  assert.match(out, /^helper: \d+ steps$/m);
  assert.match(out, /^task \d+: \d+ steps$/m);
  assert.match(out, /openat\(-100, "\/dev\/null"/);
});
commands('plan --json', () => assert.ok(Array.isArray(json(stillframe(`plan ${FIXTURE} -j --json`).out)['programs'])));
commands('check --json lists each feature', () => {
  const { code, out } = stillframe('check --json');
  assert.is(code, 0);
  const features = json(out)['features'] as { name: string; ok: boolean }[];
  assert.ok(features.some(({ name, ok }) => name === 'kcmp' && ok));
});
commands('help of a command has the options of the table', () => {
  const { code, out } = stillframe('help dump');
  assert.is(code, 0);
  assert.match(out, /-t, --tree=PID/);
  assert.match(out, /--\[no-\]shell-job/);
});
commands('completion knows commands and options', () => {
  const { code, err } = stillframe('autocomplete bash --refresh-cache');
  assert.is(code, 0, err);
  const script = readFileSync(join(dir, 'cache/stillframe/autocomplete/functions/bash/stillframe.bash'), 'utf8');
  assert.match(script, /dump .*--tree/);
});
commands.run();

const plugin = suite('plugins');
plugin('a linked plugin adds its command', () => {
  assert.match(stillframe('hello').err, /unknown command hello/);
  const linked = stillframe(`plugins link ${join(ROOT, 'test/plugins/stillframe-plugin-hello')} --no-install`);
  assert.is(linked.code, 0, linked.err);
  assert.match(stillframe('plugins').out, /stillframe-plugin-hello 1\.0\.0 \(link\)/);
  assert.equal(stillframe('hello there'), { code: 0, out: "hello there from stillframe's plugin\n", err: '' });
  assert.match(stillframe('help').out, /hello +Say hello, from a plugin\./);
  assert.is(stillframe('plugins unlink stillframe-plugin-hello').code, 0);
  assert.is(stillframe('hello').code, 1);
});
plugin.after(() => installed.remove());
plugin.run();
