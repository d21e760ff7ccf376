import { ImageCommand, tableFormat, targetArg } from '../../src/cli/image/command.ts';
import { groups, nest } from '../../src/cli/image/table.ts';
import { mountRows } from '../../src/inspect/files.ts';

export default class ImageMounts extends ImageCommand {
  static override summary = 'List the mounts of each mount namespace in a set.';
  static override examples = ['<%= config.bin %> image mounts checkpoint.tar.gz --format tree'];
  static override args = { target: targetArg };
  static override flags = { format: tableFormat };

  override async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ImageMounts);
    const rows = mountRows(await this.open(args.target, flags['set']));
    const notes = (all: readonly string[]): string => (all.length === 0 ? '' : ` (${all.join(', ')})`);
    if (rows.length === 0) this.log('No mount namespace is in this set: its tasks used that of the host.');
    else if (flags.format === 'tree') {
      this.tree([...groups(rows, (row) => String(row.namespace))].map(([namespace, own]) => ({
        label: `mount namespace ${namespace}`, children: nest(ordered(own), (row) => row.depth, (row, children) => ({ label: `${row.mountpoint} ${row.type} ${row.source}${notes(row.notes)}`, children })),
      })));
    } else {
      this.table(rows, [
        { title: 'NS', of: (row) => row.namespace, right: true }, { title: 'ID', of: (row) => row.id, right: true }, { title: 'PARENT', of: (row) => row.parent, right: true },
        { title: 'MOUNTPOINT', of: (row) => row.mountpoint }, { title: 'TYPE', of: (row) => row.type }, { title: 'SOURCE', of: (row) => row.source }, { title: 'ROOT', of: (row) => row.root },
        { title: 'OPTIONS', of: (row) => row.options + notes(row.notes) },
      ]);
    }
    return rows;
  }
}

type Row = ReturnType<typeof mountRows>[number];

/** A parent right before its children. */
function ordered(rows: readonly Row[]): Row[] {
  const children = groups(rows, (row) => String(row.parent));
  const ids = new Set(rows.map((row) => row.id));
  const seen = new Set<Row>();
  const out: Row[] = [];
  const stack = rows.filter((row) => !ids.has(row.parent) || row.parent === row.id).map((row) => ({ row, depth: 0 })).reverse();
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (seen.has(next.row)) continue;
    seen.add(next.row);
    out.push({ ...next.row, depth: next.depth });
    for (const child of [...(children.get(String(next.row.id)) ?? [])].reverse()) stack.push({ row: child, depth: next.depth + 1 });
  }
  return [...out, ...rows.filter((row) => !seen.has(row)).map((row) => ({ ...row, depth: 0 }))];
}
