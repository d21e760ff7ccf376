/** Dumping from a test: the options with their usual values, a directory for the images. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_SCRIPTS } from '../../src/cli/hooks.ts';
import type { DumpOptions } from '../../src/dump/options.ts';

export function options(pid: number, imagesDir: string, more: Partial<DumpOptions> = {}): DumpOptions {
  return {
    pid, imagesDir, workDir: imagesDir, finalState: 'running', shellJob: false, timeoutSeconds: 10, ghostLimit: 1n << 20n, scripts: NO_SCRIPTS, given: new Map(), ...more,
  };
}

/** An empty directory that is removed when `use` is done. */
export async function withDirectory<T>(use: (path: string) => Promise<T> | T): Promise<T> {
  const path = mkdtempSync(join(tmpdir(), 'sf-images-'));
  try {
    return await use(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

export const filesIn = (path: string): string[] => readdirSync(path).sort();

/** What a promise was rejected with. @throws when it was not */
export async function rejected(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it succeeded');
}
