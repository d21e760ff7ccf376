import { BaseCommand, verbFlags } from '../src/cli/command.ts';
import { runDump } from '../src/cli/verbs.ts';
import { dumpStatsText } from '../src/stats.ts';

export default class Dump extends BaseCommand {
  static override summary = 'Freeze a process tree into image files that CRIU can restore too.';
  static override examples = ['<%= config.bin %> dump -t 1597 -D img/ -o dump.log -v4 -j', '<%= config.bin %> dump -t 1597 -D img/ -R'];
  static override strict = false;
  static override flags = verbFlags('dump');

  override run(): Promise<unknown> {
    return this.runVerb('dump', runDump, dumpStatsText);
  }
}
