/** Messages to bytes and back: presence, unknown fields, strings that are no UTF-8, messages that do not fit. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { create, decodeMessage, encodeMessage, shared } from '../../src/image/wire.ts';
import { message, opt, rep, req } from '../../src/image/schema/define.ts';
import { fd_types, fdinfo_entry, pagemap_entry, pstree_entry, vma_entry } from '../../src/image/schema/index.ts';
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
