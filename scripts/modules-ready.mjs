// Runs `npm ci` when node_modules does not hold what package-lock.json says; compares contents, so that a fresh checkout
// beside a good node_modules costs nothing.
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync } from 'node:fs';

const packagesIn = (file) => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).packages : {});
const wanted = packagesIn('package-lock.json');
const there = packagesIn('node_modules/.package-lock.json');
const missing = Object.entries(wanted).filter(
  ([path, { version, optional }]) => path !== '' && there[path]?.version !== version && !(optional && there[path] === undefined),
);
if (missing.length > 0) {
  const some = missing.slice(0, 3).map(([path]) => path.replace('node_modules/', '')).join(', ');
  if (existsSync('node_modules') && lstatSync('node_modules').isSymbolicLink()) {
    console.error(`node_modules is a link and lacks ${missing.length} packages (${some} ...). Run 'npm ci' in the directory it leads to.`);
    process.exit(1);
  }
  console.error(`npm ci (${missing.length} packages missing: ${some} ...)`);
  const { status, error } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { stdio: ['ignore', 2, 2] });
  if (status !== 0) {
    console.error(`npm ci failed${error ? `: ${error.message}` : ''}`);
    process.exit(1);
  }
}
