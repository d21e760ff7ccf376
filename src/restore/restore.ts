/**
 * The verb `restore`: reads the set, plans, checks it against this machine, then runs the plan. Whatever fails, everything that
 * was made until then is taken back.
 */
import { keepToBaseline } from '../engine.ts';
import { RefusedError } from '../errors.ts';
import { Helper, type FaultPlan } from '../helper/client.ts';
import { openSet, type DirectorySet } from '../image/node/directory.ts';
import type { FrozenTree } from '../image/tree.ts';
import { writeImage } from '../image/set.ts';
import type { Log } from '../log.ts';
import type { RestoreStats } from '../stats.ts';
import { removeLinks } from '../resources/link-remap/restore.ts';
import { checkExternal } from '../external.ts';
import { inheritedKey } from './descriptors.ts';
import { readHost } from './host-linux.ts';
import { checkInherited } from './inherited-host.ts';
import { parseInherited } from './inherited.ts';
import type { RestoreOptions, RestoreOutcome } from './options.ts';
import { pageRuns, type SourceSet } from './page-runs.ts';
import { punch, type Hole } from '../memory-tracking/dedup.ts';
import { sparseFiles } from '../dump/extents.ts';
import { fileNames } from '../image/tree.ts';
import { planRestore, type RestorePlan } from './plan.ts';
import { RestoreRun } from './run.ts';
import { readSets } from './sets.ts';
import { checkProbes } from '../resources/memory/uprobes.ts';
import { readCgroupOptions } from '../resources/cgroup/options.ts';
import { parseJoined } from '../resources/namespaces/join.ts';
import { compareProcessors } from '../resources/processor/compare.ts';
import { identify } from '../resources/processor/identify.ts';
import { parseLabelOption } from '../resources/security-label/label.ts';
import { judgeVdsos } from '../resources/vdso/check.ts';
import { checkPages, validate } from './validate.ts';

/** Points into a restore, for tests. */
export interface RestoreHooks {
  /** Sees (and may spoil) the plan before anything of it runs. */
  readonly planned?: (plan: RestorePlan) => void;
  /** A fault of the helper. */
  readonly fault?: FaultPlan;
  /** How many points the planned fault passed, when the restore went well. */
  readonly faultPoints?: (points: number) => void;
}

/**
 * Restores a tree. Returns when it runs (-d), or when its root task has ended.
 * @throws StillframeError, or RefusedError with all reasons; nothing is left then
 */
export function restore(options: RestoreOptions, log: Log, hooks: RestoreHooks = {}): RestoreOutcome {
  const started = performance.now();
  options.scripts.run('pre-restore');
  const directory = openSet(options.imagesDir);
  let helper: Helper | undefined;
  try {
    const set = readSets(directory, options.imagesDir);
    log.debug(`Read ${set.tree.tasks.size} tasks from ${options.imagesDir}`);
    if (isLarge(set.tree)) keepToBaseline();
    helper = Helper.start({ faults: hooks.fault !== undefined });
    const plan = makePlan(set, options, helper, log);
    hooks.planned?.(plan);
    if (hooks.fault !== undefined) helper.fault(hooks.fault);
    const run = new RestoreRun(plan, helper, options, log);
    const times = run.run();
    removeLinks(set.tree, log);
    if (hooks.fault !== undefined) hooks.faultPoints?.(helper.fault({ ...hooks.fault, nth: 0 }));
    const stats: RestoreStats = {
      pages_compared: plan.context.pageCounts.compared, pages_skipped_cow: 0n, forking_time: times.forking,
      restore_time: Math.round((performance.now() - started) * 1000), pages_restored: plan.context.pageCounts.restored,
    };
    writeStats(options, stats);
    if (options.given.has('auto-dedup')) freeRestored(set, helper, log);
    log.info('Restore finished successfully. Tasks resumed.');
    options.scripts.run('post-resume', { initPid: plan.rootPid });
    helper.close();
    if (!options.detach && options.execCommand === undefined) run.awaitRoot();
    return { stats, pid: plan.rootPid };
  } finally {
    options.progress?.end();
    helper?.close();
    directory.close();
  }
}

/** Threads, mappings or files of a tree for which much is to be done. */
const MANY_THREADS = 40, MANY_MAPPINGS = 500, MANY_FILES = 1000;

function isLarge({ tasks, files }: FrozenTree): boolean {
  let threads = 0, mappings = 0;
  for (const task of tasks.values()) {
    threads += task.threads.size;
    mappings += task.mm?.vmas.length ?? 0;
  }
  return threads > MANY_THREADS || mappings > MANY_MAPPINGS || files.size > MANY_FILES;
}

function makePlan(set: SourceSet, options: RestoreOptions, helper: Helper, log: Log): RestorePlan {
  const { given } = options;
  checkExternal('restore', given.get('external') ?? []);
  const inherited = parseInherited(given.get('inherit-fd') ?? []);
  checkInherited(inherited);
  const host = readHost(helper.hello);
  // the vDSO's functions are read from the pages: only when these are there
  const pages = checkPages(set);
  const vdsos = pages.length > 0 ? undefined : judgeVdsos(set, set.tree, host.vdso);
  const plan = planRestore(set, {
    shellJob: options.shellJob, parentIsCaller: !options.detach || options.sibling, extUnixSk: given.has('ext-unix-sk'), vdsos: vdsos?.redirects, dataOf: sparseFiles(helper),
    tcpEstablished: given.has('tcp-established'), tcpClose: given.has('tcp-close'), inherited, label: parseLabelOption(given.get('lsm-profile')?.at(-1)), joined: parseJoined(given.get('join-ns') ?? [], options.workDir), cgroups: readCgroupOptions('restore', options.workDir, given),
  }, host);
  if (vdsos !== undefined && vdsos.redirects.size > 0) log.info(`The vDSO of ${vdsos.redirects.size} tasks is of another kernel: its functions lead into this one's`);
  for (const { key, fd } of inherited) log.info(`File ${key} will be restored from inherit fd ${fd}`);
  for (const warning of plan.warnings) log.warn('restore', warning);
  const reasons = [...pages, ...vdsos?.reasons ?? []];
  reasons.push(...checkProbes(set.tree.inventory, given.has('allow-uprobes')));
  if (options.cpuCaps !== undefined) reasons.push(...compareProcessors(set.tree.cpuinfo, identify((leaf, sub) => helper.cpuid(leaf, sub)), options.cpuCaps));
  reasons.push(...validate(set, {
    skipModeCheck: given.has('skip-file-rwx-check'), sizeOnly: given.get('file-validation')?.at(-1) === 'filesize',
    handedIn: (file) => inheritedKey(plan.context, file) !== undefined || plan.context.cgroups?.makes(file) === true,
  }));
  if (reasons.length > 0) throw new RefusedError('restore', reasons);
  return plan;
}

/** --auto-dedup: what is in memory now is not kept twice. The tree runs already, so nothing here fails the restore. */
function freeRestored(set: SourceSet, helper: Helper, log: Log): void {
  const holes = new Map<string, Hole[]>();
  const owners = [...[...set.tree.tasks.keys()].map((pid) => ({ pid })), ...[...set.tree.shmem.keys()].map((shmid) => ({ shmid }))];
  for (const { set: { name }, pagesId, start, end, offset } of owners.flatMap((owner) => pageRuns(set, owner))) {
    const path = `${name}/${fileNames.pages(pagesId)}`;
    const list = holes.get(path) ?? [];
    if (list.push({ offset, size: end - start }) === 1) holes.set(path, list);
  }
  try {
    for (const [path, list] of holes) punch(helper, path, list);
  } catch (error) {
    log.warn('--auto-dedup', error instanceof Error ? error.message : String(error));
  }
}

function writeStats(options: RestoreOptions, stats: RestoreStats): void {
  const work: DirectorySet = openSet(options.workDir);
  try {
    writeImage(work, 'STATS', 'restore', [{ message: { restore: stats } }]);
  } finally {
    work.close();
  }
}
