/**
 * Loads koffi. Its own entry looks for the platform's binary in many places, which takes longer than the rest of a start;
 * on the usual system the binary is loaded straight from where npm puts it.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BINARY = 'node_modules/@koromix/koffi-linux-x64/linux_x64/koffi.node';
const GLIBC = '/lib64/ld-linux-x86-64.so.2';

/** What is used of koffi. */
export interface Koffi {
  load(path: string | null): { func(declaration: string): (...args: unknown[]) => number };
  address(bytes: Uint8Array): bigint;
  errno(): number;
}

let loaded: Koffi | undefined;

/** @throws whatever loading it throws: not installed, no binary for this system */
export function loadKoffi(): Koffi {
  loaded ??= straight() ?? (createRequire(import.meta.url)('koffi') as Koffi);
  return loaded;
}

function straight(): Koffi | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64' || !existsSync(GLIBC)) return undefined;
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const path = join(folder, BINARY);
    if (existsSync(path)) {
      const module = { exports: {} };
      try {
        process.dlopen(module, path);
        return module.exports as Koffi;
      } catch {
        return undefined; // koffi's own entry knows what else to try, and tells what is wrong
      }
    }
    if (folder === dirname(folder)) return undefined;
  }
}
