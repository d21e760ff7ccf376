/** The methods of the network lock, and how a lock is taken away: by who dumped, by the guard, or by the restore. */
import type { Program } from '../program/program.ts';
import type { Endpoints } from './endpoints.ts';
import { unlockCommand } from './iptables.ts';
import { addBatch, tableName, unlockMessage } from './nftables.ts';

/** `inventory_entry.network_lock_method`. */
export const METHOD = { iptables: 0, nftables: 1, skip: 2 } as const;
export type Method = keyof typeof METHOD;

/** How a lock is taken away: steps, a shell command, or nothing. */
export interface Unlock { readonly steps?: (p: Program) => void; readonly command?: string }

export function unlockOf(method: number, id: string, connections: readonly Endpoints[]): Unlock {
  if (method === METHOD.nftables) return { steps: (p) => { addBatch(p.resource('the network lock'), unlockMessage(tableName(id))); } };
  return method === METHOD.iptables && connections.length > 0 ? { command: unlockCommand(id, connections) } : {};
}
