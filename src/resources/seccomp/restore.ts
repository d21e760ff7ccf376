/**
 * Seccomp: filters come back as remote calls when a thread is taken over, while ptrace suspends them (PTRACE_O_SUSPEND_SECCOMP), so that
 * they cannot forbid what is still to be done. Credentials come after them: installing one needs CAP_SYS_ADMIN or no_new_privs.
 */
import type { core_entry } from '../../image/schema/index.ts';
import type { seccomp_filter } from '../../image/schema/index.ts';
import type { Task } from '../../image/tree.ts';
import type { Program } from '../../program/program.ts';
import type { BlockPlan, RemoteCall } from '../../restore/block.ts';
import type { RestoreContext } from '../../restore/context.ts';

/** <linux/seccomp.h>, <linux/prctl.h> */
const SECCOMP_SET_MODE_FILTER = 1, SECCOMP_FILTER_FLAG_TSYNC = 1, PR_SET_SECCOMP = 22;
const STRICT = 1, FILTER = 2, INSTRUCTION = 8;
/** BPF_MAXINSNS of <linux/bpf_common.h>; the kernel refuses chains above MAX_INSNS_PER_PATH, 32,768. */
const MAX_INSTRUCTIONS = 4096;

export const seccompMode = (core: core_entry): number => core.thread_core?.seccomp_mode ?? core.tc?.old_seccomp_mode ?? 0;

export function checkSeccomp(context: RestoreContext, core: core_entry, where: string): void {
  const mode = seccompMode(core);
  if (mode === 0 || mode === STRICT) return;
  if (mode !== FILTER) {
    context.refuse(where, `it runs under seccomp mode ${mode}, which is not known`, 'A newer Stillframe may know it');
    return;
  }
  try {
    chainOf(context, core);
  } catch (error) {
    context.refuse(where, (error as RangeError).message, 'The image is damaged: take another');
  }
}

/** Oldest first. @throws RangeError when seccomp.img does not hold it */
function chainOf({ tree }: RestoreContext, core: core_entry): seccomp_filter[] {
  const all = tree.seccomp?.seccomp_filters ?? [];
  const chain: seccomp_filter[] = [];
  let index = core.thread_core?.seccomp_filter ?? core.tc?.old_seccomp_filter;
  if (index === undefined) throw new RangeError('it has a seccomp filter, and its core image does not say which');
  while (index !== undefined) {
    const filter: seccomp_filter | undefined = all[index];
    if (filter === undefined || chain.length > all.length) throw new RangeError(`its seccomp filter ${index} is not in seccomp.img, or its chain has no end`);
    const { length } = filter.filter;
    if (length === 0 || length % INSTRUCTION !== 0 || length / INSTRUCTION > MAX_INSTRUCTIONS) throw new RangeError(`seccomp filter ${index} is ${length} bytes: no program of 1 to ${MAX_INSTRUCTIONS} instructions`);
    chain.push(filter);
    index = filter.prev;
  }
  return chain.reverse();
}

/**
 * How many filters, oldest first, all threads of a task have in common. These have to be the same objects in the kernel, or the program's
 * own SECCOMP_FILTER_FLAG_TSYNC would fail later.
 */
function commonFilters(context: RestoreContext, task: Task): number {
  const chains = [...task.threads.values()].map((core) => (seccompMode(core) === FILTER ? chainOf(context, core) : []));
  const [first] = chains;
  let common = 0;
  while (first !== undefined && common < first.length && chains.every((chain) => chain[common] === first[common])) common++;
  return common;
}

/** The thread of a task that is taken over first: leaders come last. */
const firstTakenOver = ({ pid, threads }: Task): number => [...threads.keys()].find((tid) => tid !== pid) ?? pid;

/** The calls that put a thread under its filters. The program of the thread prepares what they point to. */
export function seccompCalls(p: Program, block: BlockPlan, context: RestoreContext, task: Task): RemoteCall[] {
  const core = task.threads.get(block.tid)!;
  const mode = seccompMode(core);
  if (mode === STRICT) return [{ name: 'prctl', args: [PR_SET_SECCOMP, STRICT, 0, 0, 0], resource: 'seccomp (strict)' }];
  if (mode !== FILTER) return [];
  p.resource('seccomp filters');
  const common = commonFilters(context, task);
  const calls: RemoteCall[] = [];
  chainOf(context, core).forEach(({ filter, flags }, i, { length }) => {
    if (i < common && block.tid !== firstTakenOver(task)) return; // that thread puts all others under it
    const program = p.data(filter);
    const head = p.data(Buffer.from(BigUint64Array.of(BigInt(filter.length / INSTRUCTION), 0n).buffer)); // struct sock_fprog
    p.store(head.at(8), program, 8);
    calls.push({
      name: 'seccomp', args: [SECCOMP_SET_MODE_FILTER, (flags ?? 0) | (i < common ? SECCOMP_FILTER_FLAG_TSYNC : 0), block.dataAt(head)],
      resource: `seccomp filter ${i + 1} of ${length}`, expect: { equals: 0 },
    });
  });
  return calls;
}
