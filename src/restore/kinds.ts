/** The kinds of open file that can be restored, one a line. Adding a kind: its folder under src/resources/ and a line here. */
import type { file_entry } from '../image/schema/index.ts';
import { fd_types } from '../image/schema/index.ts';
import type { FrozenTree } from '../image/tree.ts';
import type { RestoreContext } from './context.ts';
import { regularFiles } from '../resources/regular/restore.ts';
import { pipes } from '../resources/pipe/restore.ts';
import { memoryFiles } from '../resources/shared-memory/restore.ts';
import { terminals } from '../resources/tty/restore.ts';

export interface FileKind {
  /** Which `file_entry.type` it handles. */
  readonly types: readonly number[];
  /** As a person names one: `regular /etc/hosts`, `pipe:[4711]`. */
  describe(file: file_entry, tree: FrozenTree): string;
  /** Adds to `context.reasons` what speaks against restoring these descriptions. Nothing is opened yet. */
  check(files: readonly file_entry[], context: RestoreContext): void;
  /** Adds the steps to `context.local` that open these descriptions, and puts each into `context.files`. */
  open(files: readonly file_entry[], context: RestoreContext): void;
}

export const FILE_KINDS: readonly FileKind[] = [regularFiles, pipes, memoryFiles, terminals];

const TYPE_NAMES = new Map<number, string>(Object.entries(fd_types).map(([name, type]) => [type, name]));

export function kindOf(type: number): FileKind | undefined {
  return FILE_KINDS.find(({ types }) => types.includes(type));
}

export function describeFile(id: number, tree: FrozenTree): string {
  const file = tree.files.get(id);
  if (file === undefined) return `file ${id}, which is not in files.img`;
  return kindOf(file.type)?.describe(file, tree) ?? `${TYPE_NAMES.get(file.type) ?? `type ${file.type}`} ${id}`;
}
