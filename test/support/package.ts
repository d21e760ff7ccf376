/** The package as it would be installed (bin/, dist/, manifest), built from the sources as they are now into a folder of its own. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Ended { readonly code: number | null; readonly out: string; readonly err: string }

export interface Package {
  readonly root: string;
  /** Runs bin/NAME; `env` is added to a bare environment with a HOME of its own. */
  run(name: 'criu' | 'stillframe.js' | 'crit', args: readonly string[], options?: { cwd?: string; env?: Readonly<Record<string, string>>; wrapper?: readonly string[] }): Ended;
  remove(): void;
}

export function buildPackage(): Package {
  const root = mkdtempSync(join(tmpdir(), 'sf-package-'));
  const built = spawnSync(process.execPath, [join(ROOT, 'scripts/build.mjs'), '--package', root], { encoding: 'utf8' });
  if (built.status !== 0) throw new Error(`scripts/build.mjs failed:\n${built.stderr}`);
  return {
    root,
    run(name, args, { cwd = root, env = {}, wrapper = [] } = {}) {
      const [command = '', ...rest] = [...wrapper, process.execPath, join(root, 'bin', name), ...args];
      const { status, stdout, stderr, error } = spawnSync(command, rest, {
        cwd, encoding: 'utf8', maxBuffer: 1 << 26, timeout: 60_000,
        env: { PATH: process.env['PATH'], HOME: root, NO_COLOR: '1', ...env },
      });
      if (error !== undefined) throw error;
      return { code: status, out: stdout, err: stderr };
    },
    remove() { rmSync(root, { recursive: true, force: true }); },
  };
}
