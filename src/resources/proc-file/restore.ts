/**
 * Files below /proc of a process: one of the tree can only be opened when it exists again, so by a task of the tree; one of a process that had ended
 * is opened in the helper, below a process of that number which lives for that moment.
 */
import type { reg_file_entry } from '../../image/schema/index.ts';
import { bytesOf } from '../../image/text.ts';
import type { FrozenTree } from '../../image/tree.ts';
import { AT_FDCWD, O, SEEK, flagsToReopen } from '../../kernel/files.ts';
import { PR } from '../../kernel/process.ts';
import { SIG } from '../../kernel/signals.ts';
import { Cond, type Program, type ResultRef } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';
import type { Stage } from '../../restore/kinds.ts';

const PROCFS = 2;
/** struct clone_args: its size, where exit_signal, set_tid and set_tid_size are. */
const CLONE_ARGS = { SIZE: 88, EXIT_SIGNAL: 32, SET_TID: 64, SET_TID_SIZE: 72 } as const;
const REMEDY = { ENOENT: 'The kernel does not have that file (any more)', EACCES: 'The kernel does not let it be opened: run the restore as root' };

/** Whose file a path below /proc is. */
export type ProcOwner = { readonly stage: Stage } | { readonly dead: number } | undefined;

/** Undefined: a path that can be opened like any other. */
export function procOwner(tree: FrozenTree, path: string): ProcOwner {
  if (!path.startsWith('/proc/')) return undefined;
  const found = /^\/proc\/(\d+)(?:\/task\/(\d+))?(?:\/|$)/u.exec(path);
  if (found === null) return undefined;
  const pid = Number(found[1]);
  const tid = Number(found[2] ?? pid);
  const task = tree.tasks.get(pid);
  if (task !== undefined) return { stage: tid === pid ? 'processes' : 'threads' };
  for (const one of tree.tasks.values()) if (one.threads.has(pid)) return { stage: 'threads' };
  return tree.remaps.some(({ remap_type, remap_id }) => remap_type === PROCFS && remap_id === pid) ? { dead: pid } : undefined;
}

/** Opens a file of a process of the tree, in a task. */
export function openInTask(p: Program, { name, flags, pos }: reg_file_entry): ResultRef {
  const ref = p.call('openat', [AT_FDCWD, p.cstring(bytesOf(name)), flagsToReopen(flags) | O.CLOEXEC, 0], { remedy: REMEDY });
  if (pos !== 0n && (flags & O.PATH) === 0) p.call('lseek', [ref, pos, SEEK.SET], { expect: 'any', keep: false });
  return ref;
}

/** Makes a process with some number exist for as long as the steps take. */
export function withProcess(context: RestoreContext, pid: number, steps: (process: ResultRef) => void): void {
  const p = context.local.program;
  const args = p.reserve(CLONE_ARGS.SIZE);
  p.store(args.at(CLONE_ARGS.EXIT_SIGNAL), SIG.CHLD);
  if (pid !== 0) {
    p.store(args.at(CLONE_ARGS.SET_TID), p.data(Buffer.from(Uint32Array.of(pid).buffer)));
    p.store(args.at(CLONE_ARGS.SET_TID_SIZE), 1);
  }
  const from = p.here;
  const remedy = { EEXIST: `Another process has the number ${pid}: 'ps -p ${pid}' names it. End it, or restore in a pid namespace` };
  const child = p.call('clone3', [args, CLONE_ARGS.SIZE], { remedy });
  const parent = { at: 0 };
  // a copy of the helper goes on from here: it waits to be killed
  p.jump(child, Cond.NE, 0, () => parent.at);
  p.call('prctl', [PR.SET_PDEATHSIG, SIG.KILL, 0, 0, 0], { keep: false });
  const asleep = p.here;
  p.call('pause', [], { expect: 'any', keep: false });
  p.jump(0, Cond.EQ, 0, () => asleep);
  parent.at = p.here;
  steps(child);
  p.call('kill', [child, SIG.KILL], { keep: false });
  p.call('wait4', [child, 0, 0, 0], { keep: false });
  if (pid !== 0) context.local.undo(from, p.here - 1, (undo) => { undo.resource(`process ${pid}`).call('kill', [pid, SIG.KILL], { expect: 'any' }); });
}
