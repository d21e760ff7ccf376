/** `/proc/PID/mountinfo` (proc_pid_mountinfo(5)). */
import { textOf } from '../image/text.ts';

export interface Mount {
  readonly id: number;
  readonly parent: number;
  /** In the kernel's layout: 12 bits major, 20 bits minor. */
  readonly device: number;
  /** What of the file system is mounted. */
  readonly root: string;
  /** Where, as the process sees it. */
  readonly path: string;
  readonly type: string;
  /** Of the file system: for control groups, the controllers. */
  readonly options: readonly string[];
  readonly readOnly: boolean;
}

/** @param text the file's bytes as latin1 */
export function parseMountInfo(text: string): Mount[] {
  return text.split('\n').filter((line) => line !== '').map((line) => {
    const fields = line.split(' ');
    const dash = fields.indexOf('-');
    const type = fields[dash + 1];
    const options = fields[dash + 3]?.split(',') ?? [];
    const [major, minor] = (fields[2] ?? '').split(':').map(Number);
    if (type === undefined || major === undefined || minor === undefined) throw new RangeError(`not a line of mountinfo: ${JSON.stringify(line)}`);
    return { id: Number(fields[0]), parent: Number(fields[1]), device: ((major << 20) | minor) >>> 0, root: unescape(fields[3]!), path: unescape(fields[4]!), type, options, readOnly: options.includes('ro') || fields[5]!.split(',').includes('ro') };
  });
}

/** Blanks and the like are written as `\040`. */
function unescape(text: string): string {
  return textOf(Buffer.from(text.replace(/\\([0-7]{3})/gu, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))), 'latin1'));
}
