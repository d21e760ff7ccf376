/** Netlink sockets. */
import { mkdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TestProgram } from '../support/program.ts';
import { roundTrip } from '../support/round-trip.ts';
import { OURS, run } from '../support/tool.ts';

const netlink = suite('netlink sockets');
netlink('dump and restore', async () => { await roundTrip('netlink'); });
netlink('dump with -R, then restore, twice', async () => { await roundTrip('netlink', { leaveRunning: true, times: 2 }); });

const refused: readonly { name: string; args: readonly string[]; says: RegExp }[] = [
  { name: 'an answer that was not read', args: ['waiting'], says: /netlink socket of protocol 0, port \d+: (messages wait in it|the kernel is in the middle)/ },
  { name: 'an eBPF filter', args: ['ebpf'], says: /port 4242: its filter is an eBPF program/ },
];
for (const { name, args, says } of refused) {
  netlink(`refused, and nothing changed: ${name}`, async () => {
    const program = new TestProgram('netlink', { args });
    try {
      await program.waitFor(/^ready$/m);
      mkdirSync(program.images);
      const { status, output } = await run(OURS, ['dump', '-t', String(program.pid), '-D', program.images]);
      assert.is(status, 1, output);
      assert.match(output, says);
      await program.verdict();
    } finally {
      await program.stop();
    }
  });
}
netlink.run();
