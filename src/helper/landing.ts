/** Where a task can be entered: the landing (see docs/architecture.md) and the signal that says "done". */
import { StillframeError } from '../errors.ts';
import type { Helper } from './client.ts';
import { LANDING_SIZE, LANDING_TAG } from './protocol.ts';

/** A mapping of the task, as in /proc/PID/maps. */
export interface LandingCandidate {
  readonly start: bigint;
  readonly end: bigint;
  readonly executable: boolean;
  /** `[vdso]`, or a file's path. */
  readonly name: string;
}

/**
 * Finds SF_LANDING_SIZE unused bytes at the end of an executable mapping: the vDSO's last page, else a file's text. Zero bytes,
 * or a stub that a killed helper left there.
 * @throws StillframeError when no executable mapping has room
 */
export function findLanding(helper: Helper, pid: number, maps: readonly LandingCandidate[]): bigint {
  const executable = maps.filter((m) => m.executable && m.name !== '[vsyscall]' && (m.name === '[vdso]' || m.name.startsWith('/')));
  const ordered = [...executable.filter((m) => m.name === '[vdso]'), ...executable.filter((m) => m.name !== '[vdso]')];
  for (const { end } of ordered) {
    const landing = end - BigInt(LANDING_SIZE);
    if (isFree(readable(helper, pid, landing))) return landing;
  }
  throw new StillframeError({
    doing: 'dump', where: `task ${pid}`,
    why: ordered.length === 0 ? 'it has no executable mapping of a file and no vDSO' : `none of its ${ordered.length} executable mappings has ${LANDING_SIZE} unused bytes at its end`,
    remedy: 'There is no safe way to run code in this task',
  });
}

function readable(helper: Helper, pid: number, landing: bigint): Buffer {
  try {
    return helper.peek(pid, landing, LANDING_SIZE);
  } catch {
    return Buffer.alloc(0); // beyond the end of its file: no landing
  }
}

function isFree(bytes: Buffer): boolean {
  if (bytes.length !== LANDING_SIZE) return false;
  return bytes.every((byte) => byte === 0) || bytes.toString('latin1', 2, 2 + LANDING_TAG.length) === LANDING_TAG;
}

export interface SignalSets {
  /** Bit n - 1 is signal n, as in /proc/PID/status: SigCgt. */
  readonly caught: bigint;
  /** SigBlk of every thread of the process, or-ed. */
  readonly blocked: bigint;
  /** SigPnd of every thread and ShdPnd, or-ed. */
  readonly pending: bigint;
}

const SIGCHLD = 17;
const SIGURG = 23;
const SIGWINCH = 28;

/**
 * A signal that this process ignores, does not block and has not pending, so that the executor can raise it without anybody
 * noticing: SIGURG, SIGWINCH or SIGCHLD, which are ignored unless caught. 0: none; `run` then uses system-call stops.
 */
export function pickDoneSignal({ caught, blocked, pending }: SignalSets): number {
  const taken = caught | blocked | pending;
  return [SIGURG, SIGWINCH, SIGCHLD].find((signal) => (taken >> BigInt(signal - 1) & 1n) === 0n) ?? 0;
}
