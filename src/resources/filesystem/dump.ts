/** Where a process stands in the file system: executable, working directory, root, umask. Read in the frozen window. */
import { statSync } from 'node:fs';
import { create } from '../../image/wire.ts';
import { fs_entry } from '../../image/schema/index.ts';
import { readProcLink } from '../../proc/read.ts';
import type { FrozenTask } from '../../dump/frozen.ts';
import { describeTask } from '../../dump/frozen.ts';
import type { NamedFiles } from '../regular/dump.ts';

/** The id of the file behind one of the links in /proc/PID. */
function linked(task: FrozenTask, name: 'exe' | 'cwd' | 'root', what: string, files: NamedFiles): number {
  const door = `/proc/${task.pid}/${name}`;
  return files.id({ link: readProcLink(door), stat: statSync(door, { bigint: true }), door }, `${describeTask(task)}, ${what}`);
}

export function executableId(task: FrozenTask, files: NamedFiles): number {
  return linked(task, 'exe', 'executable', files);
}

export function fsEntry(task: FrozenTask, umask: number, files: NamedFiles): fs_entry {
  return create(fs_entry, { cwd_id: linked(task, 'cwd', 'working directory', files), root_id: linked(task, 'root', 'root directory', files), umask });
}
