import { BaseCommand, verbFlags } from '../src/cli/command.ts';
import { runPreDump } from '../src/cli/verbs.ts';
import { dumpStatsText } from '../src/stats.ts';

export default class PreDump extends BaseCommand {
  static override summary = 'Copy the memory of a running tree ahead of a dump, and track what changes from then on.';
  static override examples = ['<%= config.bin %> pre-dump -t 1597 -D 1', '<%= config.bin %> pre-dump -t 1597 -D 2 --prev-images-dir ../1', '<%= config.bin %> dump -t 1597 -D 3 --prev-images-dir ../2'];
  static override strict = false;
  static override flags = verbFlags('pre-dump');

  override async run(): Promise<unknown> {
    const ready = this.ready('pre-dump');
    const outcome = await runPreDump(ready);
    if (ready.given.flag('display-stats')) this.log(dumpStatsText(outcome.stats).join('\n'));
    return { imagesDir: ready.directories.images, ...outcome };
  }
}
