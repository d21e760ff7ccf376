/** `cpuinfo dump`: what processor this is, as an image of its own. */
import { Helper } from '../helper/client.ts';
import { cpuinfo_entry } from '../image/schema/index.ts';
import { DirectorySet } from '../image/node/directory.ts';
import { writeImage } from '../image/set.ts';
import { create } from '../image/wire.ts';
import type { Log } from '../log.ts';
import { identify } from '../resources/processor/identify.ts';

/** @throws StillframeError on a processor that the image cannot name */
export function processorEntry(helper: Pick<Helper, 'cpuid'>): cpuinfo_entry {
  return create(cpuinfo_entry, { x86_entry: [identify((leaf, sub) => helper.cpuid(leaf, sub))] });
}

/** Writes cpuinfo.img over the one that is there. */
export function dumpCpuinfo(imagesDir: string, log: Log): cpuinfo_entry {
  const helper = Helper.start();
  try {
    const entry = processorEntry(helper);
    const set = new DirectorySet(imagesDir);
    try {
      writeImage(set, 'CPUINFO', undefined, [{ message: entry }]);
    } finally {
      set.close();
    }
    log.info(`Wrote cpuinfo.img to ${imagesDir}`);
    return entry;
  } finally {
    helper.close();
  }
}
