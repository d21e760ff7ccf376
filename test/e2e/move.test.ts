/** A server moves to another host, and its address with it: the clients it has keep their connections. The hosts are network namespaces at one bridge. */
// timeout: 300 s
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { content, talking, through, type Client } from '../support/clients.ts';
import { withHosts, type Host } from '../support/hosts.ts';
import { ROOT, TestProgram } from '../support/program.ts';
import { OURS, tail } from '../support/tool.ts';

const RELAY = `const socket = require('node:net').connect(Number(process.argv[2]), process.argv[1]);
  process.stdin.pipe(socket).pipe(process.stdout); socket.on('error', (error) => { console.error(error.message); process.exit(1); });`;

/** An echo's client on another host. */
async function clientOn(host: Host, address: string, port: number): Promise<Client> {
  const [command, ...args] = [...host.by, process.execPath, '-e', RELAY, address, String(port)];
  const line = through(command!, ...args);
  let seed = 0;
  return talking(`client of ${address}`, line, {
    first: async () => {
      line.to.write(content(100_000, ++seed));
      await line.take(content(100_000, seed), 'at once');
      line.to.write(content(500_000, ++seed));
    },
    meanwhile: () => { line.to.write(content(300_000, seed + 1)); },
    then: async () => {
      await line.take(content(500_000, seed), 'on its way at the checkpoint');
      await line.take(content(300_000, ++seed), 'said meanwhile');
    },
  });
}

async function must(host: Host, verb: string, images: string, ...args: string[]): Promise<void> {
  const { status, output } = await host.run(OURS, [verb, '-D', images, '-o', `${verb}.log`, '-v4', '--tcp-established', ...args]);
  if (status !== 0) throw new Error(`${verb}: exit code ${status}\n${output}\n${tail(join(images, `${verb}.log`))}`);
}

/** A host gets an address, and tells the network; or loses it. */
const give = (host: Host, address: string): Promise<string> => host.sh(`ip address add ${address} dev port ${address.includes(':') ? 'nodad' : ''}; echo 1 >/proc/sys/net/ipv4/conf/port/arp_notify; echo 1 >/proc/sys/net/ipv6/conf/port/ndisc_notify; ip link set port up`);
const take = (host: Host, address: string): Promise<string> => host.sh(`ip address del ${address} dev port; ip link set port down`);

const move = suite('a server moves to another host with its address');
for (const [family, address, clients] of [['IPv4', '10.77.0.2/24', '10.77.0.1/24'], ['IPv6', 'fd77::2/64', 'fd77::1/64']] as const) {
  move(`${family}: there and back, the client stays`, async () => {
    await withHosts(2, [clients], async (far, hosts) => {
      let [here, there] = hosts as [Host, Host];
      await give(here, address);
      const plain = address.replace(/\/.*/, '');
      const program = new TestProgram('echo', { args: [plain], by: here.by });
      let client: Client | undefined;
      try {
        client = await clientOn(far, plain, Number((await program.waitFor(/^port (\d+)$/m))[1]));
        await client.check();
        for (let i = 0; i < 2; i++) {
          const images = `${program.images}${i}`;
          mkdirSync(images);
          await must(here, 'dump', images, '-t', String(program.pid));
          await program.gone();
          client.meanwhile();
          await take(here, address);
          const unlocked = await here.run(process.execPath, [join(ROOT, 'bin/stillframe.js'), 'unlock']);
          assert.match(unlocked.output, /CRIU-/, 'the old host had a lock');
          await give(there, address);
          await must(there, 'restore', images, '-d');
          await client.check();
          [here, there] = [there, here];
        }
        client.end();
        await program.verdict();
        const left = await here.run(process.execPath, [join(ROOT, 'bin/stillframe.js'), 'unlock', 'list']);
        assert.not.match(left.output, /CRIU-|STILLFRAME-/, 'no lock is left');
      } finally {
        client?.end();
        await program.stop();
      }
    });
  });
}
move.run();
