// The types of `stillframe/image` into dist/image/types: tsc's declarations, with the endings that published declarations need.
// Takes several seconds, so it is done when the package is packed (npm's prepack), not at every build.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OUT = join(ROOT, 'dist/image/types');

rmSync(OUT, { recursive: true, force: true });
execFileSync(process.execPath, [
  join(ROOT, 'node_modules/typescript/bin/tsc'), 'src/inspect/node/index.ts', '--declaration', '--emitDeclarationOnly', '--outDir', OUT, '--rootDir', '.', '--target', 'ES2022', '--module', 'NodeNext',
  '--moduleResolution', 'NodeNext', '--lib', 'ES2023,DOM,DOM.Iterable', '--types', 'node', '--strict', '--skipLibCheck', '--allowImportingTsExtensions', '--noUncheckedIndexedAccess',
], { cwd: ROOT, stdio: 'inherit' });
for (const name of readdirSync(OUT, { recursive: true })) {
  if (!name.endsWith('.d.ts')) continue;
  const path = join(OUT, name);
  writeFileSync(path, readFileSync(path, 'utf8').replace(/((?:from|import)\s*\(?\s*['"]\.[^'"]*)\.ts(['"])/g, '$1.js$2'));
}
