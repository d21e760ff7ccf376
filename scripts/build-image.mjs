// The parts of dist/ that only read images: the view's page (view.js, view.css) and the library `stillframe/image`
// (image/node.js, image/browser.js). None of them may contain the helper's side or koffi; the build fails if one does.
import { build } from 'esbuild';
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FORBIDDEN = /(^|\/)(koffi|src\/helper|src\/dump|src\/restore|src\/resources)(\/|$)/;

/** @param root the source tree @param out dist/ */
export async function buildImage(root, out) {
  mkdirSync(join(out, 'image'), { recursive: true });
  const common = { absWorkingDir: root, bundle: true, metafile: true, minify: true, logLevel: 'warning', legalComments: 'eof' };
  const results = [
    await build({ ...common, entryPoints: { view: 'src/view/app/main.ts' }, outdir: out, platform: 'browser', target: 'es2022', format: 'iife', legalComments: 'none' }),
    await build({ ...common, entryPoints: { view: 'src/view/app/style.css' }, outdir: out }),
    await build({ ...common, entryPoints: { browser: 'src/inspect/index.ts' }, outdir: join(out, 'image'), platform: 'browser', target: 'es2022', format: 'esm' }),
    await build({ ...common, entryPoints: { node: 'src/inspect/node/index.ts' }, outdir: join(out, 'image'), platform: 'node', target: 'node20', format: 'esm' }),
  ];
  for (const { metafile } of results) {
    const inside = Object.keys(metafile.inputs).filter((input) => FORBIDDEN.test(input));
    if (inside.length > 0) throw new Error(`an image bundle has ${inside.join(', ')} in it: nothing that reads images may need them`);
  }
  writeFileSync(join(out, 'image', 'package.json'), '{ "type": "module" }\n');
  const wasm = join(root, 'wasm/stillframe.wasm');
  if (existsSync(wasm)) copyFileSync(wasm, join(out, 'image', 'stillframe.wasm'));
}
