/** The committed image sets, for tests of the core. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FIXTURES = join(ROOT, 'test/fixtures');

/** Files whose records are followed by payloads, or that are no containers. */
const WITH_PAYLOAD = /^(ghost-file|pipes-data|fifo-data|sk-queues|tcp-stream|ipcns-)/;

export interface ImageFile {
  /** `counter/core-14552.img` */
  readonly name: string;
  readonly path: string;
  readonly bytes: Buffer;
}

/** All files of the sets that are image files: pages and crit's JSON are not. */
export function imageFiles(): ImageFile[] {
  const found = ['counter', 'family', 'tcp'].flatMap((set) => readdirSync(join(FIXTURES, set))
    .filter((file) => (file.endsWith('.img') || file.startsWith('stats-')) && !file.startsWith('pages-'))
    .map((file) => ({ name: `${set}/${file}`, path: join(FIXTURES, set, file), bytes: readFileSync(join(FIXTURES, set, file)) })));
  if (found.length < 60) throw new Error(`${FIXTURES} has only ${found.length} image files`);
  return found;
}

export const withoutPayload = (file: ImageFile): boolean => !WITH_PAYLOAD.test(file.name.slice(file.name.indexOf('/') + 1));
export const isPagemap = (file: ImageFile): boolean => file.name.includes('/pagemap-');

export function pagesFiles(): ImageFile[] {
  return ['counter', 'family', 'tcp'].flatMap((set) => readdirSync(join(FIXTURES, set))
    .filter((file) => file.startsWith('pages-'))
    .map((file) => ({ name: `${set}/${file}`, path: join(FIXTURES, set, file), bytes: readFileSync(join(FIXTURES, set, file)) })));
}

/** crit's JSON of a file. */
export function critEntries(file: ImageFile): Record<string, unknown>[] {
  const slash = file.name.indexOf('/');
  const path = join(FIXTURES, file.name.slice(0, slash), 'crit-json', `${file.name.slice(slash + 1)}.json`);
  const json = JSON.parse(readFileSync(path, 'utf8')) as { entries: Record<string, unknown>[] };
  return json.entries;
}
