/**
 * What every socket is, whatever its family: asked for all sockets of the tree at once, through copies of their descriptors in the helper.
 * Looks only; kinds of socket claim their own by it.
 */
import type { DumpContext } from '../../dump/context.ts';
import { addEach } from '../../dump/ask-each.ts';
import type { Descriptor } from '../../dump/file-kinds.ts';
import { AF, SO, SOL_SOCKET } from '../../kernel/sockets.ts';
import { Program, type Arg, type DataRef, type RanBlock, type ResultRef } from '../../program/program.ts';
import { once } from '../../program/repeat.ts';
import { KnownSockets } from './known.ts';

export interface SocketFacts {
  /** AF_* */
  readonly family: number;
  /** SOCK_* */
  readonly type: number;
  readonly protocol: number;
  /** It is of another network namespace than ours. */
  readonly foreign: boolean;
}

const facts = new KnownSockets<SocketFacts>();

/** Undefined for what is no socket, or was not shown to `learnSockets`. */
export const socketFacts = (descriptor: Descriptor, context: DumpContext): SocketFacts | undefined => facts.of(descriptor, context);

/** Adds steps about descriptors of tasks, each by itself. @returns what was added about each, in order */
export function addWithSockets<R>(program: Program, descriptors: readonly Descriptor[], add: (held: ResultRef, descriptor: Descriptor) => R): R[] {
  return addEach(program, descriptors, (one) => one, () => undefined, add).map(({ answers }) => answers);
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
  const fresh = facts.unseen(descriptors, context);
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
  for (const { item: [inode], answers, view } of asked) facts.learn(inode, answers(view(ran)), context);
}
