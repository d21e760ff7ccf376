import { BaseCommand, verbFlags } from '../src/cli/command.ts';
import { runDedup } from '../src/cli/verbs.ts';

export default class Dedup extends BaseCommand {
  static override summary = 'Free the pages of earlier sets of a chain that this set has newer.';
  static override examples = ['<%= config.bin %> dedup -D 3'];
  static override strict = false;
  static override flags = verbFlags('dedup');

  override async run(): Promise<unknown> {
    const ready = this.ready('dedup');
    return { imagesDir: ready.directories.images, freed: await runDedup(ready) };
  }
}
