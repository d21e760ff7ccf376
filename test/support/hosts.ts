/** Hosts for a server to move between: network namespaces of their own, each with one device at a bridge, which is in the network of a third. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { run, type Ran } from './tool.ts';
import { until } from './program.ts';

const SHELL_PATH = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

export class Host {
  /** What a command begins with to be run there. */
  readonly by: readonly string[];

  constructor(readonly holder: ChildProcess) {
    this.by = ['nsenter', `--net=/proc/${holder.pid}/ns/net`];
  }

  /** @throws when it fails */
  async sh(script: string): Promise<string> {
    const { status, output } = await this.run('/bin/sh', ['-ec', script]);
    if (status !== 0) throw new Error(`${script}: exit code ${status}\n${output}`);
    return output;
  }

  run(command: string, args: readonly string[]): Promise<Ran> {
    const [nsenter, ...options] = this.by;
    return run(nsenter!, [...options, command, ...args], { env: SHELL_PATH });
  }
}

/** A namespace lives as long as a process in it. */
async function makeHost(): Promise<Host> {
  const ours = readlinkSync('/proc/self/ns/net');
  const holder = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore', cwd: '/' });
  await until('a network of its own', () => holder.exitCode === null && readlinkSync(`/proc/${holder.pid}/ns/net`) !== ours);
  return new Host(holder);
}

/**
 * Runs `body` with a network: the client's host with the bridge (its addresses given, the device `bridge`), and hosts with a device `port` at it, without an address and down.
 */
export async function withHosts(count: number, addresses: readonly string[], body: (client: Host, hosts: readonly Host[]) => Promise<void>): Promise<void> {
  const all: Host[] = [];
  try {
    for (let i = 0; i <= count; i++) all.push(await makeHost());
    const [client, ...hosts] = all as [Host, ...Host[]];
    await client.sh(`ip link set lo up; ip link add bridge type bridge; ${addresses.map((one) => `ip address add ${one} dev bridge ${one.includes(':') ? 'nodad' : ''}`).join('; ')}; ip link set bridge up`);
    for (const [i, host] of hosts.entries()) {
      await client.sh(`ip link add name to${i} type veth peer name port netns ${host.holder.pid}; ip link set to${i} master bridge; ip link set to${i} up`);
      await host.sh('ip link set lo up');
    }
    await body(client, hosts);
  } finally {
    for (const { holder } of all) holder.kill('SIGKILL');
    await until('its networks are gone', () => all.every(({ holder }) => holder.exitCode !== null || holder.signalCode !== null));
  }
}
