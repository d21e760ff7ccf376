import { Args } from '@oclif/core';
import { BaseCommand } from '../src/cli/command.ts';
import { usageError } from '../src/cli/arguments.ts';
import { row } from '../src/cli/given.ts';
import { planImages } from '../src/cli/verbs.ts';

export default class Plan extends BaseCommand {
  static override summary = 'Print what a restore would do, task by task, without doing it; on any system.';
  static override examples = ['<%= config.bin %> plan img/', '<%= config.bin %> plan img/ -j --json'];
  static override args = { dir: Args.string({ description: 'directory of the images; default: here' }) };
  static override flags = this.flagsOf('shell-job', 'restore-detached', 'images-dir');

  override async run(): Promise<unknown> {
    const { written, words } = this.readOwn([row('shell-job'), row('restore-detached'), row('images-dir')]);
    if (words.length > 1) throw usageError(`one directory, not ${words.length}: ${words.join(' ')}`);
    const on = (name: string): boolean => written.filter((one) => one.row.name === name).at(-1)?.negated === false;
    const dir = words[0] ?? written.filter((one) => one.row.name === 'images-dir').at(-1)?.value ?? '.';
    const { text, json } = await planImages(dir, { shellJob: on('shell-job'), detach: on('restore-detached') });
    if (!this.jsonEnabled()) process.stdout.write(text);
    return json;
  }
}
