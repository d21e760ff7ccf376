/**
 * Files whose name was removed while another name of theirs lives on (--link-remap): they get one more name beside the old one, by which the restore
 * finds them. It is made when nothing can refuse the dump any more, and taken away again when the dump fails or the program runs on.
 */
import { unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { StillframeError } from '../../errors.ts';
import { fd_types, file_entry, fown_entry, reg_file_entry, remap_file_path_entry, remap_type } from '../../image/schema/index.ts';
import { bytesOf } from '../../image/text.ts';
import { create } from '../../image/wire.ts';
import { ERRNO, errnoName } from '../../kernel/errno.ts';
import { AT, AT_FDCWD } from '../../kernel/files.ts';
import { Program } from '../../program/program.ts';
import type { DumpContext } from '../../dump/context.ts';
import type { FileStat } from '../../kernel/stat.ts';

interface Wanted {
  /** Ids of its descriptions. */
  readonly ids: number[];
  /** The name that was removed. */
  readonly name: string;
  /** A way to the file itself. */
  readonly door: string;
}

interface State { readonly wanted: Map<string, Wanted>; readonly made: string[] }
const states = new WeakMap<DumpContext, State>();

/** Remembers that a file needs a name. */
export function wantLink(id: number, name: string, door: string, stat: FileStat, context: DumpContext): void {
  let state = states.get(context);
  if (state === undefined) states.set(context, state = { wanted: new Map(), made: [] });
  const key = `${stat.dev}:${stat.ino}`;
  const known = state.wanted.get(key);
  if (known === undefined) state.wanted.set(key, { ids: [id], name, door });
  else known.ids.push(id);
}

/** Makes the names. @throws StillframeError */
export function makeLinks(context: DumpContext): void {
  const state = states.get(context);
  if (state === undefined) return;
  for (const { ids, name, door } of state.wanted.values()) {
    const { id, path } = makeLink(name, door, context);
    state.made.push(path);
    const fown = create(fown_entry, { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 });
    context.tree.files.set(id, create(file_entry, { type: fd_types.REG, id, reg: create(reg_file_entry, { id, flags: 0, pos: 0n, fown, name: path }) }));
    for (const orig_id of ids) context.tree.remaps.push(create(remap_file_path_entry, { orig_id, remap_id: id, remap_type: remap_type.LINKED }));
  }
}

/** In the directory of the old name, or in the nearest one above it that is still there. */
function makeLink(name: string, door: string, context: DumpContext): { id: number; path: string } {
  for (let directory = dirname(name), id = context.newFileId(); ;) {
    const path = `${directory === '/' ? '' : directory}/link_remap.${id}`;
    const program = new Program('helper').resource(path);
    const made = program.call('linkat', [AT_FDCWD, program.cstring(bytesOf(door)), AT_FDCWD, program.cstring(bytesOf(path)), AT.SYMLINK_FOLLOW], { expect: 'any' });
    const result = Number(context.helper.local(program).check('dump').result(made));
    if (result >= 0) return { id, path };
    if (result === -ERRNO.EEXIST) id = context.newFileId();
    else if (result === -ERRNO.ENOENT && directory !== '/') directory = dirname(directory);
    else {
      throw new StillframeError({
        doing: 'dump', where: name, why: `its file cannot be given the name ${path}: ${errnoName(-result) ?? result}`, remedy: 'Give it back its name, for example: ln OTHER-NAME NAME',
      });
    }
  }
}

/** Takes the names away again. */
export function removeLinks(context: DumpContext): void {
  for (const path of states.get(context)?.made.splice(0) ?? []) {
    try {
      unlinkSync(Buffer.from(bytesOf(path)));
    } catch (error) {
      context.log.warn(path, `this name was made for the dump and could not be removed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
