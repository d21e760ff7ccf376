/**
 * The core in Node: finds wasm/stillframe.wasm beside the sources or beside the packaged bundle, compiles it at its
 * first use (a few milliseconds at most) and makes it `theCore()`.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StillframeError } from '../errors.ts';
import { Core, useCore } from './core.ts';

export * from './core.ts';

/** Candidates, nearest first: the bundle's own folder, then each folder above it, plain and in `wasm/`. */
function candidates(): string[] {
  const found: string[] = [];
  let folder = dirname(fileURLToPath(import.meta.url));
  for (let up = 0; up < 3; up++, folder = dirname(folder)) {
    found.push(join(folder, 'stillframe.wasm'), join(folder, 'wasm', 'stillframe.wasm'));
  }
  return found;
}

/** The module's bytes. @throws StillframeError when it has not been built */
export function readCoreModule(): Uint8Array<ArrayBuffer> {
  for (const path of candidates()) {
    try {
      return new Uint8Array(readFileSync(path));
    } catch (cause) {
      if (!(cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR'))) throw cause;
    }
  }
  throw new StillframeError({
    doing: 'load core', where: 'wasm/stillframe.wasm', why: 'it is missing',
    remedy: "Run 'make' in the source tree to build it; an installed package has it in dist/.",
  });
}

/** The one core of this process. */
export const core: Core = useCore(new Core(() => new WebAssembly.Module(readCoreModule())));
