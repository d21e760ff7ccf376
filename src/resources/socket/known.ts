/** Sockets among descriptors, by their inode, and what a kind of them has been told of each. */
import type { DumpContext } from '../../dump/context.ts';
import type { Descriptor } from '../../dump/file-kinds.ts';

const SOCKET = /^socket:\[(\d+)\]$/u, SMALL_S = 0x73;

/** @returns the inode of a socket; undefined when it is none */
export function socketInode({ link }: Descriptor): number | undefined {
  if (link.charCodeAt(0) !== SMALL_S) return undefined; // nearly all are paths
  const inode = SOCKET.exec(link)?.[1];
  return inode === undefined ? undefined : Number(inode);
}

/** Each socket once, by one of its descriptors. */
function distinctSockets(descriptors: readonly Descriptor[]): Map<number, Descriptor> {
  const found = new Map<number, Descriptor>();
  for (const descriptor of descriptors) {
    const inode = socketInode(descriptor);
    if (inode !== undefined && !found.has(inode)) found.set(inode, descriptor);
  }
  return found;
}

/** What a kind of socket knows of its own, by inode. */
export class KnownSockets<T> {
  readonly #known = new WeakMap<DumpContext, Map<number, T>>();

  /** Undefined for what is no such socket, or was not learnt of. */
  of(descriptor: Descriptor, context: DumpContext): T | undefined {
    const inode = socketInode(descriptor);
    return inode === undefined ? undefined : this.#known.get(context)?.get(inode);
  }

  /** Each socket once that is not known yet. @param which whether it is of this kind */
  unseen(descriptors: readonly Descriptor[], context: DumpContext, which: (descriptor: Descriptor) => boolean = () => true): [number, Descriptor][] {
    const known = this.#known.get(context);
    return [...distinctSockets(descriptors)].filter(([inode, one]) => known?.has(inode) !== true && which(one));
  }

  learn(inode: number, facts: T, context: DumpContext): void {
    let known = this.#known.get(context);
    if (known === undefined) this.#known.set(context, known = new Map());
    known.set(inode, facts);
  }
}
