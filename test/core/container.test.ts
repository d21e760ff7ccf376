/** Container framing through WebAssembly: every committed image back to its bytes, every cut told by its byte. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { core, CoreError, type HeaderKind, type RecordSpan } from '../../src/core/node.ts';
import { imageFiles, withoutPayload } from './fixtures.ts';

const { container } = core;
const refusal = (run: () => unknown): CoreError => {
  try {
    run();
  } catch (error) {
    if (error instanceof CoreError) return error;
    throw error;
  }
  throw new Error('it was not refused');
};

const header = suite('readHeader');
const rows: [HeaderKind, number, number, string][] = [
  ['plain', 0, 4, '16313158'], ['common', 0x54564319, 8, '1943565425400856'], ['service', 0x55105940, 8, '4059105598760957'],
];
for (const [kind, commonMagic, headerSize, hex] of rows) {
  header(`reads ${kind} magics, and header() writes them`, () => {
    const bytes = Buffer.from(hex, 'hex');
    const got = container.readHeader(Buffer.concat([bytes, Buffer.from('rest')]));
    assert.equal(got, { kind, commonMagic, headerSize, magic: bytes.readUInt32LE(headerSize - 4) });
    assert.is(Buffer.from(container.header(kind, got.magic)).toString('hex'), hex);
    for (let cut = 0; cut < headerSize; cut++) {
      const error = refusal(() => container.readHeader(bytes.subarray(0, cut)));
      assert.is(error.code, 'HEADER_SHORT');
      assert.is(error.offset, BigInt(cut));
      assert.match(error.message, `read image: byte ${cut}: the file ends inside its magic numbers: it is ${cut} bytes, ${cut < 4 ? 4 : 8} are needed`);
    }
  });
}
header.run();

const scan = suite('scan');
scan('every image without payloads comes back byte for byte through frame()', () => {
  const files = imageFiles().filter(withoutPayload);
  for (const { name, bytes } of files) {
    const { kind, magic, records } = container.scan(bytes, { check: true });
    const messages = records.map(({ offset, size }) => bytes.subarray(offset, offset + size));
    assert.is(Buffer.compare(container.frame(kind, magic, messages), bytes), 0, name);
    assert.ok(records.length > 0, name);
  }
});
scan('each cut of an image is refused with the byte of its record, or is the end of one', () => {
  const { bytes } = imageFiles().find(({ name }) => name === 'counter/files.img')!;
  const { records } = container.scan(bytes);
  const starts = [...records.map(({ offset }) => offset - 4), bytes.length];
  for (let cut = 8; cut < bytes.length; cut++) {
    const good = starts.findLastIndex((start) => start <= cut);
    if (starts[good] === cut) {
      assert.is(container.scan(bytes.subarray(0, cut)).records.length, good);
      continue;
    }
    const error = refusal(() => container.scan(bytes.subarray(0, cut)));
    assert.is(error.offset, BigInt(starts[good]!));
    assert.is(error.record, good);
    assert.is(error.code, cut - starts[good]! < 4 ? 'RECORD_SIZE_SHORT' : 'RECORD_SHORT');
  }
});
scan('checks messages when asked, and names the record', () => {
  const file = container.frame('common', 1, [Uint8Array.of(8, 1), Uint8Array.of(8, 1, 0x0b)]);
  assert.is(container.scan(file).records.length, 2);
  const error = refusal(() => container.scan(file, { check: true }));
  assert.is(error.code, 'WIRE_GROUP');
  assert.is(error.record, 1);
  assert.is(error.offset, 20n);
});
scan.run();

const next = suite('nextRecord');
next('walks records with payloads between them', () => {
  const messages = [Uint8Array.of(8, 5), new Uint8Array(0), Uint8Array.of(8, 0)];
  const payloads = [Uint8Array.from([1, 2, 3, 4, 5]), undefined, new Uint8Array(1000)];
  const file = container.frame('common', 0x52583605, messages, payloads);
  let at = container.readHeader(file).headerSize;
  const spans: RecordSpan[] = [];
  for (let record; (record = container.nextRecord(file, at)) !== undefined;) {
    at = record.offset + record.size + (payloads[spans.length]?.length ?? 0);
    spans.push(record);
  }
  assert.equal(spans, [{ offset: 12, size: 2 }, { offset: 23, size: 0 }, { offset: 27, size: 2 }]);
  assert.is(at, file.length);
});
next('takes a window of a file larger than 4 GiB', () => {
  const start = 6 * 2 ** 30;
  const window = Buffer.alloc(12);
  window.writeUInt32LE(77, 4);
  assert.equal(container.nextRecord(window, start + 4, start + 4 + 81, start), { offset: start + 8, size: 77 });
  const error = refusal(() => container.nextRecord(window, start + 4, start + 4 + 80, start));
  assert.is(error.code, 'RECORD_SHORT');
  assert.is(error.offset, BigInt(start + 4));
  assert.is(container.nextRecord(window, start + 12, start + 12, start), undefined);
});
next('refuses a window that does not hold the size field', () => {
  assert.throws(() => container.nextRecord(new Uint8Array(6), 4, 100), /the window ends inside the record header at 4/);
  assert.throws(() => container.nextRecord(new Uint8Array(6), 4, 100, 5), /outside of the window/);
});
next('refuses a message above the limit, naming both sizes', () => {
  const window = Buffer.alloc(4);
  window.writeUInt32LE((256 << 20) + 1);
  const error = refusal(() => container.nextRecord(window, 8, 2 ** 33, 8));
  assert.is(error.code, 'RECORD_TOO_LARGE');
  assert.match(error.of('img/mm-5.img').message, 'read image: img/mm-5.img, byte 8: a message of 268435457 bytes: none is larger than 268435456');
});
next.run();
