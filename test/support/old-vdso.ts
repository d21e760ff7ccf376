/** Makes a set look as if it came from another kernel: its vDSO has a function elsewhere, and nothing but traps where this kernel's code is. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openSet } from '../../src/image/node/directory.ts';
import { vdsoFunctions } from '../../src/resources/vdso/symbols.ts';
import { cut, pageRuns } from '../../src/restore/page-runs.ts';
import { readSets } from '../../src/restore/sets.ts';

const VDSO = 8, TRAP = 0xcc, SYMBOL_SIZE = 24, ALIGNMENT = 16;

/** The bytes of a vDSO with `name` moved by 16 bytes and its functions' code gone. */
export function alteredVdso(bytes: Uint8Array, name = '__vdso_clock_getres'): Uint8Array {
  const altered = Uint8Array.from(bytes);
  const view = new DataView(altered.buffer);
  const functions = vdsoFunctions(bytes);
  const value = BigInt(functions.get(name)!);
  for (let at = 0; at + SYMBOL_SIZE <= altered.length; at += 8) if (view.getBigUint64(at, true) === value) view.setBigUint64(at, value + BigInt(ALIGNMENT), true);
  const places = [...functions.values()];
  altered.fill(TRAP, Math.min(...places), Math.max(...places) + ALIGNMENT);
  return altered;
}

/** Alters the vDSO of every task of the set in a directory. @returns of how many */
export function alterVdsos(directory: string): number {
  const opened = openSet(directory);
  const set = readSets(opened, directory);
  opened.close();
  let count = 0;
  for (const task of set.tree.tasks.values()) {
    const code = task.mm?.vmas.find(({ status }) => (status & VDSO) !== 0);
    if (code === undefined) continue;
    const runs = cut(pageRuns(set, { pid: task.pid }), [code]);
    if (runs.length !== 1) throw new Error(`${runs.length} runs of vDSO pages`);
    const file = join(directory, `pages-${runs[0]!.pagesId}.img`);
    const at = Number(runs[0]!.offset);
    const altered = alteredVdso(new Uint8Array(readFileSync(file).subarray(at, at + Number(code.end - code.start))));
    const fd = openSync(file, 'r+');
    writeSync(fd, altered, 0, altered.length, at);
    closeSync(fd);
    count++;
  }
  return count;
}
