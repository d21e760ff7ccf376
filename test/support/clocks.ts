/** Makes a set look as if it had been dumped at another time, by its monotonic clocks. */
import { readdirSync } from 'node:fs';
import { openSet } from '../../src/image/node/directory.ts';
import { readImage, writeImage } from '../../src/image/set.ts';
import type { timens_entry } from '../../src/image/schema/index.ts';

/** @returns the ids of the time namespaces in the set */
export function moveClocks(directory: string, seconds: bigint): number[] {
  const set = openSet(directory);
  try {
    const ids = readdirSync(directory).map((name) => /^timens-(\d+)\.img$/.exec(name)?.[1]).filter((id) => id !== undefined).map(Number);
    for (const id of ids) {
      const entry = readImage(set, 'TIMENS', id)!.entries[0]!.message as timens_entry;
      for (const clock of [entry.monotonic, entry.boottime]) clock.tv_sec += seconds;
      writeImage(set, 'TIMENS', id, [{ message: entry }]);
    }
    return ids;
  } finally {
    set.close();
  }
}
