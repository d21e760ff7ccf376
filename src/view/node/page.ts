/** The view's page, made in Node: code and style from dist/, the core, and a set's data. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readCoreModule } from '../../core/node.ts';
import { StillframeError } from '../../errors.ts';
import type { OpenSet } from '../../inspect/open.ts';
import { packView } from '../data.ts';
import { viewHtml } from '../html.ts';

/** A file that the build puts into dist/: beside the bundle, or in the source tree's dist/. */
function built(name: string): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (let up = 0; up < 5; up++, folder = dirname(folder)) {
    for (const path of [join(folder, name), join(folder, 'dist', name)]) {
      try {
        return readFileSync(path, 'utf8');
      } catch (cause) {
        if (!(cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR'))) throw cause;
      }
    }
  }
  throw new StillframeError({ doing: 'make view', where: `dist/${name}`, why: 'it is missing', remedy: "Run 'make' in the source tree to build it; an installed package has it." });
}

export interface MadePage { readonly html: string; /** Bytes of page contents in the chain. */ readonly pages: number; /** Whether they are in the page. */ readonly embedded: boolean }

/** @param options.pagesLimit bytes of page contents up to which they go into the page */
export async function makePage(set: OpenSet | undefined, options: { version: string; pagesLimit: number; serve?: string }): Promise<MadePage> {
  const packed = set === undefined ? { index: '', blob: '', pages: 0, embedded: true } : await packView(set, options);
  const html = viewHtml({ title: set?.name ?? 'image sets', script: built('view.js'), style: built('view.css'), wasm: readCoreModule(), index: packed.index, blob: packed.blob });
  return { html, pages: packed.pages, embedded: packed.embedded };
}
