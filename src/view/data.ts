/**
 * What a view page carries: every image of a set and its chain but pages, page contents where they are small enough, and what was
 * found out about pages whose contents stay behind. The page opens it with the very code that opens a folder.
 */
import { unzlibSync, zlibSync } from 'fflate';
import { StillframeError } from '../errors.ts';
import { concat, readAll, type ByteFile } from '../image/source/source.ts';
import { MemoryStore, type ImageStore } from '../image/source/store.ts';
import { fromBase64, toBase64 } from './base64.ts';
import type { OpenSet } from '../inspect/open.ts';
import { analysePages, type PageFacts } from './pages.ts';

export interface ViewIndex {
  readonly version: string;
  readonly links: readonly {
    readonly name: string;
    /** Contents in the blob, one file behind the other. */
    readonly files: readonly { readonly name: string; readonly size: number }[];
    /** Files whose contents are not in the page. */
    readonly outside: readonly { readonly name: string; readonly size: number }[];
    /** Bitmaps of each pages file, in the blob behind the files: zero pages, then changed ones. */
    readonly facts: readonly { readonly file: string; readonly pages: number; readonly changed: boolean }[];
  }[];
  /** Path on the serving host under which contents outside can be asked for. */
  readonly serve?: string;
}

/** Image files larger than this (ghost files, shared memory segments) stay outside. */
const MAX_FILE = 8 << 20;

export interface PackOptions {
  readonly version: string;
  /** Pages are in the page when all of them together are no more than this many bytes. */
  readonly pagesLimit: number;
  readonly serve?: string;
}

/** The page's data: index as JSON, and all contents as one compressed blob in base64. */
export async function packView(set: OpenSet, { version, pagesLimit, serve }: PackOptions): Promise<{ index: string; blob: string; pages: number; embedded: boolean }> {
  const total = set.chain.reduce((sum, link) => sum + link.loaded.files.reduce((bytes, file) => bytes + (isPages(file.name) ? file.size : 0), 0), 0);
  const embedded = total <= pagesLimit;
  const parts: Uint8Array[] = [];
  const links: ViewIndex['links'][number][] = [];
  for (const [i, link] of set.chain.entries()) {
    const files = [];
    const outside = [];
    for (const { name, size } of link.loaded.files) {
      const source = size <= MAX_FILE || isPages(name) ? await link.store.source(name) : undefined;
      if (source === undefined || (isPages(name) && !embedded)) outside.push({ name, size });
      else {
        const bytes = await readAll(source, Math.max(MAX_FILE, pagesLimit));
        parts.push(bytes);
        files.push({ name, size: bytes.length });
      }
    }
    const facts = [];
    for (const [file, fact] of await analysePages(set, i)) {
      parts.push(fact.zero);
      if (fact.changed !== undefined) parts.push(fact.changed);
      facts.push({ file, pages: fact.pages, changed: fact.changed !== undefined });
    }
    links.push({ name: link.name, files, outside, facts });
  }
  const index: ViewIndex = { version, links, ...(serve === undefined ? {} : { serve }) };
  return { index: JSON.stringify(index), blob: toBase64(zlibSync(concat(parts), { level: 6 })), pages: total, embedded };
}

const isPages = (name: string): boolean => /^pages-.*\.img$/.test(name);

/** The reverse, in the browser: the youngest store of the chain, and the facts by `link/file`. */
export function unpackView(index: ViewIndex, blob: string): { store: ImageStore; facts: Map<string, PageFacts> } {
  const bytes = blob === '' ? new Uint8Array(0) : unzlibSync(fromBase64(blob));
  let at = 0;
  const take = (size: number): Uint8Array => bytes.subarray(at, at += size);
  const facts = new Map<string, PageFacts>();
  const contents = index.links.map((link, i) => {
    const files = new Map<string, Uint8Array | ByteFile>();
    for (const { name, size } of link.files) files.set(name, take(size));
    for (const { name, size } of link.outside) files.set(name, new OutsideFile(name, size, index.serve === undefined ? undefined : `${index.serve}/${i}/${encodeURIComponent(name)}`));
    for (const { file, pages, changed } of link.facts) {
      const zero = take(Math.ceil(pages / 8));
      facts.set(`${i}/${file}`, { pages, zero, ...(changed ? { changed: take(Math.ceil(pages / 8)) } : {}) });
    }
    return { name: link.name, files };
  });
  let store: MemoryStore | undefined;
  for (const { name, files } of contents.reverse()) store = new MemoryStore(name, files, store);
  if (store === undefined) throw new StillframeError({ doing: 'open view', why: 'there is no set in this page' });
  return { store, facts };
}

/** Contents that are not in the page: on the serving host, or left behind. */
class OutsideFile implements ByteFile {
  constructor(readonly name: string, readonly size: number, readonly url: string | undefined) {}
  async read(offset: number, length: number): Promise<Uint8Array> {
    const wanted = Math.min(length, Math.max(0, this.size - offset));
    if (wanted === 0) return new Uint8Array(0);
    if (this.url === undefined) throw new StillframeError({ doing: 'read', where: this.name, why: 'its contents are not in this page', remedy: "Make the page with --pages, use 'stillframe image view --serve', or drop the archive here." });
    const response = await fetch(`${this.url}?offset=${offset}&length=${wanted}`);
    if (!response.ok) throw new StillframeError({ doing: 'read', where: this.name, why: `the server says ${response.status}` });
    return new Uint8Array(await response.arrayBuffer());
  }
}
