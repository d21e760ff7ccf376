import { BaseCommand, verbFlags } from '../src/cli/command.ts';
import { becomeCommand, runRestore } from '../src/cli/verbs.ts';
import { restoreStatsText } from '../src/stats.ts';

export default class Restore extends BaseCommand {
  static override summary = 'Bring a process tree back from its image files, ours or CRIU\'s.';
  static override examples = ['<%= config.bin %> restore -D img/ -o restore.log -v4 -d -j', '<%= config.bin %> plan img/'];
  static override strict = false;
  static override flags = verbFlags('restore');

  override async run(): Promise<unknown> {
    const ready = this.ready('restore');
    const outcome = await runRestore(ready);
    if (ready.given.flag('display-stats')) this.log(restoreStatsText(outcome.stats).join('\n'));
    await becomeCommand(ready);
    return { imagesDir: ready.directories.images, ...outcome };
  }
}
