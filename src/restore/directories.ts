/** Directories of which only the names are needed for a moment: what is made in them lives on without them. */
import { bytesOf } from '../image/text.ts';
import { ERRNO } from '../kernel/errno.ts';
import { AT, AT_FDCWD } from '../kernel/files.ts';
import { Cond, type DataRef, type Program, type ResultRef } from '../program/program.ts';
import type { LocalPlan } from './helper-fd.ts';

export interface Made { readonly path: DataRef; readonly name: string; readonly result: ResultRef }

/** Makes a directory and those above it that are not there. */
export function makeDirectories(p: Program, directory: string): Made[] {
  const parts = directory.split('/').filter((part) => part !== '' && part !== '.');
  const base = directory.startsWith('/') ? '/' : '';
  return parts.map((_, i) => {
    const name = base + parts.slice(0, i + 1).join('/');
    const path = p.cstring(bytesOf(name));
    return { path, name, result: p.call('mkdirat', [AT_FDCWD, path, 0o755], { expect: { orErrno: ERRNO.EEXIST } }) };
  });
}

/** Takes away those that were made. */
export function removeDirectories(p: Program, made: readonly Made[]): void {
  for (const { path, result } of [...made].reverse()) {
    const end = { at: 0 };
    p.jump(result, Cond.LT, 0, () => end.at);
    p.call('unlinkat', [AT_FDCWD, path, AT.REMOVEDIR], { keep: false });
    end.at = p.here;
  }
}

/** Does what needs a directory to be there, in the helper; nothing of it is left, whatever fails. */
export function withDirectory(local: LocalPlan, directory: string, steps: () => void): void {
  const p = local.program;
  const from = p.here;
  const made = makeDirectories(p, directory);
  const end = { at: 0 };
  local.undo(from, () => end.at, (undo, ran) => {
    for (const { name, result } of [...made].reverse()) {
      if (ran.result(result) === 0n) undo.resource(`directory ${name}`).call('unlinkat', [AT_FDCWD, undo.cstring(bytesOf(name)), AT.REMOVEDIR], { expect: 'any' });
    }
  });
  steps();
  removeDirectories(p, made);
  end.at = p.here - 1;
}
