import { Flags } from '@oclif/core';
import { mkdir, open, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { StillframeError } from '../../src/errors.ts';
import { anonymise, type LeftOut } from '../../src/anonymise/anonymise.ts';
import { ImageCommand, targetArg } from '../../src/cli/image/command.ts';
import { safe, sizeText } from '../../src/cli/image/safe.ts';
import { fileError } from '../../src/image/node/store.ts';

export default class ImageAnonymise extends ImageCommand {
  static override summary = 'Make a copy of a set fit to attach to a bug report.';
  static override description = 'Contents of memory, queues and deleted files, arguments, environment, names, paths and addresses are replaced, each by the same thing everywhere. '
    + 'Pids, sizes, flags, mappings and who shares what stay. Files whose contents are not understood are left out. Look at the copy before you send it.';
  static override examples = ['<%= config.bin %> image anonymise img/ -o report/ && <%= config.bin %> image check report/'];
  static override args = { target: targetArg };
  static override flags = { output: Flags.string({ char: 'o', description: 'folder to make; of a chain, each set gets a folder in it', helpValue: 'DIR', required: true }) };

  override async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ImageAnonymise);
    const set = await this.open(args.target, flags['set'], false);
    const [damaged] = set.chain.flatMap((link) => link.loaded.findings);
    if (damaged !== undefined) throw new StillframeError({ doing: 'anonymise', where: damaged.file ?? set.name, why: `it cannot be read, so nobody knows what is in it (${damaged.why})`, remedy: 'Remove the file first, if the report does not need it.', exitCode: 1 });
    const { chain } = set;
    const folders = chain.map((_, i) => (chain.length === 1 ? flags.output : join(flags.output, String(chain.length - 1 - i))));
    const leftOut: LeftOut[] = [];
    let files = 0;
    let bytes = 0;
    try {
      await mkdir(flags.output, { recursive: true });
      if ((await readdir(flags.output)).length > 0) throw new StillframeError({ doing: 'anonymise', where: flags.output, why: 'it is not empty', remedy: 'Name a new folder.', exitCode: 2 });
      for (const [i, folder] of folders.entries()) {
        await mkdir(folder, { recursive: true });
        if (i + 1 < folders.length) await symlink(`../${chain.length - 2 - i}`, join(folder, 'parent'));
      }
      for (const { link, name, parts } of anonymise(set, leftOut)) {
        const file = await open(join(folders[link]!, name), 'wx');
        try {
          for await (const part of parts()) {
            await file.write(part);
            bytes += part.length;
          }
        } finally {
          await file.close();
        }
        files++;
      }
    } catch (cause) {
      if (cause instanceof Error && 'syscall' in cause) throw fileError('anonymise', flags.output, cause);
      throw cause;
    }
    this.log(`${flags.output}: ${files} files, ${sizeText(bytes)}${chain.length > 1 ? ` in ${chain.length} sets; the youngest is ${folders[0]}` : ''}`);
    for (const { name, why } of leftOut) this.log(`left out: ${safe(name)} (${why})`);
    return { folder: folders[0], files, bytes, leftOut };
  }
}
