import { BaseCommand, verbFlags } from '../src/cli/command.ts';
import { runDump } from '../src/cli/verbs.ts';
import { dumpStatsText } from '../src/stats.ts';

export default class Dump extends BaseCommand {
  static override summary = 'Freeze a process tree into image files that CRIU can restore too.';
  static override examples = ['<%= config.bin %> dump -t 1597 -D img/ -o dump.log -v4 -j', '<%= config.bin %> dump -t 1597 -D img/ -R'];
  static override strict = false;
  static override flags = verbFlags('dump');

  override async run(): Promise<unknown> {
    const ready = this.ready('dump');
    const outcome = await runDump(ready);
    if (ready.given.flag('display-stats')) this.log(dumpStatsText(outcome.stats).join('\n'));
    return { imagesDir: ready.directories.images, ...outcome };
  }
}
