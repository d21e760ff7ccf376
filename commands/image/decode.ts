import { Args, Flags } from '@oclif/core';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import '../../src/core/node.ts';
import { StillframeError } from '../../src/errors.ts';
import { imageText, INDENT } from '../../src/crit/convert.ts';
import { writeJson } from '../../src/crit/json.ts';
import { kindOfFile } from '../../src/image/kinds.ts';
import { FileSource } from '../../src/image/node/store.ts';
import type { ByteFile } from '../../src/image/source/source.ts';
import { compressionOf } from '../../src/image/source/decoded.ts';
import { looksLikeTar } from '../../src/image/source/tar.ts';
import { readImageFile } from '../../src/inspect/read.ts';
import { ImageCommand, targetArg } from '../../src/cli/image/command.ts';

/** Larger files are decoded without their payloads only: as base64 they would not fit into one string. */
const MAX_WITH_PAYLOAD = 256 << 20;

export default class ImageDecode extends ImageCommand {
  static override summary = "Print image files as JSON in crit's form.";
  static override description = 'TARGET is one image file, or a set; of a set all files are printed, or those named. Raw files (pages) are left out.';
  static override examples = ['<%= config.bin %> image decode img/core-5.img --pretty', '<%= config.bin %> image decode checkpoint.tar.gz pstree.img'];
  static override args = { target: targetArg, files: Args.string({ description: 'files of the set', multiple: true }) };
  static override strict = false;
  static override enableJsonFlag = false;
  static override flags = {
    pretty: Flags.boolean({ description: 'indent, and show numbers as what they mean' }),
    'no-payload': Flags.boolean({ description: 'leave out raw data that follows records' }),
  };

  override async run(): Promise<void> {
    const { args, argv, flags } = await this.parse(ImageDecode);
    const options = { pretty: flags.pretty, noPayload: flags['no-payload'] };
    const names = (argv as string[]).slice(1);
    const decode = async (file: ByteFile, name: string, depth = 0): Promise<string> => {
      if (!options.noPayload && (file.size ?? 0) > MAX_WITH_PAYLOAD && kindOfFile(name)?.kind.payload !== undefined) {
        throw new StillframeError({ doing: 'decode image', where: name, why: `with its raw data it is ${file.size} bytes`, remedy: 'Use --no-payload.' });
      }
      let text = '';
      await readImageFile(file, name, kindOfFile(basename(name))?.kind, (image) => { text = imageText(image, options, depth); });
      return text;
    };
    const single = await imageFile(args.target);
    if (single !== undefined) {
      if (names.length > 0) throw new StillframeError({ doing: 'decode image', where: args.target, why: 'it is one image, so no files of it can be named' });
      process.stdout.write(`${await decode(single, args.target)}\n`);
      await single.close();
      return;
    }
    const set = await this.open(args.target, flags['set'], false);
    for (const name of names) if (!set.store.files.includes(name)) throw new StillframeError({ doing: 'decode image', where: set.name, why: `there is no file ${name} in it` });
    const chosen = names.length > 0 ? names : set.store.files.filter((name) => (kindOfFile(name)?.kind.framing ?? 'raw') !== 'raw');
    const texts: string[] = [];
    for (const name of chosen) {
      const text = await decode((await set.store.source(name))!, name, names.length === 1 ? 0 : 1);
      texts.push(names.length === 1 ? text : `${writeJson(name)}: ${text}`);
    }
    const newline = flags.pretty ? `\n${' '.repeat(INDENT)}` : '';
    process.stdout.write(names.length === 1 ? `${texts[0]!}\n` : `{${newline}${texts.join(`,${newline || ' '}`)}${flags.pretty ? '\n' : ''}}\n`);
  }
}

/** The target as one image file; undefined when it is a folder, an archive, or an archive's folder. */
async function imageFile(path: string): Promise<FileSource | undefined> {
  const info = await stat(path).catch(() => undefined);
  if (info?.isFile() !== true) return undefined;
  const file = new FileSource(path, path, info.size, info.mtime);
  const start = await file.read(0, 512);
  if (compressionOf(start) === undefined && !looksLikeTar(start)) return file;
  await file.close();
  return undefined;
}
