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
}

/** @param text the file's bytes as latin1 */
export function parseMountInfo(text: string): Mount[] {
  return text.split('\n').filter((line) => line !== '').map((line) => {
    const fields = line.split(' ');
    const type = fields[fields.indexOf('-') + 1];
    const [major, minor] = (fields[2] ?? '').split(':').map(Number);
    if (type === undefined || major === undefined || minor === undefined) throw new RangeError(`not a line of mountinfo: ${JSON.stringify(line)}`);
    return { id: Number(fields[0]), parent: Number(fields[1]), device: ((major << 20) | minor) >>> 0, root: unescape(fields[3]!), path: unescape(fields[4]!), type };
  });
}

/** Blanks and the like are written as `\040`. */
function unescape(text: string): string {
  return textOf(Buffer.from(text.replace(/\\([0-7]{3})/gu, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))), 'latin1'));
}
