import { StillframeError } from '../../src/errors.ts';
import { ImageCommand, targetArg } from '../../src/cli/image/command.ts';

export default class ImageStats extends ImageCommand {
  static override summary = 'Print the statistics a dump or restore left in the set.';
  static override examples = ['<%= config.bin %> image stats img/'];
  static override args = { target: targetArg };

  override async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ImageStats);
    const set = await this.open(args.target, flags['set']);
    const stats = await set.stats();
    if (stats.size === 0) {
      throw new StillframeError({ doing: 'read statistics', where: set.name, why: 'there is no stats-dump or stats-restore in it', exitCode: 1 });
    }
    const rows = [...stats].flatMap(([file, { dump, restore }]) => Object.entries({ ...dump, ...restore })
      .filter(([, value]) => typeof value === 'number' || typeof value === 'bigint')
      .map(([name, value]) => ({ file, name, value: value as number | bigint, unit: name.endsWith('_time') || name === 'irmap_resolve' ? 'us' : 'pages' })));
    this.table(rows, [{ title: 'FILE', of: (row) => row.file }, { title: 'WHAT', of: (row) => row.name.replaceAll('_', ' ') }, { title: 'VALUE', of: (row) => row.value, right: true }, { title: 'UNIT', of: (row) => row.unit }]);
    return Object.fromEntries([...stats].map(([file, { dump, restore }]) => [file, { ...(dump === undefined ? {} : { dump }), ...(restore === undefined ? {} : { restore }) }]));
  }
}
