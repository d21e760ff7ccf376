/** Servers that people run, with clients who stay: they see a pause, or (`--tcp-close`) that they have to come again. */
// timeout: 300 s
import { suite } from 'uvu';
import { CONNECTED } from '../support/connected-programs.ts';
import { connectedRoundTrip } from '../support/real.ts';

const connections = suite('real servers and their clients');
const only = process.env['REAL'] ?? '';
for (const row of CONNECTED.filter(({ name }) => name.includes(only))) {
  connections(row.name, async () => {
    await connectedRoundTrip(row);
  });
}
connections.run();
