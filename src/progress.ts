/**
 * How far a long copy is. The supervisor waits in blocking calls while a tree is frozen, so nothing here needs the event loop (which is
 * why no library's bar fits): each report writes at once, at most ten times a second, and nothing before a second has passed.
 */
import { writeSync } from 'node:fs';

export interface Progress {
  /** @param what is being copied @param done and @param total in bytes */
  report(what: string, done: number, total: number): void;
  /** What was drawn goes away. */
  end(): void;
}

const AFTER_MS = 1000, EVERY_MS = 100;
const STDERR = 2;

/** Reports worth seeing: not the first second's, not too many, always the last of a copy that was seen. */
class Paced {
  readonly #start: number;
  #since: number;
  #last = -Infinity;
  #what = '';
  constructor(readonly show: (what: string, done: number, total: number, rate: number) => void, readonly now: () => number) {
    this.#start = this.#since = now();
  }
  report(what: string, done: number, total: number): void {
    const now = this.now();
    if (what !== this.#what) [this.#what, this.#since] = [what, now];
    if (now - this.#start < AFTER_MS || (now - this.#last < EVERY_MS && done < total)) return;
    this.#last = now;
    this.show(what, done, total, done / Math.max(now - this.#since, 1) * 1000);
  }
}

/** Bytes as people read them. */
export function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0, value = bytes;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

/** One line of a terminal, drawn over. @param write for tests */
export function bar(columns = 80, write = (text: string): void => { writeSync(STDERR, text); }, now = (): number => performance.now()): Progress {
  let drawn = false;
  const paced = new Paced((what, done, total, rate) => {
    const share = total === 0 ? 1 : Math.min(1, done / total);
    const left = rate > 0 ? Math.max(0, total - done) / rate : 0;
    const text = `${what}: ${sizeText(done)} of ${sizeText(total)}, ${sizeText(rate)}/s, ${left < 1 ? 'less than a second' : `${left.toFixed(0)} s`} left `;
    const room = Math.max(0, Math.min(30, columns - text.length - 3));
    const full = Math.round(share * room);
    write(`\r${text}${room > 4 ? `[${'#'.repeat(full)}${'.'.repeat(room - full)}]` : ''}\u001b[K`);
    drawn = true;
  }, now);
  return {
    report: (what, done, total) => paced.report(what, done, total),
    end: () => { if (drawn) write('\r\u001b[K'); drawn = false; },
  };
}

/** A line of JSON each: {"progress":{"what","done","total","rate"}}, bytes and bytes a second. */
export function lines(write = (text: string): void => { writeSync(STDERR, text); }, now = (): number => performance.now()): Progress {
  const paced = new Paced((what, done, total, rate) => write(`${JSON.stringify({ progress: { what, done, total, rate: Math.round(rate) } })}\n`), now);
  return { report: (what, done, total) => paced.report(what, done, total), end: () => {} };
}
