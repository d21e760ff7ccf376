/**
 * Rings of packet sockets in the memory of their programs. The kernel fills them while it is looked: it is looked until nothing has changed. Where no task
 * has a ring in its memory nobody has read from it, and it begins anew.
 */
import type { DumpContext } from '../../dump/context.ts';
import { describeDescriptor, type OpenFile } from '../../dump/file-kinds.ts';
import { describeTask, type FrozenTask } from '../../dump/frozen.ts';
import type { vma_entry } from '../../image/schema/index.ts';
import type { Mapping } from '../../proc/smaps.ts';
import { describeMapping, isSocketMemory } from '../memory/dump.ts';
import { socketInode } from '../socket/known.ts';
import { packetFacts } from './facts.ts';
import { memoryBytes, readReceived, ringBytes, wasSentFrom, type Received, type Rings } from './ring.ts';

/** Bytes read of a task's memory at once. */
const CHUNK = 4 << 20;
const TRIES = 10;

const received = new WeakMap<OpenFile, Received>();
/** What the receive ring of a socket holds; undefined when it has none in any memory. */
export const ringOf = (file: OpenFile): Received | undefined => received.get(file);

const linkOf = (inode: number | bigint): string => `socket:[${inode}]`;

export function learnRings(own: readonly OpenFile[], _all: readonly OpenFile[], context: DumpContext): void {
  for (const file of own) {
    const { inode, listed } = packetFacts(file.descriptors[0]!, context)!;
    const rings: Rings = { version: listed!.version, rx_ring: listed!.rx, tx_ring: listed!.tx };
    const place = context.tasks.flatMap((task) => (task.zombie ? [] : task.mappings.filter(({ name }) => name === linkOf(inode)).map((mapping) => ({ task, mapping }))))[0];
    if (place === undefined || place.mapping.end - place.mapping.start !== BigInt(memoryBytes(rings))) continue; // refused where it is mapped
    const settled = read(place, rings, context);
    if (settled.rx !== undefined) received.set(file, settled.rx);
    if (settled.sent) context.refusals.add(describeDescriptor(file.descriptors[0]!), 'packets were sent from its ring (PACKET_TX_RING), and nobody tells which frame is next', 'Let the program close it first, or send without a ring');
  }
}

interface Place { readonly task: FrozenTask; readonly mapping: Mapping }

function read(place: Place, rings: Rings, context: DumpContext): { rx: Received | undefined; sent: boolean } {
  let memory = readMemory(place, memoryBytes(rings), context);
  for (let tries = 0; tries < TRIES; tries++) {
    const again = readMemory(place, memoryBytes(rings), context);
    if (again.equals(memory)) break;
    memory = again;
  }
  const { version, rx_ring, tx_ring } = rings;
  return {
    rx: rx_ring === undefined ? undefined : readReceived(version, rx_ring, memory.subarray(0, ringBytes(rx_ring))),
    sent: tx_ring !== undefined && wasSentFrom(version, tx_ring, memory.subarray(ringBytes(rx_ring))),
  };
}

function readMemory({ task, mapping }: Place, size: number, { helper }: DumpContext): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < size; at += CHUNK) parts.push(helper.peek(task.pid, mapping.start + BigInt(at), Math.min(CHUNK, size - at)));
  const memory = Buffer.concat(parts);
  if (memory.length !== size) throw new RangeError(`the ring of ${describeTask(task)} at ${mapping.range} cannot be read`);
  return memory;
}

/** Says of each mapping of a packet socket which open file it is of. */
export function settleSocketMemory(tasks: readonly { readonly task: FrozenTask; readonly mappings: readonly { readonly mapping: Mapping; readonly entry: vma_entry }[] }[], files: readonly OpenFile[], context: DumpContext): void {
  const mapped = tasks.flatMap(({ task, mappings }) => mappings.filter(({ mapping }) => isSocketMemory(mapping)).map((one) => ({ task, ...one })));
  if (mapped.length === 0) return;
  const byInode = new Map(files.map((file) => [socketInode(file.descriptors[0]!), file]));
  for (const { task, mapping, entry } of mapped) {
    const refuse = (why: string, remedy: string): void => context.refusals.add(`${describeTask(task)}, ${describeMapping(mapping)}`, why, remedy);
    const file = byInode.get(Number(mapping.inode));
    const facts = file === undefined ? undefined : packetFacts(file.descriptors[0]!, context);
    if (file === undefined || facts?.listed === undefined) {
      refuse('it is the memory of a socket that is open nowhere in the tree', 'Let the program keep its socket open, or unmap it');
      continue;
    }
    const { version, rx, tx } = facts.listed;
    if (mapping.offset !== 0n || mapping.end - mapping.start !== BigInt(memoryBytes({ version, rx_ring: rx, tx_ring: tx }))) {
      refuse('it is a part of the rings of a packet socket only', 'Let the program unmap all of them, or none');
      continue;
    }
    entry.shmid = BigInt(file.id);
  }
}
