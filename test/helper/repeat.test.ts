/** Steps that are repeated for rows: each row finds the data as it was at first, and is seen as if it were alone. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Helper } from '../../src/helper/client.ts';
import { ERRNO } from '../../src/kernel/errno.ts';
import { Cond, Op, Program } from '../../src/program/program.ts';
import { once, repeat } from '../../src/program/repeat.ts';

const VALUES = [3, -1, 3, 70_000, 0];
const row = (value: number): { resource: string; values: number[] } => ({ resource: `row ${value}`, values: [value, 1] });

/** Runs a program in a helper. */
function run(program: Program): ReturnType<Helper['local']> {
  const helper = Helper.start();
  try {
    return helper.local(program);
  } finally {
    helper.close();
  }
}

const repeated = suite('repeat');
repeated('data and results of each row, and of what is around', () => {
  const p = new Program('helper');
  const before = p.add(40, 2);
  const { body: { place, sum, text }, view } = repeat(p, VALUES.map(row), ([value, one]) => {
    const place = p.data(Buffer.from([7, 0, 0, 0, 0, 0, 0, 0]));
    p.store(place, p.add(p.load(place, 8), p.add(value!, one!)));
    return { place, sum: p.add(value!, before), text: p.cstring('text') };
  });
  const after = p.add(before, 1);
  const ran = run(p).check('test');
  assert.is(ran.result(after), 43n);
  VALUES.forEach((value, i) => {
    const its = view(ran, i);
    assert.is(its.data(place).readBigInt64LE(0), BigInt(value + 8), `data of row ${i}`);
    assert.is(its.result(sum), BigInt(value + 42), `result of row ${i}`);
    assert.is(its.data(text).toString('latin1'), 'text\0');
    assert.is(its.result(before), 42n);
  });
});
repeated('a row that fails is named', () => {
  const p = new Program('helper');
  p.call('getpid');
  repeat(p, VALUES.map(row), ([value]) => p.control(Op.EXPECT, [value!, Cond.NE, 70_000, ERRNO.EBUSY], { keep: false }));
  assert.throws(() => run(p).check('test'), /row 70000.*EBUSY/);
});
repeated('steps that keep nothing', () => {
  const p = new Program('helper');
  const count = p.reserve(8);
  repeat(p, VALUES.map(row), ([, one]) => { p.store(count, p.add(p.load(count, 8), one!)); });
  assert.is(run(p).check('test').data(count).readUInt32LE(0), VALUES.length);
});
repeated('once: rows that cannot be told apart are read once', () => {
  const p = new Program('helper');
  const { body, view } = repeat(p, VALUES.map(row), ([value]) => p.add(value!, 1));
  const ran = run(p).check('test');
  let reads = 0;
  const read = once((its) => { reads++; return Number(its.result(body)); });
  assert.equal(VALUES.map((_, i) => read(view(ran, i))), VALUES.map((value) => value + 1));
  assert.is(reads, new Set(VALUES).size);
});
repeated.run();
