/**
 * The network lock by the iptables tools, for kernels without nf_tables: all rules of a lock by one iptables-restore and one ip6tables-restore. The
 * rules are to the letter those of CRIU 4.2, which takes them away one by one when it restores; that leaves no room for a name in them, so a chain that
 * nothing leads to, `STILLFRAME-ID`, keeps a copy of each.
 */
import { ipAddress } from '../inspect/names.ts';
import { AF } from '../kernel/sockets.ts';
import { onTheWire, PASS_MARK } from '../resources/inet/packet.ts';
import type { End, Endpoints } from './endpoints.ts';

export const CHAIN = 'STILLFRAME-';
/** A chain's name has at most 28 characters. The id may come from an image, and goes to a shell: letters, digits and dashes of it only. */
export const chainName = (id: string): string => `${CHAIN}${id.replace(/[^A-Za-z0-9-]/gu, '').slice(0, 16)}`;

const TOOL: Readonly<Record<number, string>> = { [AF.INET]: 'iptables-restore', [AF.INET6]: 'ip6tables-restore' };

const rule = (from: End, to: End): string =>
  `-p tcp -m mark ! --mark 0x${PASS_MARK.toString(16)} -s ${ipAddress(from.words)} --sport ${from.port} -d ${ipAddress(to.words)} --dport ${to.port} -j DROP`;

/** Rules by family: chain and rule. */
function rulesOf(connections: readonly Endpoints[]): Map<number, (readonly [chain: string, rule: string])[]> {
  const found = new Map<number, (readonly [string, string])[]>();
  for (const one of connections) {
    const [local, peer] = [onTheWire(one.family, one.local), onTheWire(one.family, one.peer)];
    const list = found.get(local.family) ?? [];
    list.push(['INPUT', rule(peer.end, local.end)], ['OUTPUT', rule(local.end, peer.end)]);
    found.set(local.family, list);
  }
  return found;
}

/** A shell command. Each rule goes in, and its copy into the chain. */
export function lockCommand(id: string, connections: readonly Endpoints[]): string {
  const chain = chainName(id);
  return [...rulesOf(connections)].map(([family, rules]) => restore(TOOL[family]!, [`:${chain} - [0:0]`, ...rules.flatMap(([into, text]) => [`-I ${into} ${text}`, `-A ${chain} ${text}`])])).join(' && ');
}

/** Takes all away, one by one: what somebody has taken away already does not keep the others. */
export function unlockCommand(id: string, connections: readonly Endpoints[]): string {
  const chain = chainName(id);
  return [...rulesOf(connections)].map(([family, rules]) => {
    const tool = TOOL[family]!;
    const all = rules.map(([from, text]) => `-D ${from} ${text}`);
    // at once when all of them are there; else one by one
    const slow = all.map((line) => `${tool.replace('-restore', '')} -w ${line}`).join('; ');
    return `{ ${restore(tool, all)} 2>/dev/null || { ${slow}; } 2>/dev/null; }; { ${tool.replace('-restore', '')} -w -F ${chain} && ${tool.replace('-restore', '')} -w -X ${chain}; } 2>/dev/null`;
  }).concat('true').join('; ');
}

function restore(tool: string, lines: readonly string[]): string {
  return `printf '%s\\n' '*filter' ${lines.map((line) => `'${line}'`).join(' ')} COMMIT | ${tool} -w --noflush`;
}
