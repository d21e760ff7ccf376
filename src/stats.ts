/** What `--display-stats` prints, in CRIU's words: scripts read these lines. Fields have their names in `stats.proto`; times in microseconds. */
export interface DumpStats {
  readonly freezing_time: number;
  readonly frozen_time: number;
  readonly memdump_time: number;
  readonly memwrite_time: number;
  readonly irmap_resolve?: number;
  readonly pages_scanned: bigint;
  readonly pages_skipped_parent: bigint;
  readonly pages_written: bigint;
  readonly pages_lazy: bigint;
}

export interface RestoreStats {
  readonly pages_compared: bigint;
  readonly pages_skipped_cow: bigint;
  readonly forking_time: number;
  readonly restore_time: number;
  readonly pages_restored?: bigint;
}

const both = (count: bigint): string => `${count} (0x${count.toString(16)})`;

export function dumpStatsText(stats: DumpStats): string[] {
  return [
    'Displaying dump stats:',
    `Freezing time: ${stats.freezing_time} us`,
    `Frozen time: ${stats.frozen_time} us`,
    `Memory dump time: ${stats.memdump_time} us`,
    `Memory write time: ${stats.memwrite_time} us`,
    ...(stats.irmap_resolve === undefined ? [] : [`IRMAP resolve time: ${stats.irmap_resolve} us`]),
    `Memory pages scanned: ${both(stats.pages_scanned)}`,
    `Memory pages skipped from parent: ${both(stats.pages_skipped_parent)}`,
    `Memory pages written: ${both(stats.pages_written)}`,
    `Lazy memory pages: ${both(stats.pages_lazy)}`,
  ];
}

export function restoreStatsText(stats: RestoreStats): string[] {
  return [
    'Displaying restore stats:',
    `Pages compared: ${both(stats.pages_compared)}`,
    `Pages skipped COW: ${both(stats.pages_skipped_cow)}`,
    ...(stats.pages_restored === undefined ? [] : [`Pages restored: ${both(stats.pages_restored)}`]),
    `Restore time: ${stats.restore_time} us`,
    `Forking time: ${stats.forking_time} us`,
  ];
}
