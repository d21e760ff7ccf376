/**
 * The package where there is no native code: packed, installed without koffi and the helper, on what says it is darwin or win32. And the
 * library `stillframe/image`: in Node, and as a browser bundle without Node built-ins.
 */
// timeout: 300 s
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const folder = mkdtempSync(join(tmpdir(), 'sf-library-'));
const installed = join(folder, 'node_modules', 'stillframe');
const fixtures = resolve('test/fixtures');

const library = suite('stillframe/image');

library.before(() => {
  if (!existsSync('dist/image/node.js')) execFileSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });
  mkdirSync(installed, { recursive: true });
  for (const name of ['bin', 'dist', 'package.json', 'oclif.manifest.json']) if (existsSync(name)) cpSync(name, join(installed, name), { recursive: true });
  rmSync(join(installed, 'dist', 'stillframe-helper'), { force: true });
  // what a package manager would put beside it, but for koffi
  mkdirSync(join(installed, 'node_modules', '@oclif'), { recursive: true });
  for (const name of ['plugin-help', 'plugin-plugins', 'plugin-autocomplete', 'core']) symlinkSync(resolve('node_modules/@oclif', name), join(installed, 'node_modules/@oclif', name));
  for (const platform of ['darwin', 'win32']) {
    writeFileSync(join(folder, `${platform}.cjs`), `
      Object.defineProperty(process, 'platform', { value: '${platform}' });
      const { Module } = require('node:module');
      const load = Module._load;
      Module._load = function (name, ...rest) {
        if (/koffi/.test(name)) throw new Error('koffi was asked for');
        return load.call(this, name, ...rest);
      };`);
  }
});
library.after(() => rmSync(folder, { recursive: true }));

const run = (platform: string, ...args: string[]): { status: number | null; out: string; err: string } => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-r', join(folder, `${platform}.cjs`), join(installed, 'bin/stillframe.js'), 'image', ...args], { encoding: 'utf8', cwd: folder });
  return { status, out: stdout, err: stderr };
};

for (const platform of ['darwin', 'win32']) {
  library(`every image command runs on ${platform}, without koffi and the helper`, () => {
    const family = join(fixtures, 'family');
    const rows: readonly (readonly [readonly string[], RegExp, number?])[] = [
      [['show', join(fixtures, 'podman-counter.tar.gz')], /Podman counter/], [['ps', family], /14601 family \(zombie\)/], [['fds', family, '-p', '14602'], /family\.ghost/], [['sockets', family], /family\.sock/],
      [['mem', family, '-p', '14602'], /\[heap\]/], [['mounts', join(fixtures, 'podman-counter.tar.gz')], /overlayfs/], [['stats', family], /pages written/], [['env', family, '-p', '14602'], /=/],
      [['find', family, 'in the stream', '-n', '1'], /in the stream/], [['hexdump', family, '14602', '0x55f2fba21010', '-n', '16'], /family\.fifo/], [['strings', family, '-p', '14602', '-n', '10'], /family\.ghost/],
      [['decode', join(family, 'pstree.img')], /"magic": "PSTREE"/], [['check', family], /0 errors/], [['diff', family, family], /They are equal/], [['core', family, '14602', '-o', join(folder, `core.${platform}`)], /gdb/],
      [['view', family, '-o', join(folder, `${platform}.html`)], /html/], [['anonymise', family, '-o', join(folder, `anonymous-${platform}`)], /42 files/], [['ps', family, '--json'], /"pid": 14596/],
      [['find', family, 'nowhere to be found'], /^$/, 1], [['show', join(folder, 'nothing')], /^$/, 2],
    ];
    for (const [args, wanted, code = 0] of rows) {
      const { status, out, err } = run(platform, ...args);
      assert.is(status, code, `${args.join(' ')}: ${err}`);
      assert.match(out, wanted, args.join(' '));
    }
    writeFileSync(join(folder, 'p.json'), run(platform, 'decode', join(family, 'pstree.img')).out);
    assert.is(run(platform, 'encode', join(folder, 'p.json'), '-o', join(folder, 'p.img')).status, 0);
    assert.ok(readFileSync(join(folder, 'p.img')).equals(readFileSync(join(family, 'pstree.img'))));
  });
}

library('imported in Node: open, tasks, memory, check', () => {
  writeFileSync(join(folder, 'use.mjs'), `
    import { open, checkSet, taskRows, schema } from 'stillframe/image';
    const set = await open(${JSON.stringify(join(fixtures, 'family'))});
    const rows = await taskRows(set);
    const { bytes } = await set.memory(14602).read(0x55f2fba21010n, 11);
    console.log(rows.length, new TextDecoder().decode(bytes), (await checkSet(set)).length, schema.fd_types.MEMFD);
    await set.close();`);
  assert.is(execFileSync(process.execPath, [join(folder, 'use.mjs')], { encoding: 'utf8' }).trim(), '4 family.fifo 0 18');
});

library('typed: a strict consumer compiles, in Node and for a bundler without any types of Node', () => {
  execFileSync(process.execPath, ['scripts/build-types.mjs'], { stdio: 'inherit' });
  cpSync('dist/image/types', join(installed, 'dist/image/types'), { recursive: true });
  const consumer = join(folder, 'consumer');
  mkdirSync(join(consumer, 'node_modules', '@types'), { recursive: true });
  symlinkSync(installed, join(consumer, 'node_modules', 'stillframe'));
  for (const [link, target] of [['@types/node', '@types/node'], ['undici-types', 'undici-types'], ['@protobuf-ts', '@protobuf-ts']] as const) symlinkSync(resolve('node_modules', target), join(consumer, 'node_modules', link));
  const common = `import { checkSet, findIn, fdRows, parsePattern, summaryOf, taskRows, StillframeError, type Finding, type OpenSet, type TaskRow } from 'stillframe/image';
    export async function look(set: OpenSet): Promise<[TaskRow[], Finding[], string, number]> {
      let found = 0;
      for (const { pid } of await taskRows(set)) for await (const { address } of findIn(set.memory(pid), parsePattern('/x+/'))) found += address > 0n ? 1 : 0;
      const fd: number | 'cwd' | 'root' | 'exe' | undefined = fdRows(set)[0]?.fd;
      return [await taskRows(set), await checkSet(set, { target: 'criu-4.2' }), (await summaryOf(set)).writer + String(fd), found];
    }
    // @ts-expect-error there is no such target
    export const wrong = (set: OpenSet): unknown => checkSet(set, { target: 'criu-1' });
    export const isOurs = (error: unknown): error is StillframeError => error instanceof StillframeError;\n`;
  writeFileSync(join(consumer, 'node.ts'), `${common} import { open, checkHost } from 'stillframe/image';\n export const all = async (path: string): Promise<number> => { const set = await open(path); await look(set); return (await checkHost(set)).length; };`);
  writeFileSync(join(consumer, 'browser.ts'), `${common} import { open, loadCore } from 'stillframe/image';\n export const all = async (file: File): Promise<unknown> => { await loadCore(new URL('core.wasm', location.href)); return look(await open(file, { name: file.name })); };
    // @ts-expect-error paths are Node's
    export const path = (): unknown => open('img/');`);
  const strict = { strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true, noEmit: true, target: 'ES2022', skipLibCheck: false };
  const projects = {
    node: { compilerOptions: { ...strict, module: 'NodeNext', moduleResolution: 'NodeNext', lib: ['ES2023', 'DOM', 'DOM.Iterable'], types: ['node'] }, files: ['node.ts'] },
    browser: { compilerOptions: { ...strict, module: 'ESNext', moduleResolution: 'bundler', lib: ['ES2023', 'DOM', 'DOM.Iterable', 'DOM.AsyncIterable'], types: [] }, files: ['browser.ts'] },
  };
  writeFileSync(join(consumer, 'package.json'), '{ "type": "module" }');
  for (const [name, project] of Object.entries(projects)) {
    writeFileSync(join(consumer, `${name}.json`), JSON.stringify(project));
    const { status, stdout } = spawnSync(process.execPath, [resolve('node_modules/typescript/bin/tsc'), '-p', join(consumer, `${name}.json`)], { encoding: 'utf8' });
    assert.is(status, 0, `${name}: ${stdout}`);
  }
});

library('the browser bundle has no Node built-ins, and opens an archive from bytes', () => {
  const bundle = readFileSync('dist/image/browser.js', 'utf8');
  assert.not.match(bundle, /from\s*["']node:|require\(\s*["']|import\(\s*["']node:/);
  writeFileSync(join(folder, 'browser.mjs'), `
    const process_ = globalThis.process;
    const { readFileSync } = await import('node:fs');
    const wasm = readFileSync(${JSON.stringify(resolve('wasm/stillframe.wasm'))});
    const archive = readFileSync(${JSON.stringify(join(fixtures, 'podman-counter.tar.gz'))});
    delete globalThis.process; delete globalThis.Buffer;
    const { loadCore, open, summaryOf } = await import(${JSON.stringify(resolve('dist/image/browser.js'))});
    await loadCore(new Uint8Array(wasm));
    const summary = await summaryOf(await open(new Blob([archive]), { name: 'podman' }));
    globalThis.process = process_;
    console.log(summary.container.name, summary.tasks.total);`);
  assert.is(execFileSync(process.execPath, [join(folder, 'browser.mjs')], { encoding: 'utf8' }).trim(), 'counter 2');
});

library.run();
