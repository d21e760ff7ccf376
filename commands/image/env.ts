import { ImageCommand, pidFlag, tableFormat, targetArg } from '../../src/cli/image/command.ts';
import { safe } from '../../src/cli/image/safe.ts';
import { environmentOf } from '../../src/inspect/tasks.ts';
import { liveTasks } from '../../src/inspect/usage.ts';

export default class ImageEnv extends ImageCommand {
  static override summary = "Print tasks' environments, read from their memory.";
  static override examples = ['<%= config.bin %> image env img/ -p 1597'];
  static override args = { target: targetArg };
  static override flags = { format: tableFormat, pid: pidFlag };

  override async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ImageEnv);
    const set = await this.open(args.target, flags['set']);
    const tasks = flags.pid === undefined ? liveTasks(set) : [set.task(flags.pid)];
    const all = [];
    for (const task of tasks) all.push({ pid: task.pid, command: task.core.tc?.comm ?? '?', environment: await environmentOf(set, task) });
    if (flags.format === 'tree') this.tree(all.map((row) => ({ label: `${row.pid} ${row.command}`, children: (row.environment ?? ['its environment is not in the set']).map((label) => ({ label })) })));
    else if (flags.pid !== undefined) this.log(all.flatMap((row) => row.environment ?? ['Its environment is not in the set.']).map(safe).join('\n'));
    else {
      this.table(all.flatMap((row) => (row.environment ?? []).map((text) => ({ pid: row.pid, name: text.split('=')[0]!, value: text.slice(text.indexOf('=') + 1) }))), [
        { title: 'PID', of: (row) => row.pid, right: true }, { title: 'NAME', of: (row) => row.name }, { title: 'VALUE', of: (row) => row.value },
      ]);
    }
    return all;
  }
}
