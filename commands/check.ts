import { BaseCommand, verbFlags } from '../src/cli/command.ts';
import { runCheckVerb } from '../src/cli/verbs.ts';

export default class Check extends BaseCommand {
  static override summary = 'Try what this kernel and host can do, and say what is missing and what for.';
  static override examples = ['<%= config.bin %> check --all', '<%= config.bin %> check --feature pagemap_scan', '<%= config.bin %> check --feature list'];
  static override strict = false;
  static override flags = verbFlags('check');

  override async run(): Promise<unknown> {
    const { ok, text, results } = await runCheckVerb(this.ready('check'));
    if (!this.jsonEnabled()) process.stdout.write(text);
    if (!ok) process.exitCode = 1;
    return { ok, features: results };
  }
}
