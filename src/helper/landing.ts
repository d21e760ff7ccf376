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

const PAGE = 4096n;
const SLOTS = Number(PAGE) / LANDING_SIZE;

/**
 * Finds LANDING_SIZE unused (zero) bytes at the end of an executable mapping: in the vDSO's last page, else in a file's text. When
 * there is none, a stub that a killed helper left behind, unless its thread may still be on its way home.
 * @param maps mappings of the task, read while all its threads are seized
 * @throws StillframeError when no executable mapping has room
 */
export function findLanding(helper: Helper, pid: number, maps: readonly LandingCandidate[]): bigint {
  return findLandings(helper, pid, maps).landing;
}

export interface Landings {
  readonly landing: bigint;
  /** Right beside it, where there is room. */
  readonly second: bigint | undefined;
  /** A stub lies there that a killed helper left behind. */
  readonly used: boolean;
}

/** The same, with a second one. */
export function findLandings(helper: Helper, pid: number, maps: readonly LandingCandidate[]): Landings {
  const executable = maps.filter((m) => m.executable && (m.name === '[vdso]' || m.name.startsWith('/')));
  const ordered = [...executable.filter((m) => m.name === '[vdso]'), ...executable.filter((m) => m.name !== '[vdso]')];
  // a thread that is still inside its executor has the executor's mapping
  const inside = maps.some((m) => m.executable && m.name === '' && m.end - m.start === BigInt(helper.hello.executorSize));
  const free = ({ used }: Place): boolean => !used || !inside;
  let left: Landings | undefined;
  for (const { end } of ordered) {
    const places = slots(helper, pid, end);
    const found = (at: number): Landings => {
      const beside = [places[at + 1], places[at - 1]].find((place) => place !== undefined && free(place));
      return { landing: places[at]!.address, second: beside?.address, used: places[at]!.used };
    };
    const at = places.findIndex(({ used }) => !used);
    if (at >= 0) return found(at);
    if (places.length > 0) left ??= found(0);
  }
  if (left !== undefined && !inside) return left;
  throw new StillframeError({
    doing: 'dump', where: `task ${pid}`,
    why: ordered.length === 0 ? 'it has no executable mapping of a file and no vDSO' : `none of its ${ordered.length} executable mappings has ${LANDING_SIZE} unused bytes at its end`,
    remedy: left === undefined ? 'There is no safe way to run code in this task' : 'An interrupted dump has not left it yet: try again',
  });
}

interface Place { readonly address: bigint; readonly used: boolean }

/** Places for a stub at the end of a mapping, last first: zero bytes, or a stub that was left behind. */
function slots(helper: Helper, pid: number, end: bigint): Place[] {
  const page = readable(helper, pid, end - PAGE);
  const found: Place[] = [];
  for (let i = SLOTS - 1; i >= 0 && page.length === Number(PAGE); i--) {
    const bytes = page.subarray(i * LANDING_SIZE, (i + 1) * LANDING_SIZE);
    const used = bytes.toString('latin1', 2, 2 + LANDING_TAG.length) === LANDING_TAG;
    if (!used && !bytes.every((byte) => byte === 0)) break;
    found.push({ address: end - PAGE + BigInt(i * LANDING_SIZE), used });
  }
  return found;
}

function readable(helper: Helper, pid: number, address: bigint): Buffer {
  try {
    return helper.peek(pid, address, Number(PAGE));
  } catch {
    return Buffer.alloc(0); // beyond the end of its file: no landing
  }
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
