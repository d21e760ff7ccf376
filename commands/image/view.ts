import { Args, Flags } from '@oclif/core';
import { writeFile } from 'node:fs/promises';
import { StillframeError } from '../../src/errors.ts';
import { ImageCommand } from '../../src/cli/image/command.ts';
import { sizeText } from '../../src/cli/image/safe.ts';
import { fileError } from '../../src/image/node/store.ts';
import { STILLFRAME_VERSION } from '../../src/version.ts';
import { makePage } from '../../src/view/node/page.ts';
import { serveView } from '../../src/view/node/serve.ts';

/** Page contents up to this go into the page unless said otherwise. */
const PAGES_LIMIT = 32 << 20;
/** A page with more cannot be loaded by browsers as one text. */
const PAGES_MOST = 256 << 20;

export default class ImageView extends ImageCommand {
  static override summary = 'Draw a set as one HTML page: tree, memory, files, who shares what, changes over a chain.';
  static override description = 'The page needs no network and no other file. Without TARGET: an empty page to drop archives on.';
  static override examples = ['<%= config.bin %> image view img/ -o img.html', '<%= config.bin %> image view checkpoint.tar.gz --serve'];
  static override args = { target: Args.string({ description: 'folder of images, or a container archive' }) };
  static override flags = {
    output: Flags.string({ char: 'o', description: 'file to write', helpValue: 'FILE', default: 'view.html' }),
    pages: Flags.string({ description: "page contents in the page: 'auto' up to 32 MiB of them, 'all', 'none'", options: ['auto', 'all', 'none'], default: 'auto' }),
    serve: Flags.boolean({ description: 'serve it on loopback until interrupted, page contents on demand', exclusive: ['output'] }),
    port: Flags.integer({ description: 'port to serve on; 0 for any', default: 0, min: 0, max: 65535 }),
  };

  override async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ImageView);
    const set = args.target === undefined ? undefined : await this.open(args.target, flags['set']);
    const pagesLimit = flags.pages === 'none' ? -1 : flags.pages === 'all' ? PAGES_MOST : PAGES_LIMIT;
    if (flags.serve) {
      if (set === undefined) throw new StillframeError({ doing: 'serve view', why: 'there is no target', remedy: 'Name the folder or archive to serve.' });
      const serving = await serveView(set, { port: flags.port, version: STILLFRAME_VERSION, pagesLimit: flags.pages === 'all' ? PAGES_MOST : -1 }).catch((cause: unknown) => {
        if (cause instanceof Error && 'code' in cause) throw new StillframeError({ doing: 'serve view', where: `port ${flags.port}`, why: String(cause.code), remedy: 'Choose another one with --port.', cause });
        throw cause;
      });
      this.log(`Serving ${set.name} at ${serving.url}\nPress Ctrl-C to stop.`);
      await new Promise<void>((resolve) => { for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve()); });
      await serving.close();
      return { url: serving.url };
    }
    const page = await makePage(set, { version: STILLFRAME_VERSION, pagesLimit });
    if (flags.pages === 'all' && !page.embedded) throw new StillframeError({ doing: 'make view', where: set?.name, why: `its pages are ${sizeText(page.pages)}; at most ${sizeText(PAGES_MOST)} fit into a page`, remedy: 'Use --serve.' });
    await writeFile(flags.output, page.html).catch((cause: unknown) => { throw fileError('write view', flags.output, cause); });
    this.log(`${flags.output}: ${sizeText(page.html.length)}${page.embedded ? '' : `, without the ${sizeText(page.pages)} of page contents (--serve has them)`}`);
    return { file: flags.output, bytes: page.html.length, pages: page.pages, embedded: page.embedded };
  }
}
