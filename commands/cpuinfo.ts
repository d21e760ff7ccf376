import { BaseCommand, verbFlags } from '../src/cli/command.ts';
import { runCpuinfo } from '../src/cli/verbs.ts';

export default class Cpuinfo extends BaseCommand {
  static override summary = 'Record the processor (cpuinfo dump), or see whether a tree from the recorded one can run here (cpuinfo check).';
  static override examples = ['<%= config.bin %> cpuinfo dump -D img', '<%= config.bin %> cpuinfo check -D img --cpu-cap=ins'];
  static override strict = false;
  static override flags = verbFlags('cpuinfo');

  override async run(): Promise<unknown> {
    const ready = this.ready('cpuinfo');
    const { sub } = await runCpuinfo(ready);
    if (sub === 'check') this.log('This processor has what the recorded one had.');
    return { imagesDir: ready.directories.images, done: sub };
  }
}
