/** MPTCP sockets: kept without a connection; connections are refused, or found closed. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import { refusedDump } from '../support/refused.ts';
import { roundTrip } from '../support/round-trip.ts';

const SWITCH = '/proc/sys/net/mptcp/enabled';
const KEEP = { dumpOptions: ['--tcp-established'], restoreOptions: ['--tcp-established'] };
const CLOSE = { dumpOptions: ['--tcp-close'], restoreOptions: ['--tcp-close'] };

const mptcp = suite('MPTCP sockets');
if (existsSync(SWITCH) && readFileSync(SWITCH, 'latin1').trim() === '1') {
  mptcp('dump and restore', async () => { await roundTrip('mptcp', KEEP); });
  mptcp('dump with -R, then restore, twice', async () => { await roundTrip('mptcp', { ...KEEP, leaveRunning: true, times: 2 }); });
  for (const how of ['connected', 'fallen']) {
    mptcp(`found closed: ${how}`, async () => { await roundTrip('mptcp', { ...CLOSE, args: [how] }); });
    mptcp(`refused, and nothing changed: ${how}`, async () => {
      await refusedDump('mptcp', [how], /mptcp 127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+: it is an MPTCP connection \(ESTABLISHED\).*--tcp-close/s, {
        dumpOptions: ['--tcp-established'], then: ({ dir }) => { mkdirSync(`${dir}/refused`); },
      });
    });
  }
}
mptcp.run();
