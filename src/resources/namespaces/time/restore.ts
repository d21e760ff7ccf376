/**
 * The clocks of a restored tree (CLOCK_MONOTONIC, CLOCK_BOOTTIME) go on from where they stood at the dump: its root enters a time namespace
 * of its own, as CRIU has it, and all others are born in it. Without that, a program would find every point of time it waits for long gone, or,
 * on a machine that was started later, far away.
 */
import type { timens_entry } from '../../../image/schema/index.ts';
import { AT_FDCWD, O } from '../../../kernel/files.ts';
import { CAP, CAPABILITIES, CLONE } from '../../../kernel/process.ts';
import { joinTime, splitTime, type Clocks } from '../../../proc/timens.ts';
import type { Program } from '../../../program/program.ts';
import { rootTask, type FrozenTree } from '../../../image/tree.ts';
import type { RestoreContext } from '../../../restore/context.ts';
import { addJoin } from '../join.ts';
import { ownNamespace } from '../own.ts';

/** A line for /proc/PID/timens_offsets, as long as any can be: the kernel skips blanks. Both lines have to come in one write. */
const LINE = 48;

const ENTER_REMEDY = { EPERM: 'A time namespace needs CAP_SYS_ADMIN and CAP_SYS_TIME: run the restore as root', ENOSPC: 'The limit of time namespaces is reached (/proc/sys/user/max_time_namespaces)' };

/** What the clocks said; undefined: the image says nothing of them. CRIU numbers the namespace of the dump 0. */
export function clocksOf(tree: FrozenTree): timens_entry | undefined {
  const id = rootTask(tree)?.ids?.time_ns_id;
  const outer = tree.inventory.root_ids?.time_ns_id;
  return tree.timens.get(id === undefined || outer === undefined || id === outer ? 0 : id);
}

export function checkClocks(context: RestoreContext): void {
  const { tree } = context;
  if (context.options.joined?.has('time') === true) return;
  const entry = clocksOf(tree);
  if (entry === undefined) {
    const own = ownNamespace(context, 'time');
    if (own !== undefined) context.refuse(`timens-${own}.img`, 'it is missing: it says what the clocks of the tree said', 'The set is incomplete: copy all of its files');
    return;
  }
  const lacks = lacking(context);
  if (lacks === undefined) return;
  context.warnings.push(`the tree's monotonic clock stood at ${joinTime(entry.monotonic) / 1_000_000_000n} s; it will be that of this machine, as ${lacks}`);
}

/** Why there can be no time namespace, if so. */
function lacking({ host }: RestoreContext): string | undefined {
  if (host.clockOffsets === undefined) return 'this kernel has no time namespaces (CONFIG_TIME_NS)';
  for (const number of [CAP.SYS_ADMIN, CAP.SYS_TIME]) if (((host.permitted >> BigInt(number)) & 1n) === 0n) return `setting it needs CAP_${CAPABILITIES[number]}`;
  return undefined;
}

/** Steps of the root, while it is alone and has no thread (setns(2)). */
export function addClocks(p: Program, context: RestoreContext): void {
  const joined = context.options.joined?.get('time');
  if (joined !== undefined) {
    addJoin(p, 'time', joined);
    return;
  }
  const entry = clocksOf(context.tree);
  if (entry === undefined || lacking(context) !== undefined) return;
  p.resource('time namespace');
  p.call('unshare', [CLONE.NEWTIME], { keep: false, remedy: ENTER_REMEDY });
  const offsets = p.call('openat', [AT_FDCWD, p.cstring('/proc/self/timens_offsets'), O.WRONLY | O.CLOEXEC, 0], { remedy: { ENOENT: 'Is /proc mounted?' } });
  const lines = p.lateData(2 * LINE, () => Buffer.from((['monotonic', 'boottime'] as const).map((clock) => offsetLine(clock, joinTime(entry[clock]), context)).join('')));
  p.call('write', [offsets, lines, 2 * LINE], { keep: false, expect: { equals: 2 * LINE }, remedy: { ...ENTER_REMEDY, ERANGE: 'The image says a time that no clock can have: is it damaged?' } });
  p.call('close', [offsets], { keep: false });
  const space = p.call('openat', [AT_FDCWD, p.cstring('/proc/self/ns/time_for_children'), O.RDONLY | O.CLOEXEC, 0]);
  p.call('setns', [space, CLONE.NEWTIME], { keep: false, remedy: ENTER_REMEDY });
  p.call('close', [space], { keep: false });
}

/** @param wanted what the clock is to say now */
function offsetLine(clock: keyof Clocks, wanted: bigint, { clocks, host }: RestoreContext): string {
  if (clocks === undefined) throw new RangeError('the clocks were not read yet');
  const [sec, nsec] = splitTime(wanted - (clocks[clock] - (host.clockOffsets?.[clock] ?? 0n)));
  return `${clock} ${String(sec).padStart(21)} ${String(nsec).padStart(9)}`.padEnd(LINE - 1) + '\n';
}
