import { Flags } from '@oclif/core';
import { ImageCommand, targetArg, treeFormat } from '../../src/cli/image/command.ts';
import { hex, quoted } from '../../src/cli/image/safe.ts';
import { nest, type TreeNode } from '../../src/cli/image/table.ts';
import { taskRows, type TaskRow } from '../../src/inspect/tasks.ts';

export default class ImagePs extends ImageCommand {
  static override summary = 'List the tasks of a set, with the arguments in their memory.';
  static override examples = ['<%= config.bin %> image ps img/', '<%= config.bin %> image ps img/ --format table --threads'];
  static override args = { target: targetArg };
  static override flags = { format: treeFormat, threads: Flags.boolean({ char: 't', description: 'threads, too, with their instruction pointers' }) };

  override async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ImagePs);
    const rows = await taskRows(await this.open(args.target, flags['set']));
    if (flags.format === 'tree') this.tree(nest(rows, (row) => row.depth, (row, children) => ({ label: label(row), children: [...(flags.threads ? threads(row) : []), ...children] })));
    else if (flags.threads) {
      this.table(rows.flatMap((task) => task.threads.map((thread) => ({ task, thread }))), [
        { title: 'PID', of: ({ task }) => task.pid, right: true }, { title: 'TID', of: ({ thread }) => thread.tid, right: true },
        { title: 'IP', of: ({ thread }) => thread.ip === undefined ? '' : hex(thread.ip) }, { title: 'SP', of: ({ thread }) => thread.sp === undefined ? '' : hex(thread.sp) },
        { title: 'POLICY', of: ({ thread }) => thread.policy }, { title: 'NICE', of: ({ thread }) => thread.nice, right: true }, { title: 'COMMAND', of: ({ thread }) => thread.command },
      ]);
    } else {
      this.table(rows, [
        { title: 'PID', of: (row) => row.pid, right: true }, { title: 'PPID', of: (row) => row.ppid, right: true }, { title: 'PGID', of: (row) => row.pgid, right: true },
        { title: 'SID', of: (row) => row.sid, right: true }, { title: 'UID', of: (row) => row.uid, right: true }, { title: 'THREADS', of: (row) => row.threads.length, right: true },
        { title: 'STATE', of: (row) => row.state }, { title: 'COMMAND', of: (row) => row.args?.map(quoted).join(' ') ?? row.command },
      ]);
    }
    return rows;
  }
}

function label(row: TaskRow): string {
  const what = row.args === undefined ? row.command : row.args.map(quoted).join(' ');
  const notes = [row.state === 'running' ? '' : row.state, row.threads.length > 1 ? `${row.threads.length} threads` : '', row.sid === row.pid ? 'session' : ''].filter(Boolean);
  return `${row.pid} ${what}${notes.length > 0 ? ` (${notes.join(', ')})` : ''}`;
}

const threads = (row: TaskRow): TreeNode[] => row.threads.map((thread) => ({ label: `{${thread.command}} ${thread.tid}${thread.ip === undefined ? '' : ` at ${hex(thread.ip)}`}` }));
