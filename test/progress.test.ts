/** What a terminal and a machine see of a long copy. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bar, lines, sizeText } from '../src/progress.ts';

const GIB = 2 ** 30;

/** A clock that is told what time it is. */
function clock(): { now: () => number; at: (ms: number) => void } {
  let time = 0;
  return { now: () => time, at: (ms) => { time = ms; } };
}

const progress = suite('progress');

progress('nothing is said of what takes less than a second', () => {
  const { now, at } = clock();
  const said: string[] = [];
  const machine = lines((text) => said.push(text), now);
  for (let ms = 0; ms < 1000; ms += 50) {
    at(ms);
    machine.report('memory', ms, 950);
  }
  machine.end();
  assert.equal(said, []);
});

progress('then at most ten times a second, and the last', () => {
  const { now, at } = clock();
  const said: string[] = [];
  const machine = lines((text) => said.push(text), now);
  for (let ms = 0; ms <= 4000; ms += 10) {
    at(ms);
    machine.report('memory of task 5', GIB * ms / 4000, GIB);
  }
  assert.ok(said.length >= 29 && said.length <= 32, `${said.length} lines in three seconds`);
  assert.equal(JSON.parse(said.at(-1)!), { progress: { what: 'memory of task 5', done: GIB, total: GIB, rate: GIB / 4 } });
});

progress('a terminal gets one line, which goes away', () => {
  const { now, at } = clock();
  let said = '';
  const terminal = bar(100, (text) => { said += text; }, now);
  terminal.report('memory of task 5', 0, GIB);
  at(2000);
  terminal.report('memory of task 5', GIB / 2, GIB);
  assert.is(said, '\rmemory of task 5: 512 MiB of 1.0 GiB, 256 MiB/s, 2 s left [###############...............]\u001b[K');
  said = '';
  terminal.end();
  assert.is(said, '\r\u001b[K');
});

progress('sizes', () => {
  assert.equal([0, 1023, 1024, 1536, 150 * 2 ** 20, 3 * 2 ** 40].map(sizeText), ['0 B', '1023 B', '1.0 KiB', '1.5 KiB', '150 MiB', '3.0 TiB']);
});

progress.run();
