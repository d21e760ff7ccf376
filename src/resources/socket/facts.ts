/**
 * What every socket is, whatever its family: asked for all sockets of the tree at once, through copies of their descriptors in the helper.
 * Looks only; kinds of socket claim their own by it.
 */
import type { DumpContext } from '../../dump/context.ts';
import { addEach } from '../../dump/ask-each.ts';
import { describeDescriptor, type Descriptor } from '../../dump/file-kinds.ts';
import { AF, SO, SOL_SOCKET } from '../../kernel/sockets.ts';
import { Program, type Arg, type DataRef, type RanBlock, type ResultRef } from '../../program/program.ts';
import { once } from '../../program/repeat.ts';

export interface SocketFacts {
  /** AF_* */
  readonly family: number;
  /** SOCK_* */
  readonly type: number;
  readonly protocol: number;
  /** It is of another network namespace than ours. */
  readonly foreign: boolean;
}

const SOCKET = /^socket:\[(\d+)\]$/u, SMALL_S = 0x73;
const facts = new WeakMap<DumpContext, Map<number, SocketFacts>>();

/** @returns the inode of a socket; undefined when it is none */
export function socketInode({ link }: Descriptor): number | undefined {
  if (link.charCodeAt(0) !== SMALL_S) return undefined; // nearly all are paths
  const inode = SOCKET.exec(link)?.[1];
  return inode === undefined ? undefined : Number(inode);
}

/** Undefined for what is no socket, or was not shown to `learnSockets`. */
export function socketFacts(descriptor: Descriptor, context: DumpContext): SocketFacts | undefined {
  const inode = socketInode(descriptor);
  return inode === undefined ? undefined : facts.get(context)?.get(inode);
}

/** Each socket once, by one of its descriptors. */
export function distinctSockets(descriptors: readonly Descriptor[]): Map<number, Descriptor> {
  const found = new Map<number, Descriptor>();
  for (const descriptor of descriptors) {
    const inode = socketInode(descriptor);
    if (inode !== undefined && !found.has(inode)) found.set(inode, descriptor);
  }
  return found;
}

/** Adds steps about sockets of tasks, held by the helper while they are asked. */
export function addWithSockets(program: Program, sockets: Iterable<Descriptor>, add: (held: ResultRef, descriptor: Descriptor) => void): void {
  const targets = new Map<number, ResultRef>();
  for (const descriptor of sockets) {
    const { task, fd } = descriptor;
    program.resource(describeDescriptor(descriptor));
    let target = targets.get(task.pid);
    if (target === undefined) targets.set(task.pid, target = program.call('pidfd_open', [task.pid, 0]));
    const held = program.call('pidfd_getfd', [target, fd, 0]);
    add(held, descriptor);
    program.call('close', [held], { keep: false });
  }
  for (const target of targets.values()) program.call('close', [target], { keep: false });
}

/** A question by getsockopt. `got` is negative when it has no answer. */
export interface Question { readonly value: DataRef; readonly length: DataRef; readonly got: ResultRef }

export function askOption(program: Program, held: Arg, level: number, name: number, size = 4): Question {
  const value = program.reserve(size);
  const length = program.data(Uint8Array.of(size & 0xff, size >>> 8, 0, 0), 4);
  return { value, length, got: program.call('getsockopt', [held, level, name, value, length], { expect: 'any' }) };
}

/** The answer's bytes; undefined when there is none. */
export function answerOf(ran: RanBlock, { value, length, got }: Question): Buffer | undefined {
  return ran.result(got) < 0n ? undefined : ran.data(value, Math.min(value.size, ran.data(length).readUInt32LE(0)));
}

/** Looks at sockets not looked at before. */
export function learnSockets(descriptors: readonly Descriptor[], context: DumpContext): void {
  let known = facts.get(context);
  if (known === undefined) facts.set(context, known = new Map());
  const fresh = [...distinctSockets(descriptors)].filter(([inode]) => !known.has(inode));
  if (fresh.length === 0) return;
  const program = new Program('helper').resource('our network namespace');
  const own = program.call('socket', [AF.UNIX, 1, 0]);
  const ours = askOption(program, own, SOL_SOCKET, SO.NETNS_COOKIE, 8);
  program.call('close', [own], { keep: false });
  const asked = addEach(program, fresh, ([, descriptor]) => descriptor, () => 'socket', (held) => {
    const ask = (name: number, size?: number): Question => askOption(program, held, SOL_SOCKET, name, size);
    const one = { family: ask(SO.DOMAIN), type: ask(SO.TYPE), protocol: ask(SO.PROTOCOL), cookie: ask(SO.NETNS_COOKIE, 8) };
    return once((ran): SocketFacts => {
      const number = (question: Question): number => answerOf(ran, question)?.readInt32LE(0) ?? -1;
      const cookie = answerOf(ran, ours), its = answerOf(ran, one.cookie);
      return {
        family: number(one.family), type: number(one.type), protocol: number(one.protocol),
        foreign: cookie !== undefined && its !== undefined && Buffer.compare(cookie, its) !== 0,
      };
    });
  });
  const ran = context.helper.local(program).check('dump');
  for (const { item: [inode], answers, view } of asked) known.set(inode, answers(view(ran)));
}
