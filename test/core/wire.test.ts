/** Wire scanning through WebAssembly. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { core, CoreError, WireType } from '../../src/core/node.ts';

const { wire } = core;

const check = suite('checkMessage');
const BAD: [string, string, number][] = [
  ['08', 'VARINT_SHORT', 1], ['0801128001', 'FIELD_SHORT', 2], ['08ffffffffffffffffff02', 'VARINT_LONG', 1], ['0000', 'TAG_NUMBER', 0],
  ['08010b', 'WIRE_GROUP', 2], ['0f', 'WIRE_TYPE', 0], ['0a0200', 'FIELD_SHORT', 0], ['0901020304', 'FIELD_SHORT', 0],
];
for (const [hex, code, offset] of BAD) {
  check(`${hex} is ${code} at byte ${offset}`, () => {
    assert.throws(() => wire.checkMessage(Buffer.from(hex, 'hex')), (error: unknown) =>
      error instanceof CoreError && error.code === code && error.offset === BigInt(offset) && !error.text.includes('{'));
  });
}
check('counts the fields of a good one', () => {
  assert.is(wire.checkMessage(new Uint8Array(0)), 0);
  assert.is(wire.checkMessage(Buffer.from('0896011203616263', 'hex')), 2);
});
check.run();

const fields = suite('scanFields');
fields('gives number, type, place and value of each', () => {
  const table = wire.scanFields(Buffer.from('08960112036162631d0100008021080706050403020128ffffffffffffffffff01', 'hex'));
  const rows = Array.from({ length: table.count }, (_, i) => [table.number(i), table.type(i), table.offset(i), table.size(i), table.value(i)]);
  assert.equal(rows, [
    [1, WireType.VARINT, 1, 2, 150n], [2, WireType.LEN, 5, 3, 0n], [3, WireType.I32, 9, 4, 0x80000001n],
    [4, WireType.I64, 14, 8, 0x0102030405060708n], [5, WireType.VARINT, 23, 10, 0xffffffffffffffffn],
  ]);
});
fields('keeps what it returned when the core is used again', () => {
  const first = wire.scanFields(Uint8Array.of(8, 1, 16, 2));
  wire.scanFields(Uint8Array.of(8, 9, 16, 9));
  assert.equal([first.value(0), first.value(1)], [1n, 2n]);
});
fields.run();
