/** `cpuinfo check`: whether a tree from the processor of an image can run on this one. */
import { RefusedError } from '../errors.ts';
import { Helper } from '../helper/client.ts';
import { openSet } from '../image/node/directory.ts';
import { readImage } from '../image/set.ts';
import type { cpuinfo_entry } from '../image/schema/index.ts';
import type { Log } from '../log.ts';
import { compareProcessors, type CpuCap } from '../resources/processor/compare.ts';
import { identify } from '../resources/processor/identify.ts';

/** @throws RefusedError with everything that differs */
export function checkCpuinfo(imagesDir: string, caps: ReadonlySet<CpuCap>, log: Log): void {
  const set = openSet(imagesDir);
  const helper = Helper.start();
  try {
    const image = readImage(set, 'CPUINFO')?.entries[0]?.message as cpuinfo_entry | undefined;
    const reasons = compareProcessors(image, identify((leaf, sub) => helper.cpuid(leaf, sub)), caps);
    if (reasons.length > 0) throw new RefusedError('cpuinfo check', reasons);
    log.info(`This processor has what the one of ${imagesDir} had`);
  } finally {
    helper.close();
    set.close();
  }
}
