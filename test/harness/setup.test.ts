/** scripts/setup.sh: what is missing is installed by root and named for everybody else; nothing happens when nothing is missing. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ALWAYS = ['bash', 'dirname', 'cat'];
const TOOLS = [
  'cc', 'make', 'emcc', 'wasm-ld', 'crit', 'zstd', 'setsid', 'clang-14', 'gdb-multiarch', 'chromium', 'iptables', 'ip', 'redis-server', 'memcached', 'nginx', 'javac', 'caddy',
  'perl', 'tmux', 'vim', 'less',
];

/** Runs it with only these commands to be found; `id` says who we are, apt-get writes down what it is asked. */
function setup(goals: readonly string[], { have, uid, apt = true, node = process.execPath }: { have: readonly string[]; uid: number; apt?: boolean; node?: string }): { status: number | null; output: string; asked: string } {
  const dir = mkdtempSync(join(tmpdir(), 'sf-setup-'));
  const script = (name: string, text: string): void => {
    writeFileSync(join(dir, name), `#!/bin/bash\n${text}\n`);
    chmodSync(join(dir, name), 0o755);
  };
  try {
    for (const name of ALWAYS) symlinkSync(spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim(), join(dir, name));
    for (const name of have) script(name, 'exit 0');
    script('id', `echo ${uid}`);
    if (apt) script('apt-get', `echo "$*" >>${dir}/asked`);
    if (node === process.execPath) symlinkSync(node, join(dir, 'node'));
    else script('node', node);
    const { status, stdout, stderr } = spawnSync('/bin/bash', [join(ROOT, 'scripts/setup.sh'), ...goals], { encoding: 'utf8', env: { PATH: dir } });
    return { status, output: stdout + stderr, asked: existsSync(join(dir, 'asked')) ? readFileSync(join(dir, 'asked'), 'utf8') : '' };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const test = suite('scripts/setup.sh');

test('nothing is missing: silent, nothing is installed', () => {
  const { status, output, asked } = setup(['all', 'test'], { have: TOOLS, uid: 0 });
  assert.is(output, '');
  assert.is(status, 0);
  assert.is(asked, '');
});

test('a plain user is told the exact command, and nothing is installed', () => {
  const { status, output, asked } = setup(['test'], { have: TOOLS.filter((name) => name !== 'emcc' && name !== 'crit'), uid: 1000 });
  assert.is(status, 1);
  assert.match(output, 'sudo apt-get update && sudo apt-get install -y --no-install-recommends emscripten criu');
  assert.is(asked, '');
});

test('root installs what is missing, once', () => {
  const { status, asked } = setup(['all'], { have: TOOLS.filter((name) => name !== 'emcc'), uid: 0 });
  assert.is(status, 0);
  assert.is(asked, 'update -q\ninstall -q -y --no-install-recommends emscripten\n');
});

test('what only the tests need is not installed for a build', () => {
  const { output, asked } = setup(['all'], { have: TOOLS.filter((name) => name !== 'crit'), uid: 0 });
  assert.is(asked, '');
  assert.is(output, '');
});

test('without apt the packages are named', () => {
  const { status, output } = setup(['all'], { have: TOOLS.filter((name) => name !== 'emcc'), uid: 0, apt: false });
  assert.is(status, 1);
  assert.match(output, /Missing: emscripten/);
});

test('an old Node is refused with its version', () => {
  const { status, output } = setup(['all'], { have: TOOLS, uid: 0, node: 'case $1 in --version) echo v18.20.4;; *) echo false;; esac' });
  assert.is(status, 1);
  assert.match(output, /Node 20 or later is needed \(found: v18\.20\.4\)/);
});

test.run();
