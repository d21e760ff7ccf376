/**
 * The plan of a restore: every program that will run, compiled from the images before anything is made. Pure: it runs on any
 * system, and the restore itself runs the very same plan. What is only known later (descriptor numbers in the helper,
 * addresses in the arena) are deferred values in it.
 */
import { RefusedError } from '../errors.ts';
import { rootTask } from '../image/tree.ts';
import { freeRange, VDSO_RESERVE } from './arena.ts';
import type { BlockPlan } from './block.ts';
import { checkTree } from './check.ts';
import { RestoreContext, type PlanOptions } from './context.ts';
import { openDescriptions } from './descriptors.ts';
import type { Host } from './host.ts';
import { ASSUMED_HOST } from './host.ts';
import { Jobs } from './jobs.ts';
import type { SourceSet } from './page-runs.ts';
import { moduleOf } from '../resources/security-label/label.ts';
import { Cgroups } from '../resources/cgroup/restore.ts';
import { addIpc } from '../resources/namespaces/ipc/restore.ts';
import { addJoins } from '../resources/namespaces/join.ts';
import { TreeCompiler } from './task.ts';

export interface RestorePlan {
  readonly context: RestoreContext;
  /** One a thread and one a zombie; parents first. */
  readonly blocks: readonly BlockPlan[];
  readonly rootPid: number;
  /** How many arrive at each barrier. */
  readonly parties: readonly number[];
  /** What the result will lack, in sentences. */
  readonly warnings: readonly string[];
}

/**
 * Compiles the restore of a set.
 * @param host facts about the machine; without it, a machine like the one of the dump is assumed
 * @throws RefusedError with all reasons why it cannot be restored
 */
export function planRestore(set: SourceSet, options: Partial<PlanOptions> = {}, host: Host = { ...ASSUMED_HOST, securityModule: moduleOf(set.tree.inventory.lsmtype) }): RestorePlan {
  const context = new RestoreContext(set, host, { shellJob: false, parentIsCaller: false, ...options });
  checkTree(context);
  const jobs = context.reasons.length === 0 ? new Jobs(context) : undefined;
  if (jobs === undefined || context.reasons.length > 0) throw new RefusedError('restore', context.reasons);
  const root = rootTask(set.tree)!;
  const arena = freeRange(set.tree);
  context.arenaAddress = arena.start;
  context.vdsoAddress = arena.end - VDSO_RESERVE;
  addJoins(context.local.program, options.joined ?? new Map());
  addIpc(context);
  const cgroups = context.cgroups = new Cgroups(context);
  openDescriptions(context);
  const compiler = new TreeCompiler(context, jobs, arena, cgroups);
  compiler.compile(root, undefined);
  const blocks = [...compiler.blocks, ...context.workers];
  return { context, blocks, rootPid: root.pid, parties: context.withWorkers(compiler.parties), warnings: context.warnings };
}
