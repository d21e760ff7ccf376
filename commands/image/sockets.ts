import { ImageCommand, pidFlag, tableFormat, targetArg } from '../../src/cli/image/command.ts';
import { groups } from '../../src/cli/image/table.ts';
import { socketRows } from '../../src/inspect/files.ts';

export default class ImageSockets extends ImageCommand {
  static override summary = 'List sockets: addresses, states, peers, queued bytes, and who has them.';
  static override examples = ['<%= config.bin %> image sockets img/'];
  static override args = { target: targetArg };
  static override flags = { format: tableFormat, pid: pidFlag };

  override async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ImageSockets);
    const rows = socketRows(await this.open(args.target, flags['set']), flags.pid);
    if (flags.format === 'tree') {
      this.tree([...groups(rows, (row) => `${row.family} ${row.type}${row.protocol === '' ? '' : ` ${row.protocol}`}`)].map(([family, own]) => ({
        label: family, children: own.map((row) => ({ label: `${row.local}${row.peer === '' ? '' : ` -> ${row.peer}`}${row.state === '' ? '' : ` ${row.state}`} (${row.users.join(' ') || 'nobody'})` })),
      })));
    } else {
      this.table(rows, [
        { title: 'FAMILY', of: (row) => row.family }, { title: 'TYPE', of: (row) => row.type }, { title: 'PROTOCOL', of: (row) => row.protocol }, { title: 'STATE', of: (row) => row.state },
        { title: 'RECV-Q', of: (row) => row.inq, right: true }, { title: 'SEND-Q', of: (row) => row.outq, right: true }, { title: 'LOCAL', of: (row) => row.local }, { title: 'PEER', of: (row) => row.peer },
        { title: 'PID:FD', of: (row) => row.users.join(' ') },
      ]);
    }
    return rows;
  }
}
