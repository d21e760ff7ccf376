/** Text, bytes and regular expressions are found where they cross from one page, and one stored piece, into the next. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MemoryStore } from '../../src/image/source/store.ts';
import { openStore } from '../../src/inspect/open.ts';
import { findIn, parsePattern, stringsIn } from '../../src/inspect/search.ts';
import { linkFiles } from '../support/chain.ts';

const TEXT = 'password=hunter2';

const searching = suite('findIn');

for (const [what, pattern] of [['text', TEXT], ['a regular expression', '/pass\\w+=\\S+2/'], ['bytes', `0x${Buffer.from(TEXT).toString('hex')}`]] as const) {
  searching(`${what} across a page's border, and not across pages that do not touch`, async () => {
    // 0x1000 and 0x2000 touch, 0x4000 and what comes before it do not
    const files = linkFiles({ pages: { 0x1000: 0, 0x2000: 0, 0x4000: 0 } });
    const pages = files.get('pages-1.img')!;
    pages.set(Buffer.from(TEXT), 4096 - 7);
    pages.set(Buffer.from(TEXT), 2 * 4096 - 7);
    const set = await openStore(new MemoryStore('set', files));
    const found: [bigint, number][] = [];
    for await (const { address, length } of findIn(set.memory(5), parsePattern(pattern))) found.push([address, length]);
    assert.equal(found, [[0x1ff9n, TEXT.length]]);
  });
}

searching('strings, too', async () => {
  const files = linkFiles({ pages: { 0x1000: 0, 0x2000: 0 } });
  files.get('pages-1.img')!.set(Buffer.from(TEXT), 4096 - 7);
  const set = await openStore(new MemoryStore('set', files));
  const found: [bigint, string][] = [];
  for await (const { address, text } of stringsIn(set.memory(5), 8)) found.push([address, text]);
  assert.equal(found, [[0x1ff9n, TEXT]]);
});

searching.run();
