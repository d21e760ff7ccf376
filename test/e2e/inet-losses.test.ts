/** What of internet sockets cannot be put back: it is refused by name and the program goes on, or dropped and the log says so. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findLocks } from '../../src/network-lock/leftovers.ts';
import { TestProgram, until } from '../support/program.ts';
import { roundTrip } from '../support/round-trip.ts';
import { OURS, run } from '../support/tool.ts';

const losses = suite('what internet sockets would lose');
for (const [what, why] of [
  ['signed', /tcp 127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+: its segments are signed \(TCP_MD5SIG\).*--tcp-close/],
  ['signed-listener', /tcp 127\.0\.0\.1:\d+: its segments are signed \(TCP_MD5SIG\).*close it first/],
  ['urgent', /fd \d+ .*urgent data \(MSG_OOB\) .*read on first/],
  ['urgent-read', /fd \d+ .*urgent data \(MSG_OOB\) .*read on first/],
] as const) {
  losses(`${what}: refused`, async () => {
    const program = new TestProgram('awkward', { args: [what] });
    try {
      await program.waitFor(/^ready$/m);
      mkdirSync(program.images);
      const { status, output } = await run(OURS, ['dump', '-t', String(program.pid), '-D', program.images, '--tcp-established', '--skip-in-flight']);
      assert.is(status, 1, output);
      assert.match(output, why);
      await until('no network lock is left', () => !findLocks().some(({ says }) => says?.endsWith(`dump of task ${program.pid}`)));
      await program.verdict();
    } finally {
      await program.stop();
    }
  });
}
for (const [what, says] of [
  ['datagrams', /Warn .*task \d+ \(awkward\), fd \d+ .*udp 127\.0\.0\.1:\d+: datagrams that wait .*the first has 5 bytes; all take \d+ bytes/],
  ['error', /Warn .*task \d+ \(awkward\), fd \d+ .*an error that waits to be told/],
] as const) {
  losses(`${what}: dropped, and told`, async () => {
    await roundTrip('awkward', { args: [what], afterDump: ({ images }) => { assert.match(readFileSync(join(images, 'dump.log'), 'latin1'), says); } });
  });
}
losses.run();

const multicast = suite('multicast groups');
multicast('dump and restore', async () => { await roundTrip('groups'); });
multicast('dump with -R, then restore, twice', async () => { await roundTrip('groups', { leaveRunning: true, times: 2 }); });
multicast.run();
