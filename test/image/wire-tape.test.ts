/** Records by way of the core: the same objects as the other reader makes, or nothing. */
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { core } from '../../src/core/node.ts';
import { decodeImage, encodeImage, imageHeader, sourceOf } from '../../src/image/codec.ts';
import { kindNamed } from '../../src/image/kinds.ts';
import { message, opt, rep, req, type Desc } from '../../src/image/schema/define.ts';
import { create, decodeMessage, encodeMessage } from '../../src/image/wire.ts';
import { readTape } from '../../src/image/wire-tape.ts';
import { mm_entry, pagemap_entry, pagemap_head, vma_entry } from '../../src/image/schema/index.ts';
import { imageFiles } from '../core/fixtures.ts';

/** A file of records, without any magic. */
function framed(...messages: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(messages.flatMap((bytes) => [core.container.recordHeaders([bytes.length]), bytes])));
}

const read = suite('readTape');

let compared = 0;
for (const { name, path } of imageFiles()) {
  read(`${name}: both readers make the same`, () => {
    const file = new Uint8Array(readFileSync(path));
    const { kind, size } = imageHeader(sourceOf(file, name));
    if (kind.payload !== undefined) return;
    const messages = readTape(file, size, kind.first ?? kind.message!, kind.message!);
    const entries = core.container.scan(file).records.map((span, i) => decodeMessage((i === 0 ? kind.first : undefined) ?? kind.message!, file, span.offset, span.offset + span.size));
    assert.equal(messages, entries);
    assert.equal(messages!.map((one) => Object.keys(one)), entries.map((one) => Object.keys(one)));
    compared++;
  });
}
read('there was something to compare', () => assert.ok(compared > 50));

const inner = message('inner', { flag: opt.bool(1), deep: opt.msg(2, () => leaf), list: rep.msg(3, () => leaf) });
const leaf = message('leaf', { name: opt.string(1), big: opt.int64(2), zigzag: opt.sint64(3), small: opt.sint32(4) });
const outer = message('outer', {
  a: req.uint32(1), b: opt.int32(2), words: rep.uint32(3), longs: rep.uint64(4), raw: rep.bytes(5), one: opt.msg(6, () => inner), far: opt.fixed64(200), near: opt.fixed32(17), flags: rep.bool(18),
});

read('all kinds of fields', () => {
  const value = create(outer, {
    a: 0xffffffff, b: -5, words: [0, 1, 0xffffffff], longs: [0n, (1n << 64n) - 1n], raw: [Uint8Array.of(1, 2), new Uint8Array(0)], far: 1n << 63n, near: 0x80000000, flags: [true, false],
    one: { flag: false, deep: { name: '/é\udcff', big: -1n, zigzag: -(1n << 63n), small: -(2 ** 31) }, list: [{}, { name: 'x' }] },
  });
  const bytes = encodeMessage(outer, value);
  for (let times = 0; times < 2; times++) assert.equal(readTape(framed(bytes, bytes), 0, outer, outer), [decodeMessage(outer, bytes), decodeMessage(outer, bytes)]);
});

read('nothing that it returns points into the bytes or the core', () => {
  const file = framed(encodeMessage(outer, create(outer, { a: 1, raw: [Uint8Array.of(7)] })));
  const [first] = readTape(file, 0, outer, outer) as [{ raw: Uint8Array[] }];
  file.fill(0);
  readTape(framed(encodeMessage(outer, create(outer, { a: 1, raw: [Uint8Array.of(9)] }))), 0, outer, outer);
  assert.equal(first.raw, [Uint8Array.of(7)]);
});

const none = new Uint8Array(0);
const left: [string, Desc<object>, Uint8Array][] = [
  ['a required field is missing', outer, framed(none)],
  ['a field nobody knows', outer, framed(Uint8Array.of(8, 1, 0x98, 1, 0))],
  ['another wire type', outer, framed(Uint8Array.of(8, 1, 0x15, 1, 2, 3, 4))],
  ['a packed list', outer, framed(Uint8Array.of(8, 1, 0x1a, 2, 1, 2))],
  ['a message in two parts', outer, framed(Uint8Array.of(8, 1, 0x32, 2, 8, 1, 0x32, 0))],
  ['a cut record', outer, framed(Uint8Array.of(8, 1)).subarray(0, 5)],
  ['a field number above the tables', message('far', { a: opt.uint32(255) }), framed(none)],
  ['one below', message('outside', { far: opt.msg(1, () => message('far', { a: opt.uint32(255) })) }), framed(Uint8Array.of(10, 0))],
  ['more fields than there are places', message('wide', Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`f${i}`, opt.uint32(i + 1)]))), framed(none)],
];
for (const [what, desc, file] of left) read(`leaves to others: ${what}`, () => assert.is(readTape(file, 0, desc, desc), undefined));
read.run();

const long = suite('decodeImage of long files');
const vmas = Array.from({ length: 2000 }, (_, i) => create(vma_entry, { start: BigInt(i) << 12n, end: BigInt(i + 1) << 12n, pgoff: 0n, shmid: 0n, prot: 3, flags: 0x22, status: 1, fd: -1n, ...(i % 2 === 0 ? { madv: 1n } : {}) }));
const zeros = Object.fromEntries(Object.entries(mm_entry.fields).flatMap(([name, { card, type }]) => (card === 'req' ? [[name, type === 'uint64' ? 0n : 0]] : [])));
const mm = create(mm_entry, { ...zeros, vmas } as Parameters<typeof create<mm_entry>>[1]);
const map = [{ message: create(pagemap_head, { pages_id: 1 }) }, ...vmas.map(({ start }) => ({ message: create(pagemap_entry, { vaddr: start, compat_nr_pages: 1, flags: 4 }) }))];
for (const [name, entries] of [['MM', [{ message: mm }]], ['PAGEMAP', map]] as const) {
  const bytes = encodeImage(name, kindNamed(name)!, entries);
  long(`${name}: what was written`, () => {
    assert.ok(bytes.length > 16384);
    assert.equal(decodeImage(sourceOf(bytes, name), kindNamed(name)).entries.map(({ message }) => ({ ...message })), entries.map(({ message }) => ({ ...message })));
  });
  long(`${name}: damage is told as in a short one`, () => {
    assert.throws(() => decodeImage(sourceOf(bytes.subarray(0, bytes.length - 1), name), kindNamed(name)), /read image: MM|read image: PAGEMAP/);
  });
}
long.run();
