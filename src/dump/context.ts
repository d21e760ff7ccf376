/** What the kinds share while a tree is dumped: options, log, helper, the model being filled, ids, and what was refused. */
import { statfsSync } from 'node:fs';
import type { Helper } from '../helper/client.ts';
import type { FrozenTree } from '../image/tree.ts';
import type { Log } from '../log.ts';
import type { Tracker } from '../memory-tracking/tracker.ts';
import type { FrozenTask } from './frozen.ts';
import type { DumpOptions } from './options.ts';
import type { KnownTasks } from './known-mappings.ts';
import type { CgroupSets } from '../resources/cgroup/dump.ts';
import { SeccompFilters } from '../resources/seccomp/dump.ts';
import { runCommand } from '../network-lock/run.ts';
import { Guard } from './guard.ts';
import type { SecurityLabels } from '../resources/security-label/dump.ts';
import { Refusals } from './refusals.ts';

export class DumpContext {
  readonly refusals = new Refusals();
  /** What was changed outside of the images, and how to take it back. */
  readonly guard: Guard;
  readonly seccomp = new SeccompFilters();
  tasks: readonly FrozenTask[] = [];
  /** Who tracks memory that is registered with a userfaultfd. */
  tracker: Pick<Tracker, 'isOurs'> | undefined;
  /** Who knows the mappings of tasks from when the tree ran. */
  known: Pick<KnownTasks, 'mappings'> | undefined;
  /** Where the tree is in control groups; undefined where nobody asks (a pre-dump). */
  cgroups: CgroupSets | undefined;
  /** The tree has an IPC namespace of its own, and the helper is in it. */
  ownIpc = false;
  /** Undefined where nobody asks. */
  labels: SecurityLabels | undefined;
  /** Opening a file would be noticed by the tree (it watches files, or has leases): what may be left out then is not read. */
  noticed = false;
  /** Numbers of page maps of shared memory (pagemap-shmem-N) that are taken. */
  readonly reservedShmids = new Set<number>();
  #fileIds = 0;
  #pagesIds = 0;
  #types = new Map<bigint, number>();

  /**
   * @param shmemDevice st_dev of memory files: memfd, shared anonymous memory
   * @param hugeDevices the same of those of huge pages, with the bits that ask for their page size
   */
  constructor(readonly options: DumpOptions, readonly log: Log, readonly helper: Helper, readonly tree: FrozenTree, readonly shmemDevice: bigint,
    readonly hugeDevices: ReadonlyMap<bigint, number> = new Map()) {
    this.guard = new Guard(helper, (command) => { runCommand(command); });
  }

  /** A new id in the files image. */
  newFileId(): number { return ++this.#fileIds; }

  /** A new N of `pages-N.img`. */
  newPagesId(): number { return ++this.#pagesIds; }

  /** The magic of the file system a file is on (<linux/magic.h>). @param file any way to it: `door`, /proc/PID/fd/N for one */
  fileSystem(device: bigint, file: { readonly door: string }): number {
    let type = this.#types.get(device);
    if (type === undefined) this.#types.set(device, type = Number(statfsSync(file.door).type));
    return type;
  }
}
