// Builds dist/: one CommonJS bundle a program (esbuild), with the wasm core and the helper beside them when they are built.
// One file each because a start reads one file; code of a verb inside it runs only when the verb does (dynamic imports).
// Usage: node scripts/build.mjs [--out DIR]
import { build } from 'esbuild';
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({ options: { out: { type: 'string', default: join(ROOT, 'dist') } } });
const out = resolve(values.out);
mkdirSync(out, { recursive: true });

// NAME: dist/NAME.cjs from src/cli/bin-NAME.ts
const PROGRAMS = ['criu', 'crit', 'stillframe'].filter((name) => existsSync(join(ROOT, `src/cli/bin-${name}.ts`)));

await build({
  absWorkingDir: ROOT,
  entryPoints: Object.fromEntries(PROGRAMS.map((name) => [name, `src/cli/bin-${name}.ts`])),
  outdir: out,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  sourcemap: 'linked',
  sourcesContent: false,
  external: ['koffi', 'typescript', 'ts-node', 'tsx', '@oclif/plugin-*', '../dump/dump.ts'],
  define: { 'import.meta.url': 'bundleUrl' },
  banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
  logLevel: 'warning',
});
writeFileSync(join(out, 'package.json'), '{ "type": "commonjs" }\n');

for (const [from, mode] of [['wasm/stillframe.wasm', 0o644], ['helper/stillframe-helper', 0o755]]) {
  const path = join(ROOT, from);
  if (!existsSync(path)) continue;
  const to = join(out, from.slice(from.lastIndexOf('/') + 1));
  rmSync(to, { force: true }); // a helper that is running cannot be written over
  copyFileSync(path, to);
  chmodSync(to, mode);
}

// oclif's list of commands with their flags, so that a start need not ask each command. Only for the package's own dist/.
if (out === join(ROOT, 'dist')) {
  const manifest = join(ROOT, 'oclif.manifest.json');
  rmSync(manifest, { force: true });
  const { Config } = await import('@oclif/core');
  const config = await Config.load({ root: ROOT, pluginAdditions: { core: [] }, ignoreManifest: true, userPlugins: false, devPlugins: false });
  const plugin = config.plugins.get('stillframe');
  writeFileSync(manifest, `${JSON.stringify(plugin.manifest)}\n`);
}
