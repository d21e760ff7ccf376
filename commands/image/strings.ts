import { Flags } from '@oclif/core';
import { ImageCommand, pidFlag, targetArg } from '../../src/cli/image/command.ts';
import { hex } from '../../src/cli/image/safe.ts';
import { stringsIn } from '../../src/inspect/search.ts';
import { liveTasks } from '../../src/inspect/usage.ts';

export default class ImageStrings extends ImageCommand {
  static override summary = 'Print readable text in the memory of tasks.';
  static override examples = ['<%= config.bin %> image strings img/ -p 1597 -n 8'];
  static override args = { target: targetArg };
  static override flags = { pid: pidFlag, least: Flags.integer({ char: 'n', description: 'shortest text to print, in bytes', default: 4, min: 1, max: 4096 }) };

  override async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ImageStrings);
    const set = await this.open(args.target, flags['set']);
    const json = this.jsonEnabled();
    const all = [];
    for (const task of flags.pid === undefined ? liveTasks(set) : [set.task(flags.pid)]) {
      for await (const { address, text } of stringsIn(set.memory(task.pid), flags.least)) {
        if (json) all.push({ pid: task.pid, address: hex(address), text });
        else this.log(`${task.pid} ${hex(address)} ${text}`);
      }
    }
    return all;
  }
}
