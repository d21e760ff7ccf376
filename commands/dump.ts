import { Flags } from '@oclif/core';
import { BaseCommand, verbFlags } from '../src/cli/command.ts';
import type { OptionRow } from '../src/cli/options.ts';
import { runDump, runDumpPlan } from '../src/cli/verbs.ts';
import { dumpStatsText } from '../src/stats.ts';

const PLAN: OptionRow = { name: 'plan', kind: 'flag', verbs: ['dump'], since: '0.1.0', group: 'General', text: 'Say what would be refused and which options would let it pass; change and write nothing.' };

export default class Dump extends BaseCommand {
  static override summary = 'Freeze a process tree into image files that CRIU can restore too.';
  static override examples = ['<%= config.bin %> dump -t 1597 -D img/ -o dump.log -v4 -j', '<%= config.bin %> dump -t 1597 -D img/ -R', '<%= config.bin %> dump -t 1597 --plan'];
  static override strict = false;
  static override flags = { ...verbFlags('dump'), plan: Flags.boolean({ description: PLAN.text, helpGroup: PLAN.group }) };

  override async run(): Promise<unknown> {
    const ready = this.ready('dump', [PLAN]);
    if (ready.own.includes(PLAN.name)) {
      const { text, plan } = await runDumpPlan(ready);
      if (!this.jsonEnabled()) process.stdout.write(text);
      if (!plan.ok) process.exitCode = 1;
      return plan;
    }
    return this.runVerb('dump', runDump, dumpStatsText, undefined, ready);
  }
}
