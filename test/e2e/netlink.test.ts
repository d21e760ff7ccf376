/** Netlink sockets. */
import { suite } from 'uvu';
import { refusedDump } from '../support/refused.ts';
import { roundTrip } from '../support/round-trip.ts';

const netlink = suite('netlink sockets');
netlink('dump and restore', async () => { await roundTrip('netlink'); });
netlink('dump with -R, then restore, twice', async () => { await roundTrip('netlink', { leaveRunning: true, times: 2 }); });

const refused: readonly { name: string; args: readonly string[]; says: RegExp }[] = [
  { name: 'an answer that was not read', args: ['waiting'], says: /netlink socket of protocol 0, port \d+: (messages wait in it|the kernel is in the middle)/ },
  { name: 'an eBPF filter', args: ['ebpf'], says: /port 4242: its filter is an eBPF program/ },
];
for (const { name, args, says } of refused) {
  netlink(`refused, and nothing changed: ${name}`, async () => { await refusedDump('netlink', args, says); });
}
netlink.run();
