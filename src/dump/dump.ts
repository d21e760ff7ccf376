/**
 * The verb: freezes a process tree, writes its images, and kills it, lets it go on, or leaves it stopped. The order of things; what a
 * kind of resource needs is in its folder. On any failure every task goes on as it was and the images directory is as it was found.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { core } from '../core/node.ts';
import { StillframeError } from '../errors.ts';
import { checkExternal } from '../external.ts';
import { Helper } from '../helper/client.ts';
import { dump_stats_entry, stats_entry } from '../image/schema/index.ts';
import { writeImage } from '../image/set.ts';
import { create } from '../image/wire.ts';
import { DirectorySet } from '../image/node/directory.ts';
import { writeTree } from '../image/tree-write.ts';
import type { Log } from '../log.ts';
import { errnoName } from '../kernel/errno.ts';
import { NO_SCRIPTS } from '../cli/hooks.ts';
import type { DumpStats } from '../stats.ts';
import { addLateSignals, askHelper, askThreads, collect, enterLeader, type Collected, type CollectedTask } from './collect.ts';
import { compose, newTree, type PagesOf } from './compose.ts';
import { processorEntry } from './cpuinfo.ts';
import { DumpContext } from './context.ts';
import { askFiles, holdFiles } from './descriptors.ts';
import { trackedTask, eligible, uptime } from './tracked.ts';
import { ImageDirectory } from './image-directory.ts';
import { ownNamespaces } from './ids.ts';
import { checkInput } from './input.ts';
import type { DumpOptions, DumpOutcome } from './options.ts';
import { MemoryChain } from '../memory-tracking/chain.ts';
import { sharePages } from '../memory-tracking/shared-pages.ts';
import { PageIs } from '../helper/protocol.ts';
import { O } from '../kernel/files.ts';
import { KnownTasks } from './known-mappings.ts';
import { Precopy, treeOf } from './precopy.ts';
import { choosePages, copyMemoryFiles, copyPages, noPages, type PageCounts } from './pages.ts';
import { PAGE_SIZE } from '../resources/memory/kinds.ts';
import { CgroupSets } from '../resources/cgroup/dump.ts';
import { readCgroupOptions } from '../resources/cgroup/options.ts';
import { makeLinks, removeLinks } from '../resources/link-remap/dump.ts';
import { SecurityLabels } from '../resources/security-label/dump.ts';
import { findModule } from '../resources/security-label/label.ts';
import { dumpNamespaces } from './namespaces.ts';
import { probeHost } from './probe.ts';
import { rehearse } from './rehearse.ts';
import { freezerOf, seizeBy, type Freezer } from './freezer.ts';

export interface DumpResult extends DumpOutcome {
  /** The tree, the root first. */
  readonly pids: readonly number[];
  /** Names of the image files. */
  readonly images: readonly string[];
}

const SIGSTOP = 19;

/**
 * Dumps a tree.
 * @param startHelper for tests
 * @throws StillframeError, RefusedError with all reasons when the tree holds what cannot be dumped
 */
export async function dump(options: DumpOptions, log: Log, startHelper: () => Helper = () => Helper.start()): Promise<DumpResult> {
  checkInput(options);
  checkExternal('dump', options.given.get('external') ?? []);
  return intoImages(options, startHelper, (helper, images) => new Dump(options, log, helper, images).run());
}

/** Runs what writes images, with a helper of its own. When it fails the directory is as it was found; when the helper goes, every task goes on. */
export function intoImages<T>({ imagesDir, scripts, pid }: Pick<DumpOptions, 'imagesDir' | 'scripts' | 'pid'>, startHelper: () => Helper, write: (helper: Helper, images: ImageDirectory) => T): T {
  scripts.run('pre-dump', { initPid: pid });
  const images = new ImageDirectory(imagesDir);
  const helper = startHelper();
  try {
    return write(helper, images);
  } catch (error) {
    images.undo();
    throw explained(error);
  } finally {
    helper.close();
    images.close();
  }
}

/** What the kernel refused us while reading the tree, as a person reads it. Anything else that is no StillframeError is a bug, and stays one. */
export function explained(error: unknown): unknown {
  if (error instanceof StillframeError || !(error instanceof Error) || !('code' in error) || !('syscall' in error)) return error;
  const where = 'path' in error && error.path !== undefined ? String(error.path) : undefined;
  const denied = error.code === 'EPERM' || error.code === 'EACCES';
  return new StillframeError({
    doing: 'dump', where, why: `${String(error.syscall)}: ${String(error.code)}`, cause: error,
    remedy: denied ? 'Run as root, or with CAP_SYS_PTRACE and CAP_CHECKPOINT_RESTORE' : error.code === 'EMFILE' ? "Raise the limit of open files: 'ulimit -n'" : undefined,
  });
}

class Dump {
  readonly #counts: PageCounts = noPages();
  #frozenAt = 0;
  #seizedAt = 0;
  #releasedAt = 0;
  #memoryMs = 0;
  #precopy: Precopy | undefined;

  constructor(readonly options: DumpOptions, readonly log: Log, readonly helper: Helper, readonly images: ImageDirectory) {}

  run(): DumpResult {
    const { options, log, helper, images } = this;
    log.info(`Dumping processes (pid: ${options.pid})`);
    core.instance.start(); // what encodes images is loaded before anybody waits for it
    const host = probeHost(helper);
    const own = ownNamespaces();
    const context = new DumpContext(options, log, helper, newTree(own), host.shmemDevice, host.hugeDevices);
    const chain = new MemoryChain(options.imagesDir, { parent: options.parent, track: options.trackMemory === true, dedup: options.autoDedup === true }, helper, log);
    if (options.parent !== undefined) images.link(options.parent);
    context.tracker = chain.tracker;
    const freezer = freezerOf(options);
    context.cgroups = new CgroupSets(readCgroupOptions('dump', options.workDir, options.given), freezer);
    context.labels = new SecurityLabels(findModule());
    const early = options.finalState !== 'dead' && !hasScripts(options);

    if (options.cpuInfo === true) context.tree.cpuinfo = processorEntry(helper);
    // a tree that is to end has no pause to be kept short: what counts is the whole
    if (options.finalState !== 'dead') rehearse(options, helper, own, host);
    try {
      this.#copyAhead(context, freezer);
      // of a tree whose memory is tracked smaps would be what takes longest while it stands
      if (chain.options.track || options.parent !== undefined) context.known = new KnownTasks(treeOf(options.pid));
      log.hold();
      this.#frozenAt = performance.now();
      context.tasks = seizeBy(freezer, context);
      this.#seizedAt = performance.now();
      const lap = laps(this.#frozenAt);
      lap('seize');
      const collected = collect(context, own, (tids) => helper.beginState(tids));
      context.refusals.throwIfAny();
      lap('read');
      for (const { threads } of context.tasks) for (const { tid, status } of threads) context.seccomp.read(helper, tid, status.seccomp, status.seccompFilters);
      const askedAt = performance.now();
      askThreads(collected, context, host);
      lap('ask threads');
      askFiles(collected.files, context);
      const outside = askHelper(collected, context, host.affinity.length);
      dumpNamespaces(collected, context);
      context.refusals.throwIfAny();
      makeLinks(context);
      lap('ask helper');
      const direct = collected.files.files.some(({ descriptors }) => (descriptors[0]!.info.flags & O.DIRECT) !== 0);
      const pages = this.#pages(context, chain, collected.living, host.guards, direct);
      lap('pages');
      holdFiles(collected.files, context);
      this.#lateSignals(collected, askedAt);
      lap('hold');
      if (early) this.#release(context);
      this.#precopy?.settle(new Set(pages.keys()));
      compose(collected, outside, pages, helper.hello.xfeatures, host, context);
      const written = writeTree(images, context.tree);
      log.debug(`Time since the first stop: ${lap('images')}`);
      if (hasScripts(options)) options.scripts.run('post-dump', { initPid: options.pid });
      if (!early) this.#release(context);
      const stats = this.#stats();
      writeDumpStats(options.workDir, images, stats, this.#counts, log);
      chain.finish(images, context.tree.inventory.dump_criu_run_id, options.finalState !== 'dead');
      // what runs on does not need them, and they would show
      if (options.finalState === 'running') removeLinks(context);
      if (options.dedupPages === true) this.#shareFamilies(context);
      log.info('Dumping finished successfully');
      return { stats, tasks: context.tasks.length, pids: context.tasks.map(({ pid }) => pid), images: written };
    } catch (error) {
      removeLinks(context);
      takeBack(context);
      throw error;
    } finally {
      options.progress?.end();
      this.#precopy?.close();
      chain.close();
      log.release();
    }
  }

  /** Copies memory while the tree runs, where that is asked for or makes the stop short. */
  #copyAhead(context: DumpContext, freezer: Freezer | undefined): void {
    const { precopy } = this.options;
    if (precopy === undefined) return;
    if (freezer?.wasFrozen === true) {
      if (precopy.asked) this.log.warn('--precopy', `${freezer.dir} is frozen already: there is no copying while the tree runs`);
      return;
    }
    this.#precopy = new Precopy(this.helper, this.images, this.log, { ...precopy, timeoutMs: this.options.timeoutSeconds * 1000, progress: this.options.progress }, () => context.newPagesId());
    const ahead = this.#precopy, chained = context.tracker;
    context.known = ahead;
    context.tracker = { isOurs: (task) => ahead.isOurs(task) || chained?.isOurs(task) === true };
    this.#precopy.run(this.options.pid);
  }

  #pages(context: DumpContext, chain: MemoryChain, tasks: readonly CollectedTask[], guards: boolean, direct: boolean): PagesOf {
    const started = performance.now();
    const target = { path: (name: string): string => this.images.make(name), chain };
    if (chain.options.track) context.tree.inventory.dump_uptime = uptime();
    const pages = new Map(tasks.map(({ task, mappings }) => {
      const tracked = trackedTask(task);
      if (this.options.finalState !== 'dead') chain.track(tracked, eligible(mappings), () => enterLeader(task, context));
      const ahead = this.#precopy?.isOurs(tracked) === true;
      const chosen = choosePages(task.pid, mappings, guards, context, ahead ? PageIs.WRITTEN : chain.bitFor(tracked));
      this.#counts.scanned += chosen.scanned;
      const copied = this.#precopy?.finish(tracked, chosen, direct, this.#counts);
      if (copied !== undefined) return [task.pid, { chosen, map: copied }];
      const parts = chain.divide(tracked, chosen);
      chain.tracker.restart(task.pid);
      return [task.pid, { chosen, map: copyPages(task.pid, parts, target, context, this.#counts) }];
    }));
    copyMemoryFiles(target, context, this.#counts);
    this.#memoryMs = performance.now() - started;
    return pages;
  }

  /** As late as the stop allows. A task that somebody kills meanwhile is in the images as it was before. */
  #lateSignals(collected: Collected, askedAt: number): void {
    try {
      addLateSignals(collected, this.helper.state(collected.living.flatMap(({ task }) => task.tids)), performance.now() - askedAt);
    } catch (error) {
      this.log.debug(`Signals that came meanwhile are not known: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** The set is complete and nobody waits any more: nothing of this can fail the dump. */
  #shareFamilies(context: DumpContext): void {
    const tasks = [...context.tree.tasks.values()].map(({ pid, item: { ppid } }) => ({ pid, ppid }));
    try {
      const { saved, heirs } = sharePages(this.images.directory, tasks, () => context.newPagesId());
      this.log.info(`--dedup-pages: ${saved / PAGE_SIZE} pages of ${heirs} tasks are kept once`);
    } catch (error) {
      this.log.warn('--dedup-pages', `the set is complete, but holds pages more than once: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Ends the frozen window as asked for. From here on nothing can fail the dump but the disk. */
  #release({ tasks, guard }: DumpContext): void {
    const { helper, options } = this;
    const living = tasks.filter(({ zombie }) => !zombie);
    if (options.finalState === 'dead') {
      helper.kill(living.map(({ pid }) => pid)).forEach((status, i) => {
        if (status !== 0) this.log.warn(`task ${living[i]!.pid}`, `it could not be killed: ${errnoName(-status) ?? status}`);
      });
      guard.commit();
    } else {
      guard.undo();
      const stop = options.finalState === 'stopped' ? living.map(({ pid }) => pid) : [];
      const others = living.flatMap(({ pid, tids }) => (stop.length > 0 ? tids.filter((tid) => tid !== pid) : tids));
      // a leader's stop is the whole process's: the other threads find it waiting for them
      for (const [tids, signal] of [[stop, SIGSTOP], [others, 0]] as const) {
        if (tids.length === 0) continue;
        const failed = helper.detach(tids, { signal }).findIndex((status) => status !== 0);
        if (failed >= 0) throw new StillframeError({ doing: 'dump', where: `thread ${tids[failed]}`, why: 'it could not be let go' });
      }
    }
    this.#releasedAt = performance.now();
  }

  #stats(): DumpStats {
    const us = (ms: number): number => Math.max(0, Math.round(ms * 1000));
    return {
      freezing_time: us(this.#seizedAt - this.#frozenAt), frozen_time: us(this.#releasedAt - this.#frozenAt),
      memdump_time: us(this.#memoryMs), memwrite_time: us(this.#counts.copyMs), irmap_resolve: 0,
      pages_scanned: this.#counts.scanned, pages_skipped_parent: this.#counts.skipped, pages_written: this.#counts.written, pages_lazy: 0n,
    };
  }
}

/** stats-dump, in the work directory. Without it the set is no worse: nothing fails. */
export function writeDumpStats(workDir: string, images: ImageDirectory, stats: DumpStats, counts: PageCounts, log: Log): void {
  sayHoles(images, log);
  const { sharedScanned, sharedWritten, sharedSkipped } = counts;
  const entry = create(dump_stats_entry, {
    ...stats, page_pipes: 0n, page_pipe_bufs: 0n, shpages_scanned: sharedScanned, shpages_skipped_parent: sharedSkipped, shpages_written: sharedWritten,
  });
  const set = new DirectorySet(workDir);
  try {
    writeImage(set, 'STATS', 'dump', [{ message: create(stats_entry, { dump: entry }) }]);
  } catch (error) {
    log.warn('stats', `${join(workDir, 'stats-dump')} was not written: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    set.close();
  }
}

/** How many pages are holes of pages files, which the statistics count as written (CRIU's tests compare them with the sizes of these files). */
function sayHoles(images: ImageDirectory, log: Log): void {
  let pages = 0n, stored = 0n;
  for (const name of images.names().filter((file) => /^pages-\d+\.img$/u.test(file))) {
    const { size, blocks } = statSync(images.path(name), { bigint: true });
    pages += size / 4096n;
    stored += blocks / 8n;
  }
  if (stored < pages) log.info(`${pages - stored} of ${pages} pages are zeros: they take no space`);
}

/** After a failure. When the helper is gone, what stood guard for it has done it. */
export function takeBack({ guard, log }: Pick<DumpContext, 'guard' | 'log'>): void {
  try {
    guard.undo();
  } catch (error) {
    log.debug(`Taking back: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Where the time goes: each call ends a part. @returns all parts so far, in ms */
function laps(start: number): (part: string) => string {
  const parts: string[] = [];
  let last = start;
  return (part) => {
    const now = performance.now();
    parts.push(`${part} ${(now - last).toFixed(2)}`);
    last = now;
    return `${parts.join(', ')} ms`;
  };
}

function hasScripts({ scripts }: DumpOptions): boolean {
  return scripts !== NO_SCRIPTS;
}
