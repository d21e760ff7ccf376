/** Messages to bytes and back: presence, unknown fields, strings that are no UTF-8, messages that do not fit. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import '../../src/core/node.ts';
import { create, decodeMessage, encodeMessage, shared } from '../../src/image/wire.ts';
import { message, opt, rep, req } from '../../src/image/schema/define.ts';
import { fd_types, fdinfo_entry, pagemap_entry, pstree_entry, vma_entry } from '../../src/image/schema/index.ts';
import { recordRows } from '../../src/image/wire-rows.ts';
import { bytesOf, textOf } from '../../src/image/text.ts';

const decoding = suite('decodeMessage');

decoding('reads back what encodeMessage wrote, in field order', () => {
  const item = create(pstree_entry, { pid: 5, ppid: 0, pgid: 5, sid: 5, threads: [5, 6] });
  const bytes = encodeMessage(pstree_entry, item);
  assert.is(Buffer.from(bytes).toString('hex'), '080510001805200528052806');
  assert.equal({ ...decodeMessage(pstree_entry, bytes) }, item);
});

decoding('keeps absent and written 0 apart', () => {
  const absent = encodeMessage(pagemap_entry, create(pagemap_entry, { vaddr: 1n, compat_nr_pages: 0 }));
  const zero = encodeMessage(pagemap_entry, create(pagemap_entry, { vaddr: 1n, compat_nr_pages: 0, flags: 0, nr_pages: 0n }));
  assert.is(zero.length - absent.length, 4);
  assert.is(decodeMessage(pagemap_entry, absent).flags, undefined);
  assert.is(decodeMessage(pagemap_entry, zero).nr_pages, 0n);
  assert.equal(encodeMessage(pagemap_entry, decodeMessage(pagemap_entry, zero)), zero);
});

decoding('keeps fields it does not know, nested ones too', () => {
  const inner = message('inner', { a: req.uint32(1), later: opt.string(9) });
  const outer = message('outer', { inner: req.msg(1, () => inner), list: rep.uint64(2), later: opt.bytes(300) });
  const oldInner = message('inner', { a: req.uint32(1) });
  const old = message('outer', { inner: req.msg(1, () => oldInner), list: rep.uint64(2) });
  const bytes = encodeMessage(outer, { inner: { a: 7, later: 'x' }, list: [1n, 1n << 63n], later: Uint8Array.of(0, 1) });
  assert.equal(encodeMessage(old, decodeMessage(old, bytes)), bytes);
});

decoding('a value of an enumeration that has no name survives', () => {
  const bytes = encodeMessage(fdinfo_entry, { id: 1, flags: 0, type: 4711, fd: 0 });
  assert.is(decodeMessage(fdinfo_entry, bytes).type, 4711);
  assert.is(fd_types.PIDFD, 20);
});

decoding('signed fields: zigzag and 64-bit two\'s complement', () => {
  const vma = create(vma_entry, { start: 0xffffffffff600000n, end: 0xffffffffff601000n, pgoff: 0n, shmid: 0n, prot: 5, flags: 0x22, status: 5, fd: -1n });
  const bytes = encodeMessage(vma_entry, vma);
  assert.is(Buffer.from(bytes.subarray(-2)).toString('hex'), '4001');
  assert.equal({ ...decodeMessage(vma_entry, bytes) }, vma);
});

const refusals: [string, string, RegExp][] = [
  ['a required field is missing', '0805', /field ppid: a required field is missing/],
  ['cut inside a varint', '0885', /field pid: it is cut short/],
  ['a length past the end', '08051000180520053a7f', /field number 7: it is cut short/],
  ['a group', '080510001805200573', /groups are not part of the format/],
];
for (const [name, hex, pattern] of refusals) {
  decoding(`refuses: ${name}`, () => {
    assert.throws(() => decodeMessage(pstree_entry, Buffer.from(hex, 'hex')), pattern);
  });
}

decoding('a known field of the wrong wire type is kept as unknown, as the protobuf libraries do', () => {
  const bytes = Buffer.from('0805100018052005' + '2d01020304', 'hex');
  assert.equal(decodeMessage(pstree_entry, bytes).threads, []);
  assert.equal(Buffer.from(encodeMessage(pstree_entry, decodeMessage(pstree_entry, bytes))), bytes);
});
decoding.run();

const encoding = suite('encodeMessage');
encoding('names the field that is missing', () => {
  const bad = { pid: 5, ppid: 0, pgid: 5, threads: [] } as unknown as pstree_entry;
  assert.throws(() => encodeMessage(pstree_entry, bad), /field sid: pstree_entry cannot be written without it/);
});
encoding('refuses a number out of range and a number where 64 bits are needed', () => {
  assert.throws(() => encodeMessage(pstree_entry, create(pstree_entry, { pid: -1, ppid: 0, pgid: 0, sid: 0 })), /field pid: -1 is not a uint32/);
  const bad = { vaddr: 4096, compat_nr_pages: 0 } as unknown as pagemap_entry;
  assert.throws(() => encodeMessage(pagemap_entry, bad), /field vaddr: a bigint is needed/);
});

encoding('numbers as they lie in memory are written like a list of them', () => {
  const lists = message('lists', { words: rep.uint32(3), long: rep.uint64(4), far: rep.uint32(20), farther: rep.uint64(21) });
  const words = [0, 1, 0x7f, 0x80, 0x4000, 0xffffffff, 0], long = [0n, 0x7fn, 0x80n, 1n << 31n, 1n << 32n, (1n << 64n) - 1n, 0n];
  const plain = create(lists, { words, long, far: words, farther: long });
  const memory = create(lists, { words: Uint32Array.from(words), long: BigUint64Array.from(long), far: Uint32Array.from(words), farther: BigUint64Array.from(long) });
  assert.equal(encodeMessage(lists, memory), encodeMessage(lists, plain));
  assert.equal(decodeMessage(lists, encodeMessage(lists, memory)), plain);
});

encoding('what is shared is written the same wherever it stands, and cannot be changed', () => {
  const inner = message('inner', { a: req.uint32(1), list: rep.uint64(2) });
  const outer = message('outer', { one: opt.msg(1, () => inner), other: opt.msg(2, () => inner), many: rep.msg(17, () => inner), list: rep.uint64(18), same: rep.uint64(19) });
  const list = [1n, 300n], value = { a: 5, list: [7n] };
  const plain = { one: value, other: value, many: [value, value], list, same: list };
  const common = shared({ ...value }), numbers = shared([...list]);
  const written = { one: common, other: common, many: [common, common], list: numbers, same: numbers };
  for (let i = 0; i < 3; i++) assert.equal(encodeMessage(outer, written), encodeMessage(outer, plain));
  assert.throws(() => { common.a = 6; }, TypeError);
});
encoding.run();

const rows = suite('recordRows');
const tiny = message('tiny', { a: req.uint32(1), later: opt.uint64(2) });
const wide = message('wide', {
  u32: req.uint32(1), i32: opt.int32(2), s32: opt.sint32(3), f32: opt.fixed32(4), flag: opt.bool(5), u64: req.uint64(6), i64: opt.int64(7), s64: opt.sint64(8),
  f64: opt.fixed64(9), text: opt.string(10), bytes: opt.bytes(11), inner: opt.msg(12, () => tiny), common: opt.msg(13, () => tiny), other: opt.msg(14, () => tiny),
  list: rep.msg(15, () => tiny), numbers: rep.uint32(16), words: rep.uint32(17), quads: rep.uint64(18), few: rep.msg(2000, () => tiny), texts: rep.string(20),
});
const alike = shared({ a: 9 }), commonNumbers = shared([1, 2]);
const manyWide = Array.from({ length: 40 }, (_, i) => create(wide, {
  u32: i % 2 === 0 ? 0xffffffff : i, i32: i % 3 === 0 ? undefined : -i, s32: -i, f32: 2 ** 31 + i, flag: i % 2 === 0, u64: 2n ** 64n - 1n - BigInt(i), i64: -BigInt(i), s64: -(2n ** 63n),
  f64: BigInt(i), text: i % 4 === 0 ? undefined : ['/a', '/\udcff', 'x'.repeat(i * 10)][i % 3], bytes: i % 5 === 0 ? undefined : Uint8Array.of(i, 0),
  inner: i % 2 === 0 ? undefined : { a: i, later: i % 3 === 0 ? undefined : 1n << BigInt(i) }, common: alike, other: alike,
  list: Array.from({ length: i % 7 }, (_, a) => ({ a })), numbers: commonNumbers, words: Uint32Array.of(i, 0, 0xffffffff), quads: BigUint64Array.of(BigInt(i), 2n ** 63n),
  few: i === 5 ? [{ a: 1 }] : [], texts: ['a', ''],
}));

rows('what many messages come to is what each of them comes to', () => {
  const head = Uint8Array.of(1, 2, 3);
  const { bytes, sizes } = recordRows(wide, manyWide, head)!;
  const records = manyWide.map((one) => {
    const encoded = encodeMessage(wide, one);
    return Buffer.concat([head, new Uint8Array(Uint32Array.of(encoded.length).buffer), encoded]);
  });
  assert.equal([...sizes], records.map(({ length }) => length));
  assert.equal(Buffer.from(bytes), Buffer.concat(records));
});

const [example] = manyWide;
const misfits: [string, object][] = [
  ['a required field is missing', { ...example, u32: undefined }], ['a number out of range', { ...example, u32: -1 }], ['a number that is no integer', { ...example, s32: 0.5 }],
  ['64 bits out of range', { ...example, u64: -1n }], ['signed 64 bits out of range', { ...example, i64: 2n ** 63n }], ['a number for 64 bits', { ...example, u64: 5 }],
  ['a number for a boolean', { ...example, flag: 1 }], ['bytes for a text', { ...example, text: Uint8Array.of(1) }], ['a text for bytes', { ...example, bytes: 'a' }],
  ['a number for a message', { ...example, inner: 5 }], ['no list', { ...example, list: { length: 1 } }], ['a bad number in a list', { ...example, numbers: [-1] }],
  ['a field nobody knows', { ...example, inner: decodeMessage(tiny, Uint8Array.of(8, 1, 0x48, 1)) }],
];
for (const [what, one] of misfits) rows(`${what}: that is for encodeMessage`, () => assert.is(recordRows(wide, [...manyWide.slice(1), one]), undefined));
rows.run();

const text = suite('textOf and bytesOf');
text('any bytes go back to themselves', () => {
  const samples = ['2f746d70', 'ff', '2fc3a92ffe80', 'eda080', 'f09f9880ff', 'c3', 'efbbbf41', '00'];
  for (const hex of samples) {
    const bytes = Uint8Array.from(Buffer.from(hex, 'hex'));
    assert.equal(bytesOf(textOf(bytes)), bytes, hex);
  }
  assert.is(textOf(Uint8Array.of(0x2f, 0xff)), '/\udcff');
});
text('a message with such a name is rewritten identically', () => {
  const oldName = message('m', { name: req.bytes(1) });
  const newName = message('m', { name: req.string(1) });
  const raw = encodeMessage(oldName, { name: Uint8Array.of(0x2f, 0xc3, 0x28, 0xff) });
  assert.equal(encodeMessage(newName, decodeMessage(newName, raw)), raw);
});
text.run();
