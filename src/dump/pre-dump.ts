/**
 * The verb: copies the memory of a tree ahead of a dump, while the tree runs. The tree stops only for as long as it takes to start the tracking
 * and to look at the page tables; pages are copied afterwards. What changes meanwhile, or is gone, is marked as written by the tracker
 * (or has another hash) and is written by the dump that follows. The set has pages, page maps and an inventory, as CRIU's.
 */
import { core } from '../core/node.ts';
import { StillframeError } from '../errors.ts';
import { Helper } from '../helper/client.ts';
import { writeImage } from '../image/set.ts';
import { writePageMap } from '../image/tree-write.ts';
import type { PageMap } from '../image/tree.ts';
import type { Log } from '../log.ts';
import { MemoryChain } from '../memory-tracking/chain.ts';
import { readProcRecord } from '../proc/read.ts';
import { parseStatus } from '../proc/status.ts';
import { describeMappings, refuseMapping, type DumpedMapping, type MappedFile } from '../resources/memory/dump.ts';
import { mappedMemoryFile } from '../resources/shared-memory/dump.ts';
import { enterLeader, mappingsOf, memoryFileBehind } from './collect.ts';
import { newTree } from './compose.ts';
import { DumpContext } from './context.ts';
import { intoImages, takeBack, writeDumpStats } from './dump.ts';
import { describeTask, type FrozenTask } from './frozen.ts';
import { ownNamespaces } from './ids.ts';
import type { ImageDirectory } from './image-directory.ts';
import { checkInput } from './input.ts';
import { KnownTasks } from './known-mappings.ts';
import type { DumpOptions, DumpOutcome } from './options.ts';
import { treeOf } from './precopy.ts';
import { choosePages, copyMemoryFiles, copyPages, noPages, type ChosenPages } from './pages.ts';
import { probeHost, type HostFacts } from './probe.ts';
import { rehearse } from './rehearse.ts';
import { freezerOf, seizeBy } from './freezer.ts';
import { hasEnded } from './seize.ts';
import { eligible, trackedTask, uptime } from './tracked.ts';

/** `pre_dump_mode` of the inventory, as CRIU numbers them. Both are done alike here. */
export const PRE_DUMP_MODE = { splice: 1, read: 2 } as const;
export type PreDumpMode = keyof typeof PRE_DUMP_MODE;

export interface PreDumpOptions extends Omit<DumpOptions, 'finalState'> { readonly mode: PreDumpMode }

interface Looked { readonly task: FrozenTask; readonly chosen: ChosenPages }

/**
 * Copies a tree's memory.
 * @param startHelper for tests
 * @throws StillframeError; the tree runs on, and no image is left
 */
export async function preDump(options: PreDumpOptions, log: Log, startHelper: () => Helper = () => Helper.start()): Promise<DumpOutcome> {
  checkInput(options);
  return intoImages(options, startHelper, (helper, images) => new PreDump(options, log, helper, images).run());
}

class PreDump {
  readonly #counts = noPages();

  constructor(readonly options: PreDumpOptions, readonly log: Log, readonly helper: Helper, readonly images: ImageDirectory) {}

  run(): DumpOutcome {
    const { options, log, helper, images } = this;
    log.info(`Pre-dumping processes (pid: ${options.pid})`);
    core.instance.start(); // loaded before anybody waits for it
    const host = probeHost(helper);
    const own = ownNamespaces();
    const dumpOptions: DumpOptions = { ...options, finalState: 'running' };
    const context = new DumpContext(dumpOptions, log, helper, newTree(own), host.shmemDevice, host.hugeDevices);
    const chain = new MemoryChain(options.imagesDir, { parent: options.parent, track: true, dedup: options.autoDedup === true }, helper, log);
    context.tracker = chain.tracker;
    const freezer = freezerOf(options);
    try {
      if (options.parent !== undefined) images.link(options.parent);
      rehearse(dumpOptions, helper, own, host);
      context.known = new KnownTasks(treeOf(options.pid));
      log.hold();
      const times = { frozen: performance.now(), seized: 0, released: 0, written: 0 };
      context.tasks = seizeBy(freezer, context);
      times.seized = performance.now();
      context.tree.inventory.dump_uptime = uptime();
      const looked = context.tasks.filter(({ zombie }) => !zombie).map((task) => this.#look(task, chain, host, context));
      context.refusals.throwIfAny();
      context.guard.undo();
      this.#release(context.tasks);
      times.released = performance.now();
      log.release();
      const target = { path: (name: string): string => images.make(name), chain };
      for (const { task, chosen } of looked) {
        try {
          const parts = chain.divide(trackedTask(task), chosen, true);
          this.#writeMap('PAGEMAP', task.pid, copyPages(task.pid, parts, target, context, this.#counts, true));
        } catch (error) {
          if (!hasEnded(task.pid, task.stat.startTime)) throw error;
          log.info(`Task ${task.pid} ended while its memory was to be copied: it is left out`);
        }
      }
      copyMemoryFiles(target, context, this.#counts);
      for (const [shmid, map] of context.tree.shmem) this.#writeMap('SHMEM_PAGEMAP', shmid, map);
      context.tree.inventory.pre_dump_mode = PRE_DUMP_MODE[options.mode];
      writeImage(images, 'INVENTORY', undefined, [{ message: context.tree.inventory }]);
      times.written = performance.now();
      const us = (ms: number): number => Math.max(0, Math.round(ms * 1000));
      const { scanned, skipped, written, copyMs } = this.#counts;
      const stats = {
        freezing_time: us(times.seized - times.frozen), frozen_time: us(times.released - times.frozen), memdump_time: us(times.written - times.seized),
        memwrite_time: us(copyMs), irmap_resolve: 0, pages_scanned: scanned, pages_skipped_parent: skipped, pages_written: written, pages_lazy: 0n,
      };
      writeDumpStats(options.workDir, images, stats, this.#counts, log);
      chain.finish(images, context.tree.inventory.dump_criu_run_id, true);
      log.info('Pre-dumping finished successfully');
      return { stats, tasks: context.tasks.length };
    } catch (error) {
      takeBack(context);
      throw error;
    } finally {
      options.progress?.end();
      chain.close();
      log.release();
    }
  }

  /** What must be done of one task while it stands still. */
  #look(task: FrozenTask, chain: MemoryChain, host: HostFacts, context: DumpContext): Looked {
    const { pid } = task;
    const state = this.helper.state([pid])[0]!;
    task.threads = [{ tid: pid, state, stat: task.stat, status: parseStatus(readProcRecord(`/proc/${pid}/status`)) }];
    task.mappings = mappingsOf(task, context.known);
    const mappings = describeMappings(task.mappings, memoryFiles(task, context));
    const tracked = trackedTask(task);
    for (const mapping of task.mappings) {
      // whatever else the dump would refuse is its business; but its own userfaultfd would be confused with ours
      if (mapping.flags.some((flag) => flag === 'uw' || flag === 'um' || flag === 'ui')) {
        const refusal = refuseMapping(mapping, () => chain.tracker.isOurs(tracked));
        if (refusal !== undefined) context.refusals.add(`${describeTask(task)}, mapping ${mapping.range}`, refusal.why, refusal.remedy);
      }
    }
    context.refusals.throwIfAny();
    chain.track(tracked, eligible(mappings), () => enterLeader(task, context));
    const chosen = choosePages(pid, mappings, host.guards, context, chain.bitFor(tracked));
    chain.tracker.restart(pid);
    this.#counts.scanned += chosen.scanned;
    return { task, chosen };
  }

  #release(tasks: readonly FrozenTask[]): void {
    const tids = tasks.filter(({ zombie }) => !zombie).flatMap((task) => task.tids);
    const failed = this.helper.detach(tids).findIndex((status) => status !== 0);
    if (failed >= 0) throw new StillframeError({ doing: 'pre-dump', where: `thread ${tids[failed]}`, why: 'it could not be let go' });
  }

  #writeMap(kind: 'PAGEMAP' | 'SHMEM_PAGEMAP', id: number | bigint, map: PageMap): void {
    writePageMap(this.images, kind, id, map);
  }
}

/** Memory files behind a task's mappings are opened; of other files only their pages in memory matter. */
function memoryFiles(task: FrozenTask, context: DumpContext): (mapping: DumpedMapping['mapping']) => MappedFile {
  return (mapping) => {
    const file = memoryFileBehind(task, mapping, context);
    return { id: file === undefined ? 0 : mappedMemoryFile(file, context), memfd: file !== undefined, access: 0 };
  };
}
