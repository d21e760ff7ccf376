import { ImageCommand, pidFlag, tableFormat, targetArg } from '../../src/cli/image/command.ts';
import { hex, sizeText } from '../../src/cli/image/safe.ts';
import { groups } from '../../src/cli/image/table.ts';
import { liveTasks, mappingRows, sumsOf } from '../../src/inspect/usage.ts';

export default class ImageMem extends ImageCommand {
  static override summary = 'List mappings, and how much of each is stored here, in parents, or left for later.';
  static override description = 'Without --pid: one line a task.';
  static override examples = ['<%= config.bin %> image mem img/', '<%= config.bin %> image mem img/ -p 1597'];
  static override args = { target: targetArg };
  static override flags = { format: tableFormat, pid: pidFlag };

  override async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ImageMem);
    const set = await this.open(args.target, flags['set']);
    const pids = flags.pid === undefined ? liveTasks(set).map((task) => task.pid) : [set.task(flags.pid).pid];
    const rows = pids.flatMap((pid) => mappingRows(set, pid));
    const size = (bytes: bigint): string => (bytes === 0n ? '' : sizeText(bytes));
    if (flags.format === 'tree') {
      this.tree([...groups(rows, (row) => String(row.pid))].map(([pid, own]) => {
        const sums = sumsOf(own);
        return {
          label: `${pid} ${set.task(Number(pid)).core.tc?.comm ?? ''}: ${sizeText(sums.mapped)} mapped, ${sizeText(sums.stored)} stored`,
          children: [...groups(own, (row) => row.name || row.kind)].map(([name, maps]) => {
            const part = sumsOf(maps);
            return { label: `${name}: ${sizeText(part.mapped)} mapped, ${sizeText(part.stored)} stored`, children: maps.map((row) => ({ label: `${hex(row.start)}-${hex(row.end)} ${row.perms} ${sizeText(row.size)}${row.stored > 0n ? `, ${sizeText(row.stored)} stored` : ''}` })) };
          }),
        };
      }));
    } else if (flags.pid === undefined) {
      this.table(pids.map((pid) => ({ pid, ...sumsOf(rows.filter((row) => row.pid === pid)) })), [
        { title: 'PID', of: (row) => row.pid, right: true }, { title: 'MAPPED', of: (row) => sizeText(row.mapped), right: true }, { title: 'STORED', of: (row) => sizeText(row.stored), right: true },
        { title: 'IN PARENTS', of: (row) => size(row.inParents), right: true }, { title: 'LAZY', of: (row) => size(row.lazy), right: true }, { title: 'MISSING', of: (row) => size(row.missing), right: true },
        { title: 'COMMAND', of: (row) => set.task(row.pid).core.tc?.comm },
      ]);
    } else {
      this.table(rows, [
        { title: 'START', of: (row) => hex(row.start), right: true }, { title: 'END', of: (row) => hex(row.end), right: true }, { title: 'PERMS', of: (row) => row.perms },
        { title: 'SIZE', of: (row) => sizeText(row.size), right: true }, { title: 'STORED', of: (row) => size(row.stored), right: true }, { title: 'IN PARENTS', of: (row) => size(row.inParents), right: true },
        { title: 'LAZY', of: (row) => size(row.lazy), right: true }, { title: 'KIND', of: (row) => row.kind }, { title: 'NAME', of: (row) => row.name },
      ]);
    }
    return rows;
  }
}
