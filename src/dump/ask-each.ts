/**
 * Asking about many open files through copies of their descriptors in the helper. Those of one task that are asked the same make one piece of
 * program that is repeated; so a thousand connections cost little more to ask than one.
 */
import type { Program, RanBlock, ResultRef } from '../program/program.ts';
import { repeat } from '../program/repeat.ts';
import { describeDescriptor, type Descriptor } from './file-kinds.ts';

/** What was asked, and the view of the block after it ran in which its answers are. */
export interface Asked<I, R> { readonly item: I; readonly answers: R; readonly view: (ran: RanBlock) => RanBlock }

/** Fewer are asked one by one. */
const MANY = 8;

/**
 * Adds the questions about each item. The answers are in the order of the items.
 * @param shape items of the same shape are asked exactly the same; undefined: like no other. `add` is then called for one of them
 * @param keep copies of the descriptors stay in the helper
 */
export function addEach<I, R>(program: Program, items: readonly I[], descriptorOf: (item: I) => Descriptor, shape: (item: I) => string | undefined, add: (held: ResultRef, item: I) => R, keep = false): Asked<I, R>[] {
  const targets = new Map<number, ResultRef>();
  const asked = new Map<I, Asked<I, R>>();
  const groups = new Map<string, I[]>();
  const singles: I[] = [];
  for (const item of items) {
    const { task } = descriptorOf(item);
    if (!targets.has(task.pid)) targets.set(task.pid, program.resource(describeDescriptor(descriptorOf(item))).call('pidfd_open', [task.pid, 0]));
    const its = shape(item);
    if (its === undefined) singles.push(item);
    else {
      const key = `${task.pid}/${its}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [item]);
      else group.push(item);
    }
  }
  const one = (item: I, target: ResultRef, fd: number | ResultRef): R => {
    const held = program.call('pidfd_getfd', [target, fd, 0]);
    const answers = add(held, item);
    if (!keep) program.call('close', [held], { keep: false });
    return answers;
  };
  for (const group of groups.values()) {
    if (group.length < MANY) {
      singles.push(...group);
      continue;
    }
    const target = targets.get(descriptorOf(group[0]!).task.pid)!;
    const rows = group.map((item) => ({ resource: describeDescriptor(descriptorOf(item)), values: [descriptorOf(item).fd] }));
    const { body, view } = repeat(program, rows, ([fd]) => one(group[0]!, target, fd!));
    group.forEach((item, i) => asked.set(item, { item, answers: body, view: (ran) => view(ran, i) }));
  }
  for (const item of singles) {
    const descriptor = descriptorOf(item);
    program.resource(describeDescriptor(descriptor));
    asked.set(item, { item, answers: one(item, targets.get(descriptor.task.pid)!, descriptor.fd), view: (ran) => ran });
  }
  for (const target of targets.values()) program.call('close', [target], { keep: false });
  return items.map((item) => asked.get(item)!);
}
