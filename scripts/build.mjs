// Builds dist/: one CommonJS bundle a program (esbuild), with the wasm core and the helper beside them when they are built.
// One file each because a start reads one file; code of a verb inside it runs only when the verb does (dynamic imports).
// Usage: node scripts/build.mjs [--package DIR]   with --package, the whole package as it would be installed goes to DIR (for tests)
import { build } from 'esbuild';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildImage } from './build-image.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({ options: { package: { type: 'string', default: ROOT } } });
const target = resolve(values.package);
const out = join(target, 'dist');
mkdirSync(out, { recursive: true });
if (target !== resolve(ROOT)) {
  for (const part of ['bin', 'package.json']) cpSync(join(ROOT, part), join(target, part), { recursive: true });
  symlinkSync(realpathSync(join(ROOT, 'node_modules')), join(target, 'node_modules'));
}

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
  minifyWhitespace: true, // names stay: stacks are for people
  minifySyntax: true,
  legalComments: 'eof',
  external: ['koffi', 'typescript', 'ts-node', 'tsx', '@oclif/plugin-*'],
  // `performance` would load node:perf_hooks, for one clock
  define: { 'import.meta.url': 'bundleUrl', 'performance.now': 'monotonicNow' },
  banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href, monotonicNow = () => { const [s, ns] = process.hrtime(); return s * 1e3 + ns / 1e6; };" },
  logLevel: 'warning',
  plugins: [{
    // bin/start.js gives bundles their import(): see there. Our own dynamic imports are resolved inside the bundle.
    name: 'native-import',
    setup(build) {
      build.onLoad({ filter: /node_modules.*\.c?js$/ }, ({ path }) => {
        const text = readFileSync(path, 'utf8');
        const computed = /await import\((?=\s*[^\s'"])/g; // one with a literal is bundled
        // the first comparison by a locale loads the tables of all of them, a third of a start of oclif: names of commands are ASCII
        const byLocale = /\b([\w.]+)\.localeCompare\(([\w.]+)\)/g;
        const better = text.replaceAll(computed, 'await nativeImport(').replaceAll(byLocale, '($1 < $2 ? -1 : $1 > $2 ? 1 : 0)');
        return better === text ? undefined : { contents: better, loader: 'js' };
      });
    },
  }],
});
writeFileSync(join(out, 'package.json'), '{ "type": "commonjs" }\n');
await buildImage(ROOT, out);

for (const [from, mode] of [['wasm/stillframe.wasm', 0o644], ['helper/stillframe-helper', 0o755]]) {
  const path = join(ROOT, from);
  if (!existsSync(path)) continue;
  const to = join(out, from.slice(from.lastIndexOf('/') + 1));
  rmSync(to, { force: true }); // a helper that is running cannot be written over
  copyFileSync(path, to);
  chmodSync(to, mode);
}

// oclif's list of commands with their flags, so that a start need not ask each command.
const manifest = join(target, 'oclif.manifest.json');
rmSync(manifest, { force: true });
const { Config } = await import('@oclif/core');
await createRequire(import.meta.url)(join(out, 'stillframe.cjs')).loadAllCommands();
const config = await Config.load({ root: target, pluginAdditions: { core: [] }, ignoreManifest: true, userPlugins: false, devPlugins: false });
writeFileSync(manifest, `${JSON.stringify(config.plugins.get('stillframe').manifest)}\n`);

// What V8 compiled in a first run, for bin/start.js: one cache for each verb, one for all else. Where this machine permits, `dump` dumps a
// sleeping child (which sleeps on) and `restore` then fails to restore it (its pid is taken), so that all of a dump and the plan of a
// restore are in their caches.
const WARM_UP = {
  '': { criu: [['--help'], ['--version']], crit: [['--help']], stillframe: [['version']] },
  dump: [['dump', '-R', '-t', 'PID', '-D', 'DIR', '-v0']],
  restore: [['restore', '-D', 'DIR', '-v0']],
};
const RUN = { criu: 'await bundle.main(argv)', crit: 'bundle.run(argv)', stillframe: `await bundle.start(${JSON.stringify(target)}, argv)` };
for (const name of PROGRAMS) {
  const dir = mkdtempSync(join(tmpdir(), 'sf-warm-'));
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  const words = { PID: String(child.pid), DIR: dir };
  for (const [verb, lines] of Object.entries(WARM_UP)) {
    if (verb !== '' && name === 'crit') continue;
    const cache = join(out, `${name}.cjs.${verb === '' ? '' : `${verb}.`}cache`);
    rmSync(cache, { force: true });
    const code = `
      const bundle = require(${JSON.stringify(join(target, 'bin/start.js'))})('${name}', { cacheTo: ${JSON.stringify(cache)} });
      process.on('exit', () => { process.exitCode = 0; });
      (async () => { for (const argv of ${JSON.stringify((Array.isArray(lines) ? lines : lines[name]).map((line) => line.map((word) => words[word] ?? word)))}) ${RUN[name]}; process.exit(0); })();`;
    execFileSync(process.execPath, ['-e', code], { stdio: ['ignore', 'ignore', 'ignore'] });
  }
  child.kill('SIGKILL');
  rmSync(dir, { recursive: true });
}
