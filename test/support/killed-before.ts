/** Making a link of a chain by somebody who is killed before one of the requests to the helper (killed-link.ts). */
import { build } from 'esbuild';
import { spawn } from 'node:child_process';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import type { LinkOptions, Verb } from './chain-of-dumps.ts';
import { ROOT } from './program.ts';

let built: Promise<string> | undefined;

/** It as one file, in a place from where it finds helper and core: it is started hundreds of times, and tsx alone takes a second. */
async function bundled(): Promise<string> {
  const path = join(ROOT, 'build/test-programs/killed-link.mjs'), fresh = path.replace('.mjs', `.${process.pid}.mjs`);
  await build({ absWorkingDir: ROOT, entryPoints: ['test/support/killed-link.ts'], outfile: fresh, bundle: true, platform: 'node', target: 'node20', format: 'esm', external: ['koffi'], logLevel: 'warning' });
  renameSync(fresh, path);
  return path;
}

/**
 * Returns when nobody is left who has its output: the helper inherits it, a keeper does not.
 * @param nth when it makes fewer requests, it gets through
 * @returns how many requests it made, when it was not killed
 */
export async function killedBefore(nth: number, verb: Verb, pid: number, images: string, options: Pick<LinkOptions, 'parent' | 'track' | 'precopy'>): Promise<number | undefined> {
  const child = spawn(process.execPath, [await (built ??= bundled()), verb, String(pid), images, String(nth), JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => { output += bytes.toString('latin1'); });
  const what = `${verb}, to be killed before request ${nth}`;
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      child.kill('SIGKILL');
      child.stdout.destroy();
      child.stderr.destroy();
      reject(new Error(`${what}: after 20 s it runs, or a process of it is left\n${output}`));
    }, 20_000);
    child.on('error', reject);
    child.on('close', (status, signal) => {
      clearTimeout(late);
      if (signal !== null) resolve(undefined);
      else if (status === 0) resolve(Number(/^requests (\d+)$/m.exec(output)![1]));
      else reject(new Error(`${what}: exit code ${status}\n${output}`));
    });
  });
}
