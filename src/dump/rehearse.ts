/**
 * A dump of the helper itself, thrown away, before the tree is frozen: what runs in the frozen window has then run before (a first run of
 * JavaScript costs many times what the second does). Nothing is seized, no task of the tree is looked at, and what goes wrong here does
 * not matter.
 */
import { theCore } from '../core/core.ts';
import type { Helper } from '../helper/client.ts';
import { parseLimits } from '../proc/limits.ts';
import { readProcRecord, readProcText } from '../proc/read.ts';
import { parseSmaps } from '../proc/smaps.ts';
import { parseStat } from '../proc/stat.ts';
import { parseStatus } from '../proc/status.ts';
import { describeMappings, refuseMapping } from '../resources/memory/dump.ts';
import { PageIs, type ThreadState } from '../helper/protocol.ts';
import { SILENT } from '../log.ts';
import type { Part } from '../memory-tracking/chain.ts';
import { addLateSignals, askHelper, askThreads, collect } from './collect.ts';
import { newTree } from './compose.ts';
import { DumpContext } from './context.ts';
import { askFiles, readDescriptors } from './descriptors.ts';
import type { OwnNamespaces } from './ids.ts';
import type { DumpOptions } from './options.ts';
import { choosePages, copyMemoryFiles, copyPages, noPages, type Target } from './pages.ts';
import type { HostFacts } from './probe.ts';
import { seizeTree } from './seize.ts';

/** More bring nothing that the wall time would be worth. */
const TIMES = 3;

/** Runs the parsers alone more often: the helper is smaller than what will be dumped. */
function warmParsers(pid: number): void {
  const smaps = readProcText(`/proc/${pid}/smaps`).repeat(20);
  const [stat, status, limits] = ['stat', 'status', 'limits'].map((name) => readProcRecord(`/proc/${pid}/${name}`));
  for (const mapping of parseSmaps(smaps)) refuseMapping(mapping);
  describeMappings(parseSmaps(smaps), () => ({ id: 1, memfd: false, access: 0 }));
  for (let i = 0; i < 20; i++) {
    parseStat(stat!);
    parseStatus(status!);
    parseLimits(limits!);
  }
}

export function rehearse(options: DumpOptions, helper: Helper, own: OwnNamespaces, host: HostFacts): void {
  try {
    warmParsers(helper.pid);
  } catch {
    // as below
  }
  for (let i = 0; i < TIMES; i++) {
    try {
      once(options, helper, own, host);
    } catch {
      // the dump itself will meet it, if it matters
    }
  }
}

function once(options: DumpOptions, helper: Helper, own: OwnNamespaces, host: HostFacts): void {
  const context = new DumpContext(options, SILENT, helper, newTree(own), host.shmemDevice, host.hugeDevices);
  context.tasks = seizeTree({ seize: (tids) => tids.map((tid) => ({ tid, status: 0, waitStatus: 0, stopSignal: 0, zombie: false, seccompSuspended: true })) }, helper.pid, 0);
  const collected = collect(context, own, (tids) => () => tids.map(noState), (task) => readDescriptors(task, helper).filter(({ link }) => !link.startsWith('socket:')));
  askThreads(collected, context, host, {
    runEach: (tids, program) => tids.map(() => helper.local(program)),
    visit: (visits, program) => visits.map(() => helper.local(program)),
  });
  askFiles(collected.files, context);
  askHelper(collected, context, host.affinity.length);
  const counts = noPages();
  const parts = (ranges: readonly { start: bigint; end: bigint; lazy?: boolean }[]): Part[] => ranges.map(({ start, end, lazy = false }) => ({ start, end, lazy, parent: false }));
  const target: Target = { path: () => '/dev/null', chain: { divideFile: (_shmid, _held, _size, extents) => parts(extents), wrote: () => {} } };
  const chained = options.trackMemory === true || options.parent !== undefined;
  const bit = chained || options.precopy !== undefined ? PageIs.WRITTEN : 0n;
  for (const { task, mappings } of collected.living) copyPages(task.pid, parts(choosePages(task.pid, mappings, host.guards, context, bit).ranges), target, context, counts);
  copyMemoryFiles(target, context, counts);
  if (chained) hashFirst();
  addLateSignals(collected, collected.living.flatMap(({ task }) => task.tids.map(noState)), 0);
}

/** The first page that the core hashes takes as long as many thousands: its code is compiled and its memory grows. */
function hashFirst(): void {
  let left = 1;
  theCore().pages.hashFrom(() => left-- * 4096);
}

function noState(tid: number): ThreadState {
  return {
    tid, regs: Buffer.alloc(27 * 8), xstate: Buffer.alloc(576), sigmask: 0n, pending: [], sharedPending: [], robustList: 0n, robustLength: 0n,
    rseq: { pointer: 0n, size: 0, signature: 0, flags: 0, aborted: false }, tls: [],
  };
}
