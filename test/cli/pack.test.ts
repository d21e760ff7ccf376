/** `npm pack`: what is in the package, and that it works where it is installed, without any toolchain. */
// timeout: 240 s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildPackage, ROOT } from '../support/package.ts';

const installed = buildPackage();
const away = mkdtempSync(join(tmpdir(), 'sf-pack-'));

const pack = suite('npm pack');
pack('holds the bundles, the wasm core, the static helper and nothing that needs a compiler', () => {
  const packed = spawnSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', away], { cwd: installed.root, encoding: 'utf8' });
  assert.is(packed.status, 0, packed.stderr);
  const [{ files }] = JSON.parse(packed.stdout) as [{ files: { path: string; mode: number }[] }];
  const paths = files.map(({ path }) => path);
  for (const wanted of ['bin/criu', 'bin/stillframe.js', 'bin/start.js', 'dist/criu.cjs', 'dist/stillframe.cjs', 'dist/stillframe.wasm', 'dist/stillframe-helper', 'oclif.manifest.json', 'package.json']) {
    assert.ok(paths.includes(wanted), `${wanted} is not in the package: ${paths.join(' ')}`);
  }
  for (const path of paths) assert.not.match(path, /\.(ts|c|h|o)$/);
  assert.ok(files.every(({ path, mode }) => path !== 'dist/stillframe-helper' || (mode & 0o111) !== 0), 'the helper is executable');
  const [archive] = readdirSync(away).filter((name) => name.endsWith('.tgz'));
  assert.is(spawnSync('tar', ['-xzf', archive ?? '', '-C', away], { cwd: away }).status, 0);
});
pack('works elsewhere: the helper runs, images are read, with no compiler and no tool in PATH', () => {
  const root = join(away, 'package');
  // Its dependencies come from npm where it is installed; here they are the ones that are there.
  symlinkSync(realpathSync(join(ROOT, 'node_modules')), join(root, 'node_modules'));
  const bare = join(away, 'empty-path');
  mkdirSync(bare);
  const run = (name: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } => spawnSync(process.execPath, [join(root, 'bin', name), ...args], { cwd: away, encoding: 'utf8', env: { PATH: bare, HOME: away } });
  const check = run('criu', 'check');
  assert.is(check.stdout, 'Looks good.\n', check.stderr);
  const plan = run('stillframe.js', 'plan', join(ROOT, 'test/fixtures/counter'), '-j');
  assert.match(plan.stdout, /^task \d+: \d+ steps$/m, plan.stderr);
  if (existsSync(join(root, 'bin/crit'))) assert.match(run('crit', 'info', join(ROOT, 'test/fixtures/counter/pstree.img')).stdout, /PSTREE/);
});
pack.after(() => {
  installed.remove();
  rmSync(away, { recursive: true, force: true });
});
pack.run();
