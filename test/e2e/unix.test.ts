/** Unix sockets inside the tree, and what is said about those that lead out of it. */
import { mkdirSync, readdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TestProgram } from '../support/program.ts';
import { roundTrip } from '../support/round-trip.ts';
import { OURS, dump, run } from '../support/tool.ts';

const unix = suite('unix sockets');
unix('dump and restore', async () => { await roundTrip('unix'); });
unix('dump with -R, then restore', async () => { await roundTrip('unix', { leaveRunning: true }); });
unix('three times over', async () => { await roundTrip('unix', { times: 3 }); });
unix('a datagram peer outside, with --ext-unix-sk', async () => {
  await roundTrip('unix-refused', { args: ['outside', 'datagram'], dumpOptions: ['--ext-unix-sk'], restoreOptions: ['--ext-unix-sk'] });
});

unix('what only a task can open, in flight', async () => { await roundTrip('inflight'); });
unix('refused at the restore: what only a task can open and none has, in flight', async () => {
  const program = new TestProgram('inflight', { args: ['only'] });
  try {
    await program.waitFor(/^ready$/m);
    await dump(OURS, program.pid, program.images);
    await program.gone();
    const { status, output } = await run(OURS, ['restore', '-d', '-D', program.images]);
    assert.is(status, 1, output);
    assert.match(output, /is in flight in it, which only a task can open, and no task has it open/);
  } finally {
    await program.stop();
  }
});

const refused: readonly { name: string; args: readonly string[]; options?: readonly string[]; says: readonly RegExp[] }[] = [
  { name: 'a datagram peer outside', args: ['outside', 'datagram'], says: [/outside\.sock/, /is not part of the tree: process \d+ \(outsider\), fd \d+, has it/, /--ext-unix-sk/] },
  { name: 'a stream peer outside', args: ['outside', 'stream'], says: [/is not part of the tree: process \d+ \(outsider\), fd \d+, has it/] },
  { name: 'a stream peer outside, with --ext-unix-sk', args: ['outside', 'stream'], options: ['--ext-unix-sk'], says: [/half of a stream connection/] },
  { name: 'data of a connection that waits to be accepted', args: ['sent'], says: [/waits to be accepted \(by l\.sock\)/] },
  { name: 'an urgent byte', args: ['urgent'], says: [/urgent byte \(MSG_OOB\)/] },
];
for (const { name, args, options = [], says } of refused) {
  unix(`refused, and nothing changed: ${name}`, async () => {
    const program = new TestProgram('unix-refused', { args });
    try {
      await program.waitFor(/^ready$/m);
      mkdirSync(program.images);
      const { status, output } = await run(OURS, ['dump', '-t', String(program.pid), '-D', program.images, ...options]);
      assert.is(status, 1, output);
      for (const words of says) assert.match(output, words);
      assert.equal(readdirSync(program.images).filter((file) => file.endsWith('.img')), [], 'no image is left');
      await program.verdict();
    } finally {
      await program.stop();
    }
  });
}
unix.run();
