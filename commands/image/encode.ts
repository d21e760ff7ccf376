import { Args, Flags } from '@oclif/core';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import '../../src/core/node.ts';
import { StillframeError } from '../../src/errors.ts';
import { imageFromJson } from '../../src/crit/convert.ts';
import { JsonError, readJson, type Json, type JsonObject } from '../../src/crit/json.ts';
import { encodeImage } from '../../src/image/codec.ts';
import { kindOfFile } from '../../src/image/kinds.ts';
import { fileError } from '../../src/image/node/store.ts';
import { ImageCommand } from '../../src/cli/image/command.ts';

export default class ImageEncode extends ImageCommand {
  static override summary = 'Write image files from JSON: the reverse of image decode.';
  static override description = "INPUT is the JSON of one image, or of a set (file names to images); '-' is standard input. Of a set, --output is a folder.";
  static override examples = ['<%= config.bin %> image encode core.json -o core-5.img', '<%= config.bin %> image decode img/ | <%= config.bin %> image encode - -o copy/'];
  static override args = { input: Args.string({ description: 'JSON file, or -', required: true }) };
  static override flags = { output: Flags.string({ char: 'o', description: 'image file, or folder for a set', required: true }) };

  override async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ImageEncode);
    const json = parse(await input(args.input), args.input);
    const written: { file: string; bytes: number }[] = [];
    const write = async (path: string, one: Json, name = path): Promise<void> => {
      const { kind, entries, ignored } = imageFromJson(one);
      const named = kindOfFile(name)?.kind;
      const as = named !== undefined && named.magic === kind.magic ? named : kind;
      if (ignored.length > 0) process.stderr.write(`Warning: ${name}: no field is called ${ignored.join(', ')}\n`);
      const bytes = encodeImage(name, as, entries);
      await writeFile(path, bytes).catch((cause: unknown) => { throw fileError('write image', path, cause); });
      written.push({ file: path, bytes: bytes.length });
    };
    const isImage = typeof json === 'object' && json !== null && 'magic' in json;
    if (isImage) await write(flags.output, json);
    else if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new StillframeError({ doing: 'encode image', where: args.input, why: 'an image ("magic", "entries") or an object of images by file name is expected' });
    else {
      await mkdir(flags.output, { recursive: true }).catch((cause: unknown) => { throw fileError('write image', flags.output, cause); });
      for (const [name, one] of Object.entries(json as JsonObject)) {
        if (!/^[\w.-]+$/.test(name) || name.startsWith('.')) throw new StillframeError({ doing: 'encode image', where: name, why: 'this is no name of an image file' });
        await write(join(flags.output, name), one, name);
      }
    }
    this.table(written, [{ title: 'FILE', of: (row) => row.file }, { title: 'BYTES', of: (row) => row.bytes, right: true }]);
    return written;
  }
}

function parse(text: string, name: string): Json {
  try {
    return readJson(text);
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause;
    throw new StillframeError({ doing: 'encode image', where: name, why: cause.message, cause });
  }
}

async function input(path: string): Promise<string> {
  if (path !== '-') return readFile(path, 'utf8').catch((cause: unknown) => { throw fileError('encode image', path, cause); });
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}
