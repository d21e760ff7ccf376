/** From what was collected to the model of the frozen tree. No task is touched here; with `-R` the tree runs again already. */
import { readFileSync } from 'node:fs';
import { create } from '../image/wire.ts';
import {
  inventory_entry, lsmtype, plugins_entry, pstree_entry,
} from '../image/schema/index.ts';
import { emptyTree, type FrozenTree, type PageMap, type Task } from '../image/tree.ts';
import { ownEntry } from './own.ts';
import { memoryEntry } from '../resources/memory/dump.ts';
import { timeEntry } from '../resources/namespaces/time/dump.ts';
import { TYPES } from '../resources/security-label/label.ts';
import { leaderEntry, OWN_CGROUPS, threadEntry, zombieEntry } from '../resources/threads/dump.ts';
import type { Collected, CollectedTask, Outside } from './collect.ts';
import type { DumpContext } from './context.ts';
import { writeFiles } from './descriptors.ts';
import type { FrozenTask } from './frozen.ts';
import { ownIds, type OwnNamespaces } from './ids.ts';
import type { ChosenPages } from './pages.ts';
import type { HostFacts } from './probe.ts';

/** CRTOOLS_IMAGES_V1_1. */
const IMG_VERSION = 2;

/** A tree without tasks, for a dump to fill. */
export function newTree(own: OwnNamespaces): FrozenTree {
  return emptyTree(create(inventory_entry, {
    img_version: IMG_VERSION, fdinfo_per_id: true, root_ids: ownIds(own), ns_per_id: true, root_cg_set: OWN_CGROUPS, lsmtype: lsmtype.NO_LSM,
    network_lock_method: 0, plugins_entry: create(plugins_entry, {}), dump_criu_run_id: randomUuid(),
  }));
}

/** From the kernel: node:crypto takes longer to load than a small tree to dump. */
const randomUuid = (): string => readFileSync('/proc/sys/kernel/random/uuid', 'latin1').trim();

/** Pages by pid: what was chosen and where it was copied. */
export type PagesOf = ReadonlyMap<number, { readonly chosen: ChosenPages; readonly map: PageMap }>;

export function compose(collected: Collected, outside: Outside, pages: PagesOf, features: bigint, host: HostFacts, context: DumpContext): void {
  const { tree } = context;
  const living = new Map(collected.living.map((one) => [one.task.pid, one]));
  for (const task of context.tasks) {
    const one = living.get(task.pid);
    tree.tasks.set(task.pid, one === undefined ? zombie(task) : composeTask(one, outside, pages, features));
  }
  writeFiles(collected.files, context);
  collected.named.write();
  const own = ownEntry(collected, outside, host.affinity);
  // kinds may have said something already
  if (own !== undefined) tree.own = { ...(tree.own ?? own), writer: own.writer, tasks: own.tasks };
  tree.seccomp = context.seccomp.entry;
  if (context.labels?.module !== undefined) tree.inventory.lsmtype = TYPES[context.labels.module];
  for (const { threads } of tree.tasks.values()) {
    for (const [tid, { thread_core }] of threads) {
      if (thread_core === undefined) continue;
      const labels = context.labels?.of(tid);
      if (labels !== undefined && thread_core.creds !== undefined) Object.assign(thread_core.creds, { lsm_profile: labels.current, lsm_sockcreate: labels.sockcreate });
      if (context.cgroups !== undefined) thread_core.cg_set = context.cgroups.of(tid);
      const own = context.seccomp.threads.get(tid);
      if (own === undefined) continue;
      thread_core.seccomp_mode = own.mode;
      thread_core.seccomp_filter = own.filter;
    }
  }
  const time = collected.living[0]?.ids.time_ns_id;
  tree.timens.set(time === undefined || time === tree.inventory.root_ids?.time_ns_id ? 0 : time, timeEntry(outside.clocks));
}

function item({ pid, ppid, stat, tids }: FrozenTask): pstree_entry {
  return create(pstree_entry, { pid, ppid, pgid: stat.pgid, sid: stat.sid, threads: [...tids] });
}

function zombie(task: FrozenTask): Task {
  const core = zombieEntry(task);
  return { pid: task.pid, item: item(task), core, threads: new Map([[task.pid, core]]) };
}

function composeTask({ task, answers, threads, ids, settings, exeId, fs, mappings, auxv }: CollectedTask, outside: Outside, pages: PagesOf, features: bigint): Task {
  const { pid } = task;
  if (answers === undefined) throw new RangeError(`task ${pid} was not asked`);
  const core = leaderEntry(task, answers, settings, outside.scheduling.get(pid)!, features);
  const cores = new Map([[pid, core]]);
  for (const thread of task.threads.slice(1)) {
    cores.set(thread.tid, threadEntry(thread, threads.get(thread.tid)!, outside.scheduling.get(thread.tid)!, features));
  }
  const { chosen, map } = pages.get(pid)!;
  const vmas = [...mappings.map(({ entry }) => entry), ...chosen.guards];
  const mm = memoryEntry(task.threads[0]!.stat, answers.process, auxv, exeId, vmas);
  return { pid, item: item(task), core, threads: cores, ids, mm, fs, pagemap: map };
}

