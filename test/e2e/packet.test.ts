/** Packet sockets, with their rings. */
import { mkdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TestProgram } from '../support/program.ts';
import { roundTrip } from '../support/round-trip.ts';
import { OURS, run } from '../support/tool.ts';

const packet = suite('packet sockets');
packet('dump and restore', async () => { await roundTrip('packet'); });
packet('dump with -R, then restore, three times', async () => { await roundTrip('packet', { leaveRunning: true, times: 3 }); });
packet('refused, and nothing changed: a ring that was sent from', async () => {
  const program = new TestProgram('packet', { args: ['sent'] });
  try {
    await program.waitFor(/^ready$/m);
    mkdirSync(program.images);
    const { status, output } = await run(OURS, ['dump', '-t', String(program.pid), '-D', program.images]);
    assert.is(status, 1, output);
    assert.match(output, /packets were sent from its ring \(PACKET_TX_RING\)/);
    await program.verdict();
  } finally {
    await program.stop();
  }
});
packet.run();
