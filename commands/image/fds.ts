import { ImageCommand, pidFlag, tableFormat, targetArg } from '../../src/cli/image/command.ts';
import { groups } from '../../src/cli/image/table.ts';
import { fdRows, type FdRow } from '../../src/inspect/files.ts';

export default class ImageFds extends ImageCommand {
  static override summary = 'List what tasks have open: descriptors, working directory, root, executable.';
  static override examples = ['<%= config.bin %> image fds img/ -p 1597', '<%= config.bin %> image fds checkpoint.tar.gz --format tree'];
  static override args = { target: targetArg };
  static override flags = { format: tableFormat, pid: pidFlag };

  override async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ImageFds);
    const set = await this.open(args.target, flags['set']);
    const rows = fdRows(set, flags.pid);
    if (flags.format === 'tree') {
      this.tree([...groups(rows, (row) => String(row.pid))].map(([pid, own]) => ({
        label: `${pid} ${set.tree.tasks.get(Number(pid))?.core.tc?.comm ?? ''}`, children: own.map((row) => ({ label: `${row.fd}: ${row.kind} ${row.what}${notes(row)}` })),
      })));
    } else {
      this.table(rows, [
        { title: 'PID', of: (row) => row.pid, right: true }, { title: 'FD', of: (row) => row.fd, right: true }, { title: 'KIND', of: (row) => row.kind },
        { title: 'FLAGS', of: (row) => row.flags + (row.cloexec ? ',cloexec' : '') }, { title: 'FILE', of: (row) => row.id, right: true }, { title: 'WHAT', of: (row) => row.what + notes(row) },
      ]);
    }
    return rows;
  }
}

function notes(row: FdRow): string {
  const all = [...row.notes, ...(row.sharedWith.length > 0 ? [`shared with ${row.sharedWith.slice(0, 8).join(' ')}${row.sharedWith.length > 8 ? ' ...' : ''}`] : [])];
  return all.length === 0 ? '' : ` (${all.join(', ')})`;
}
