/** Page maps through WebAssembly: as crit reads them, and byte for byte as CRIU wrote them. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { core, CoreError, MARKS_BAD, PageFlag, PageMark } from '../../src/core/node.ts';
import { critEntries, imageFiles, isPagemap } from './fixtures.ts';

const { pagemap, container } = core;
const files = imageFiles().filter(isPagemap);

const decode = suite('decode');
decode('reads what crit reads', () => {
  assert.ok(files.length >= 7);
  for (const file of files) {
    const [head, ...entries] = critEntries(file);
    const map = pagemap.decode(file.bytes);
    assert.is(map.pagesId, head?.['pages_id'], file.name);
    assert.equal([...map.vaddr].map(Number), entries.map((entry) => entry['vaddr']));
    assert.equal([...map.nrPages].map(Number), entries.map((entry) => entry['nr_pages']));
    assert.equal([...map.flags], entries.map((entry) => entry['flags']));
    assert.is(map.allMarks, PageMark.NR_PAGES | PageMark.FLAGS);
    let present = 0;
    map.offset.forEach((offset, i) => {
      assert.is(Number(offset), present * 4096);
      if ((map.flags[i] ?? 0) & PageFlag.PRESENT) present += Number(map.nrPages[i]);
    });
  }
});
decode('marks entries that make no sense instead of refusing the file', () => {
  const columns = { vaddr: BigUint64Array.of(0x5000n, 0x1000n, 0x1800n), nrPages: BigUint64Array.of(2n, 0n, 1n << 60n), flags: Uint32Array.of(4, 4, 4) };
  const map = pagemap.decode(pagemap.encode(1, columns));
  assert.equal([...map.marks].map((marks) => marks & MARKS_BAD), [
    0, PageMark.UNORDERED | PageMark.OVERLAP | PageMark.EMPTY, PageMark.UNALIGNED | PageMark.OVERLAP | PageMark.OVERFLOW,
  ]);
});
decode('names record and byte of what it refuses', () => {
  const file = container.frame('common', 0x56084025, [Uint8Array.of(8, 1), Uint8Array.of(8, 0, 16, 1), Uint8Array.of(8, 0)]);
  assert.throws(() => pagemap.decode(file), (error: unknown) => error instanceof CoreError && error.code === 'FIELD_MISSING'
    && error.record === 2 && error.offset === 28n && error.text === 'required field 2 is missing');
  assert.throws(() => pagemap.decode(file, 5000), /5000 is no page size/);
  assert.throws(() => pagemap.decode(file.subarray(0, 8)), /without its first record/);
});
decode('takes 100,000 entries', () => {
  const count = 100_000;
  const vaddr = BigUint64Array.from({ length: count }, (_, i) => BigInt(i) * 0x3000n);
  const columns = { vaddr, nrPages: new BigUint64Array(count).fill(2n), flags: new Uint32Array(count).fill(PageFlag.PRESENT) };
  const map = pagemap.decode(pagemap.encode(9, columns));
  assert.is(map.count, count);
  assert.is(map.offset[count - 1], BigInt(count - 1) * 8192n);
  assert.is(Buffer.compare(Buffer.from(map.vaddr.buffer), Buffer.from(vaddr.buffer)), 0);
});
decode.run();

const encode = suite('encode');
encode("gives CRIU's bytes back", () => {
  for (const { name, bytes } of files) {
    const map = pagemap.decode(bytes);
    assert.is(Buffer.compare(pagemap.encode(map.pagesId, map), bytes), 0, name);
  }
});
encode('refuses columns of different length', () => {
  assert.throws(() => pagemap.encode(1, { vaddr: new BigUint64Array(2), nrPages: new BigUint64Array(2), flags: new Uint32Array(1) }), /differ in length: 2, 2, 1/);
});
encode.run();
