/**
 * The mappings of a task, known before it is frozen. smaps is the only place that tells advice and locks, and the kernel looks at every
 * page for it: 30 ms and more for a GiB. So it is read while the task runs, and in the frozen window only maps, which costs nothing:
 * mappings of which every line is still the same are what they were.
 */
import { isGone, readProcRecord, readProcText } from '../proc/read.ts';
import { parseSmaps, type Mapping } from '../proc/smaps.ts';
import { parseStat } from '../proc/stat.ts';

export class KnownMappings {
  readonly #byLine = new Map<string, Mapping>();

  /** Reads smaps: the task runs. */
  constructor(readonly pid: number) {
    const mappings = parseSmaps(readProcText(`/proc/${pid}/smaps`));
    const lines = readProcText(`/proc/${pid}/maps`).trimEnd().split('\n');
    // between the two readings something may have been mapped: what has no line is not known
    const byRange = new Map(lines.map((line) => [line.slice(0, line.indexOf(' ')), line]));
    for (const mapping of mappings) {
      const line = byRange.get(paddedRange(mapping));
      if (line !== undefined && agrees(line, mapping)) this.#byLine.set(line, mapping);
    }
  }

  /** All mappings of the frozen task, or undefined when one is not known: then smaps has to be read. */
  now(): Mapping[] | undefined {
    const all: Mapping[] = [];
    for (const line of readProcText(`/proc/${this.pid}/maps`).trimEnd().split('\n')) {
      const known = this.#byLine.get(line);
      if (known === undefined) return undefined;
      all.push(known);
    }
    return all;
  }
}

/** The same of several processes. */
export class KnownTasks {
  readonly #tasks = new Map<number, { readonly start: bigint; readonly known: KnownMappings }>();

  /** While they run. */
  constructor(pids: readonly number[]) {
    for (const pid of pids) {
      try {
        this.#tasks.set(pid, { start: parseStat(readProcRecord(`/proc/${pid}/stat`)).startTime, known: new KnownMappings(pid) });
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    }
  }

  mappings({ pid, start }: { readonly pid: number; readonly start: bigint }): Mapping[] | undefined {
    const task = this.#tasks.get(pid);
    return task?.start === start ? task.known.now() : undefined;
  }
}

/** As maps prints addresses: at least eight digits. */
const paddedRange = ({ start, end }: Mapping): string => `${start.toString(16).padStart(8, '0')}-${end.toString(16).padStart(8, '0')}`;

const agrees = (line: string, { read, write, exec, shared, inode }: Mapping): boolean =>
  line.includes(` ${read ? 'r' : '-'}${write ? 'w' : '-'}${exec ? 'x' : '-'}${shared ? 's' : 'p'} `) && line.split(/ +/u, 5)[4] === String(inode);
