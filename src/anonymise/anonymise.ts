/**
 * A set fit to attach to a bug report: same structure, same sizes, same sharing; contents of memory, queues and deleted files, names,
 * paths, arguments, environment and addresses replaced, each by the same thing everywhere. It still passes the check.
 */
import { StillframeError } from '../errors.ts';
import { decodeImage, encodeImage, sourceOf, type Entry, type NewEntry } from '../image/codec.ts';
import { payload } from '../image/payload.ts';
import { readAll, readExactly } from '../image/source/source.ts';
import type { OpenSet } from '../inspect/open.ts';
import type { SetFile } from '../inspect/load.ts';
import { liveTasks } from '../inspect/usage.ts';
import { Replacer } from './replace.ts';
import { anonymiseMessage } from './rules.ts';

export interface AnonymousFile {
  /** Which set of the chain; 0 is the youngest. */
  readonly link: number;
  readonly name: string;
  parts(): AsyncGenerator<Uint8Array>;
}

export interface LeftOut { readonly link: number; readonly name: string; readonly why: string }

const PIECE = 1 << 20;
/** Files with payloads are held whole while they are encoded again. */
const MAX_FILE = 512 << 20;

/**
 * The files of the anonymous chain, to be written in any order. `leftOut` is filled as files are asked for.
 * @throws StillframeError (while iterating) for a file that cannot be decoded: what is not understood is not passed on
 */
export function* anonymise(set: OpenSet, leftOut: LeftOut[], replace = new Replacer()): Generator<AnonymousFile> {
  for (const [link, one] of set.chain.entries()) {
    const texts = textsOf(set, one);
    for (const file of one.loaded.files) {
      const { name, kind } = file;
      if (kind === undefined) leftOut.push({ link, name, why: 'no image' });
      else if (kind.name === 'PAGES') yield { link, name, parts: () => pagesOf(one, file, replace, texts.get(name) ?? []) };
      else if (kind.name === 'STILLFRAME_HASHES') leftOut.push({ link, name, why: 'hashes of contents that were replaced' });
      else if (kind.framing === 'raw') leftOut.push({ link, name, why: 'raw contents, which may have anything in them' });
      else yield { link, name, parts: () => imageOf(one, file, replace) };
    }
  }
}

async function* imageOf(set: OpenSet, { name, kind }: SetFile, replace: Replacer): AsyncGenerator<Uint8Array> {
  const source = await set.store.source(name);
  if (source === undefined) return;
  // page maps, statistics and ids have nothing of anybody in them
  if (kind!.name === 'PAGEMAP' || kind!.name === 'SHMEM_PAGEMAP') {
    yield await readAll(source, MAX_FILE);
    return;
  }
  const image = decodeImage(sourceOf(await readAll(source, MAX_FILE, 'anonymise'), name), kind);
  yield encodeImage(name, image.kind, image.entries.map((entry) => anonymiseEntry(entry, replace)), image.header);
}

function anonymiseEntry(entry: Entry, replace: Replacer): NewEntry {
  const message = anonymiseMessage(entry.desc, entry.message, replace);
  if ('dump_criu_run_id' in message) message.dump_criu_run_id = '00000000-0000-4000-8000-000000000000';
  return {
    message, ...(entry.payload === undefined ? {} : { payload: payload(replace.filler(entry.payload.bytes())) }),
    ...(entry.inner === undefined ? {} : { inner: entry.inner.map((inner) => anonymiseEntry(inner, replace)) }),
  };
}

/** A run of bytes of a pages file that holds arguments or environment: texts ended by zeros, which stay texts. */
interface TextRange { readonly from: number; readonly to: number }

function textsOf(youngest: OpenSet, set: OpenSet): Map<string, TextRange[]> {
  const ranges = new Map<string, TextRange[]>();
  const link = youngest.chain.indexOf(set);
  for (const task of liveTasks(youngest)) {
    const { mm_arg_start, mm_arg_end, mm_env_start, mm_env_end } = task.mm!;
    for (const [start, end] of [[mm_arg_start, mm_arg_end], [mm_env_start, mm_env_end]] as const) {
      if (end <= start || end - start > BigInt(8 << 20)) continue;
      for (const run of youngest.memory(task.pid).runs(start, end)) {
        if (run.state !== 'stored' || run.link !== link) continue;
        const list = ranges.get(run.file) ?? [];
        list.push({ from: run.offset, to: run.offset + Number(run.end - run.start) });
        ranges.set(run.file, list);
      }
    }
  }
  return ranges;
}

async function* pagesOf(set: OpenSet, { name, size }: SetFile, replace: Replacer, texts: readonly TextRange[]): AsyncGenerator<Uint8Array> {
  const source = await set.store.source(name);
  if (source === undefined) throw new StillframeError({ doing: 'anonymise', where: `${set.name}/${name}`, why: 'it is gone' });
  const page = set.loaded.pageSize;
  for (let at = 0; at < size; at += PIECE) {
    const before = await readExactly(source, at, Math.min(PIECE, size - at), 'anonymise');
    const whole = before.length - before.length % page;
    const after = new Uint8Array(before.length);
    after.set(replace.pages(before.subarray(0, whole), page));
    for (const { from, to } of texts) {
      for (let i = Math.max(from, at); i < Math.min(to, at + before.length); i++) after[i - at] = letterFor(before[i - at]!);
    }
    yield after;
  }
}

/** Ends and separators stay, so that arguments and variables can still be counted; letters and digits do not. */
function letterFor(byte: number): number {
  if (byte === 0 || byte === 0x3d || byte === 0x2d || byte === 0x2f || byte === 0x3a) return byte;
  return byte >= 0x41 && byte <= 0x5a ? 0x58 : 0x78;
}
