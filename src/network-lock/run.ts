/** Running the shell commands of the iptables lock, and finding what such locks left. */
import { createRequire } from 'node:module';
import { CHAIN } from './iptables.ts';

export interface Ran { readonly status: number; readonly output: string }

/** Runs a command that was built here. */
export function runCommand(command: string): Ran {
  // loaded only now: few dumps and restores run a command
  const { spawnSync } = createRequire(import.meta.url)('node:child_process') as typeof import('node:child_process');
  const ran = spawnSync('/bin/sh', ['-c', command], { encoding: 'utf8', env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` } });
  return { status: ran.status ?? 1, output: `${ran.stdout}${ran.stderr}${ran.error === undefined ? '' : String(ran.error)}`.trim() };
}

/** Chains of ours, with the rules they keep copies of. */
export interface Chain { readonly tool: 'iptables' | 'ip6tables'; readonly name: string; readonly rules: readonly string[] }

export function findChains(): Chain[] {
  return (['iptables', 'ip6tables'] as const).flatMap((tool) => {
    const { status, output } = runCommand(`${tool} -w -t filter -S 2>/dev/null`);
    if (status !== 0) return [];
    const lines = output.split('\n');
    return lines.filter((line) => line.startsWith(`-N ${CHAIN}`)).map((line) => {
      const name = line.slice(3);
      return { tool, name, rules: lines.filter((one) => one.startsWith(`-A ${name} `)).map((one) => one.slice(4 + name.length)) };
    });
  });
}

/** Takes a lock away that was found. */
export function removeChain({ tool, name, rules }: Chain): Ran {
  const each = rules.map((text) => `{ ${tool} -w -D INPUT ${text} || ${tool} -w -D OUTPUT ${text}; } 2>/dev/null`);
  return runCommand([...each, `${tool} -w -F ${name} && ${tool} -w -X ${name}`].join('; '));
}
