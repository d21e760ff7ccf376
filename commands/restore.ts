import { BaseCommand, verbFlags } from '../src/cli/command.ts';
import { becomeCommand, runRestore } from '../src/cli/verbs.ts';
import { restoreStatsText } from '../src/stats.ts';

export default class Restore extends BaseCommand {
  static override summary = 'Bring a process tree back from its image files, ours or CRIU\'s.';
  static override examples = ['<%= config.bin %> restore -D img/ -o restore.log -v4 -d -j', '<%= config.bin %> plan img/'];
  static override strict = false;
  static override flags = verbFlags('restore');

  override run(): Promise<unknown> {
    return this.runVerb('restore', runRestore, restoreStatsText, becomeCommand);
  }
}
