/** Packet sockets, with their rings. */
import { suite } from 'uvu';
import { refusedDump } from '../support/refused.ts';
import { roundTrip } from '../support/round-trip.ts';

const packet = suite('packet sockets');
packet('dump and restore', async () => { await roundTrip('packet'); });
packet('dump with -R, then restore, three times', async () => { await roundTrip('packet', { leaveRunning: true, times: 3 }); });
packet('refused, and nothing changed: a ring that was sent from', async () => {
  await refusedDump('packet', ['sent'], /packets were sent from its ring \(PACKET_TX_RING\)/);
});
packet.run();
