/** What reads images runs anywhere: nothing it needs is Node's, the helper's or koffi's. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readCoreModule } from '../../src/core/node.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

const portable = suite('src/image and src/crit in a browser bundle');
portable('bundles without a Node module, and decodes an image in a bare context', async () => {
  const entry = `
    import { loadCore } from './src/core/core.ts';
    import { MemorySet } from './src/image/set.ts';
    import { readTree } from './src/image/tree-read.ts';
    import { writeTree } from './src/image/tree-write.ts';
    import { imageFromJson, imageToJson } from './src/crit/convert.ts';
    import { readJson, writeJson } from './src/crit/json.ts';
    import { explorePs } from './src/crit/explore.ts';
    export { imageFromJson, imageToJson, readJson, writeJson };
    export async function rewrite(core, files) {
      await loadCore(core);
      const set = new MemorySet('set', files);
      const copy = new MemorySet('copy');
      return { written: writeTree(copy, readTree(set)).map((name) => [name, copy.files.get(name)]), ps: explorePs(set) };
    }`;
  const { outputFiles, metafile, errors } = await build({
    stdin: { contents: entry, resolveDir: root }, absWorkingDir: root, bundle: true, platform: 'browser', format: 'iife', globalName: 'stillframe', write: false, metafile: true, logLevel: 'silent',
  });
  assert.equal(errors, []);
  const inputs = Object.keys(metafile.inputs);
  assert.ok(inputs.includes('src/image/tree-read.ts'));
  assert.equal(inputs.filter((path) => /(^|\/)node\/|^node:|koffi|^src\/(helper|kernel|program|proc|dump|restore)\//.test(path)), []);

  const folder = `${root}test/fixtures/family/`;
  const names = readdirSync(folder).filter((name) => name.endsWith('.img') && !name.startsWith('pages-'));
  const files = names.map((name) => [name, new Uint8Array(readFileSync(folder + name))] as const);
  // what every browser has, and nothing of Node; Uint8Array is shared so that both sides mean the same
  const page = createContext({ WebAssembly, TextDecoder, TextEncoder, URL, Uint8Array, core: readCoreModule(), files });
  runInContext(outputFiles[0]!.text, page);
  const { written, ps } = await (runInContext('stillframe.rewrite(core, files)', page) as Promise<{ written: [string, Uint8Array][]; ps: string }>);
  assert.is(written.length, names.length);
  for (const [name, bytes] of written) assert.ok(Buffer.from(bytes).equals(readFileSync(folder + name)), name);
  assert.is(ps, readFileSync(`${folder}crit-x/ps.txt`, 'utf8'));
});
portable.run();
