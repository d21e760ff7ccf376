/**
 * What is read of a frozen tree, in the frozen window: first everything that can refuse it (nothing is changed by that), then what the
 * threads themselves are asked. Turning it into images is ./compose.ts.
 */
import { lstatSync, statSync } from 'node:fs';
import { keepToBaseline } from '../engine.ts';
import { findLandings, pickDoneSignal, type Landings } from '../helper/landing.ts';
import type { Helper, RunOptions } from '../helper/client.ts';
import type { ThreadState } from '../helper/protocol.ts';
import type { task_kobj_ids_entry, fs_entry } from '../image/schema/index.ts';
import { DEVICE, DEV_ZERO, major, minor } from '../kernel/devices.ts';
import { O, S } from '../kernel/files.ts';
import { parseAuxv } from '../proc/auxv.ts';
import { readProc, readProcLink, readProcRecord, readProcText } from '../proc/read.ts';
import { parseSmaps, type Mapping } from '../proc/smaps.ts';
import { parseStat } from '../proc/stat.ts';
import { parseStatus } from '../proc/status.ts';
import type { Clocks } from '../proc/timens.ts';
import { parseTimers, type ProcTimer } from '../proc/timers.ts';
import { Program, type RanBlock } from '../program/program.ts';
import { settleRing } from '../resources/aio/dump.ts';
import { executableId, fsEntry } from '../resources/filesystem/dump.ts';
import { CONFINED, LookedAt } from '../resources/landlock/dump.ts';
import { settleSocketMemory } from '../resources/packet/memory-dump.ts';
import { describeMapping, describeMappings, refuseMapping, type DumpedMapping, type MappedFile } from '../resources/memory/dump.ts';
import { leaveOutProbes } from '../resources/memory/uprobes.ts';
import { processSettings, type ProcessSettings } from '../resources/process/dump.ts';
import { isCompat, lostComponents, nameOriginalCall } from '../resources/registers/dump.ts';
import { NamedFiles } from '../resources/regular/dump.ts';
import { enterIpc } from '../resources/namespaces/ipc/dump.ts';
import { askClocks } from '../resources/namespaces/time/clocks.ts';
import { treeClocks } from '../resources/namespaces/time/dump.ts';
import { askScheduling, type SchedFacts } from '../resources/scheduling/dump.ts';
import { refuseUndo } from '../resources/sysv-sem/dump.ts';
import { collectSegments, isSysv } from '../resources/sysv-shm/dump.ts';
import { mappedMemoryFile } from '../resources/shared-memory/dump.ts';
import { leaderProgram, refuseUnshared, threadProgram, type ProcessAnswers, type Questions, type ThreadAnswers } from '../resources/threads/dump.ts';
import type { DumpContext } from './context.ts';
import { collectFiles, readDescriptors, type OpenFiles } from './descriptors.ts';
import type { Descriptor } from './file-kinds.ts';
import type { HostFacts } from './probe.ts';
import { withLate } from '../resources/signals/late.ts';
import { describeTask, type FrozenTask, type FrozenThread } from './frozen.ts';
import { checkNamespaces, objectIds, type OwnNamespaces } from './ids.ts';
import type { FileStat } from '../kernel/stat.ts';

/** Everything known of a living task. */
export interface CollectedTask {
  readonly task: FrozenTask;
  readonly ids: task_kobj_ids_entry;
  readonly settings: ProcessSettings;
  readonly timers: readonly ProcTimer[];
  readonly auxv: readonly bigint[];
  readonly exeId: number;
  readonly fs: fs_entry;
  readonly mappings: readonly DumpedMapping[];
  /** Filled by `askThreads`. */
  answers: ProcessAnswers | undefined;
  readonly threads: Map<number, ThreadAnswers>;
}

export interface Collected {
  readonly living: readonly CollectedTask[];
  readonly files: OpenFiles;
  readonly named: NamedFiles;
}

/** Of a tree: threads, of a task: mappings, for which much is to be done. */
const MANY_THREADS = 40, MANY_MAPPINGS = 500;

/** How long a task's program may take: it only asks. */
const RUN_TIMEOUT_MS = 10_000;

/**
 * Reads all that can be read from outside, and fills the list of refusals.
 * @param stateOf asks for registers and signals of threads, in order; what it returns waits for them
 * @param descriptorsOf reads the descriptors of a task
 */
export function collect(context: DumpContext, own: OwnNamespaces, stateOf: (tids: readonly number[]) => () => readonly ThreadState[],
  descriptorsOf: (task: FrozenTask) => Descriptor[] = (task) => readDescriptors(task, context.helper)): Collected {
  const living = context.tasks.filter(({ zombie }) => !zombie);
  if (living.reduce((sum, { tids }) => sum + tids.length, 0) > MANY_THREADS) keepToBaseline();
  const states = stateOf(living.flatMap(({ tids }) => tids));
  const read = living.map((task) => readTask(task, context));
  addStates(living, read, states(), context);
  for (const task of living) leaveOutProbes(task, context);
  for (const task of living) {
    checkNamespaces(task, own, context);
    checkTask(task, context);
  }
  checkSession(context);
  const ids = objectIds(living, own, context);
  const tables = new Map<number, readonly Descriptor[]>();
  for (const task of living) {
    const filesId = ids.get(task.pid)!.files_id;
    if (!tables.has(filesId)) tables.set(filesId, descriptorsOf(task));
  }
  const named = new NamedFiles(context);
  for (const { mappings } of living) for (const mapping of mappings) if (isSysv(mapping)) context.reservedShmids.add(Number(mapping.inode));
  const known: KnownFiles = new Map();
  const collected = living.map((task) => collectTask(task, ids.get(task.pid)!, named, known, context));
  const ipc = collected[0]?.ids.ipc_ns_id ?? 0;
  if (collected[0] !== undefined && ipc !== (own.ids.ipc_ns_id ?? 0)) enterIpc(collected[0].task, context);
  collectSegments(collected, ipc, context);
  refuseUndo(living, context);
  refuseUnshared(living, context);
  const files = collectFiles(tables, context);
  settleSocketMemory(collected, files.files, context);
  return { living: collected, files, named };
}

type ReadThread = Omit<FrozenThread, 'state'>;

/** What /proc says of a task, while the helper asks for the states of threads. */
function readTask(task: FrozenTask, context: DumpContext): ReadThread[] {
  const { log, known } = context;
  log.debug(`Reading task (pid: ${task.pid} comm: ${task.stat.comm})`);
  context.cgroups?.read(task, context);
  context.labels?.read(task);
  const threads = task.tids.map((tid): ReadThread => {
    const dir = `/proc/${task.pid}/task/${tid}`;
    return { tid, stat: parseStat(readProcRecord(`${dir}/stat`)), status: parseStatus(readProcRecord(`${dir}/status`)) };
  });
  task.mappings = mappingsOf(task, known);
  if (task.mappings.length > MANY_MAPPINGS) keepToBaseline();
  return threads;
}

function addStates(tasks: readonly FrozenTask[], read: readonly (readonly ReadThread[])[], states: readonly ThreadState[], { helper }: DumpContext): void {
  const byTid = new Map(states.map((state) => [state.tid, state]));
  tasks.forEach((task, i) => {
    task.threads = read[i]!.map((thread) => {
      const state = byTid.get(thread.tid);
      if (state === undefined) throw new RangeError(`the helper gave no state of thread ${thread.tid}`);
      nameOriginalCall(state, (address, size) => helper.peek(task.pid, address, size));
      return { ...thread, state };
    });
  });
}

/** Of a frozen task: as known from before, if nothing has changed. */
export const mappingsOf = ({ pid, stat }: Pick<FrozenTask, 'pid' | 'stat'>, known: DumpContext['known']): Mapping[] =>
  known?.mappings({ pid, start: stat.startTime }) ?? parseSmaps(readProcText(`/proc/${pid}/smaps`));

function checkTask(task: FrozenTask, { refusals, tracker }: DumpContext): void {
  for (const { tid, state, status } of task.threads) {
    const where = tid === task.pid ? describeTask(task) : `${describeTask(task)}, thread ${tid}`;
    if (isCompat(state)) refusals.add(where, 'it is a 32-bit program, which is not supported');
    if (status.seccomp !== 0 && !task.seccompSuspended) refusals.add(where, 'it runs under seccomp, which could not be suspended while it is dumped', 'Run the dump with CAP_SYS_ADMIN, outside of seccomp');
    if (status.shadowStack) refusals.add(where, 'it has a shadow stack (CET), which is not supported', 'Start the program without it: GLIBC_TUNABLES=glibc.cpu.x86_shstk=off');
    for (const lost of lostComponents(state.xstate)) refusals.add(where, `it uses ${lost}, for which the image format has no place`);
  }
  for (const mapping of task.mappings) {
    const refusal = refuseMapping(mapping, () => tracker?.isOurs({ pid: task.pid, start: task.stat.startTime }) ?? false);
    if (refusal !== undefined) refusals.add(`${describeTask(task)}, ${describeMapping(mapping)}`, refusal.why, refusal.remedy);
  }
}

function checkSession({ tasks, options, refusals }: DumpContext): void {
  const root = tasks[0]!;
  if (root.stat.sid === root.pid || options.shellJob) return;
  refusals.add(describeTask(root), `it is not a session leader: its session (${root.stat.sid}) is led by somebody outside of the tree`,
    'Say with -j (--shell-job) that it may be put into the session of whoever restores it');
}

function collectTask(task: FrozenTask, ids: task_kobj_ids_entry, named: NamedFiles, known: KnownFiles, context: DumpContext): CollectedTask {
  const { pid } = task;
  return {
    task, ids, settings: processSettings(pid), timers: parseTimers(readProcText(`/proc/${pid}/timers`)), auxv: parseAuxv(readProc(`/proc/${pid}/auxv`)),
    mappings: describeMappings(task.mappings, mappedFiles(task, named, known, context)),
    exeId: executableId(task, named), fs: fsEntry(task, task.threads[0]!.status.umask, named),
    answers: undefined, threads: new Map(),
  };
}

/** By device, inode and path. */
type KnownFiles = Map<string, { readonly id: number; readonly memfd: boolean }>;

/** Files behind the mappings of a task; a file that is mapped several times, by one task or by many, is looked at once. */
function mappedFiles(task: FrozenTask, named: NamedFiles, known: KnownFiles, context: DumpContext): (mapping: Mapping) => MappedFile {
  return (mapping) => {
    if (refuseMapping(mapping, () => true) !== undefined) return { id: 0, memfd: false, access: O.RDONLY };
    const door = `/proc/${task.pid}/map_files/${mapping.range}`;
    const access = accessOf(Number(lstatSync(door).mode));
    const key = `${mapping.device} ${mapping.inode} ${mapping.name}`;
    let file = known.get(key);
    if (file === undefined) {
      const stat: FileStat = statSync(door, { bigint: true });
      const link = readProcLink(door);
      const memfd = stat.dev === context.shmemDevice || context.hugeDevices.has(stat.dev);
      if (!mappable(stat)) context.refusals.add(`${describeTask(task)}, ${describeMapping(mapping)}`, 'memory of a device cannot be dumped');
      const id = memfd ? mappedMemoryFile({ link, stat, door }, context) : named.id({ link, stat, door }, `${describeTask(task)}, ${describeMapping(mapping)}`);
      known.set(key, file = { id, memfd });
    }
    return { ...file, access };
  };
}

/** The memory file behind a mapping, if it is one. */
export function memoryFileBehind(task: FrozenTask, mapping: Mapping, context: DumpContext): { link: string; stat: FileStat; door: string } | undefined {
  const door = `/proc/${task.pid}/map_files/${mapping.range}`;
  const stat: FileStat = statSync(door, { bigint: true });
  const memfd = stat.dev === context.shmemDevice || context.hugeDevices.has(stat.dev);
  return memfd ? { link: readProcLink(door), stat, door } : undefined;
}

/** Regular files, and /dev/zero, whose mapping is plain memory. */
function mappable(stat: FileStat): boolean {
  const type = Number(stat.mode) & S.IFMT;
  return type === S.IFREG || (type === S.IFCHR && major(stat.rdev) === DEVICE.MEM && minor(stat.rdev) === DEV_ZERO);
}

/** The mode of a link in map_files tells how the file was opened. */
function accessOf(mode: number): number {
  switch (mode & 0o600) {
    case 0o600: return O.RDWR;
    case 0o200: return O.WRONLY;
    default: return O.RDONLY;
  }
}

/** Who runs programs in threads: the helper, or what stands in for it. */
export type Runner = Pick<Helper, 'runEach' | 'visit'>;

/** Lets every thread run its program. After this the tree was touched, though nothing of it shows. */
export function askThreads(collected: Collected, context: DumpContext, { landlock }: Pick<HostFacts, 'landlock'>, runner: Runner = context.helper): void {
  const lookedAt = new LookedAt(context.helper, context.labels, landlock);
  try {
    runPrograms(collected, context, runner, lookedAt);
  } finally {
    lookedAt.close();
  }
}

function runPrograms({ living }: Collected, { helper, refusals }: DumpContext, runner: Runner, lookedAt: LookedAt): void {
  const entered = living.map((one) => ({ one, ways: landingsOf(one.task, helper), signals: doneSignals(one.task) }));
  const of = (tid: number, task: FrozenTask): string => `dump: thread ${tid} of ${describeTask(task)}`;
  for (const together of sideBySide(entered, lookedAt)) {
    const { program, read } = together[0]!.questions;
    const blocks = together.length === 1
      ? together.map(({ one: { task }, ways: { landing }, signals }) => runner.runEach([task.pid], program, { landing, doneSignal: signals.get(task.pid)!, timeoutMs: RUN_TIMEOUT_MS })[0]!)
      : runner.visit(together.map(({ one: { task }, ways: { landing }, signals }) => ({ tid: task.pid, landing, doneSignal: signals.get(task.pid)! })), program, RUN_TIMEOUT_MS);
    together.forEach(({ one }, i) => { one.answers = read(blocks[i]!.check(of(one.task.pid, one.task))); });
  }
  for (const { one, ways: { landing, second }, signals } of entered) {
    const { task } = one;
    for (const { entry } of one.mappings) settleRing(entry, one.answers!.aio);
    const together = second === undefined ? undefined : { second, pid: task.pid };
    for (const { doneSignal, looksAt, tids } of alike(task, signals, lookedAt)) {
      const { program, read } = threadProgram(looksAt);
      runner.runEach(tids, program, { landing, together, doneSignal, timeoutMs: RUN_TIMEOUT_MS }).forEach((ran, i) => one.threads.set(tids[i]!, read(ran.check(of(tids[i]!, task)))));
    }
    const confined = one.answers!.confined ? task.pid : [...one.threads].find(([, { confined: is }]) => is)?.[0];
    if (confined !== undefined) refusals.add(confined === task.pid ? describeTask(task) : `${describeTask(task)}, thread ${confined}`, CONFINED.why, CONFINED.remedy);
  }
}

/**
 * Adds the signals that came since the threads were stopped.
 * @param states of all threads, as they are now
 * @param elapsedMs at least the time since the timers were asked
 */
export function addLateSignals({ living }: Collected, states: readonly ThreadState[], elapsedMs: number): void {
  const byTid = new Map(states.map((state) => [state.tid, state]));
  for (const { task, answers } of living) {
    for (const thread of task.threads) thread.state = { ...thread.state, ...withLate(thread.state, byTid.get(thread.tid)!, answers!.timers, elapsedMs) };
  }
}

/** Threads beside the leader that can run the same program in the same way. */
function alike({ threads }: FrozenTask, signals: ReadonlyMap<number, number>, lookedAt: LookedAt): { doneSignal: number; looksAt: number; tids: number[] }[] {
  const groups = new Map<string, { doneSignal: number; looksAt: number; tids: number[] }>();
  for (const thread of threads.slice(1)) {
    const [doneSignal, looksAt] = [signals.get(thread.tid)!, lookedAt.by(thread)];
    const key = `${doneSignal} ${looksAt}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { doneSignal, looksAt, tids: [thread.tid] });
    else group.tids.push(thread.tid);
  }
  return [...groups.values()];
}

interface Entered { readonly one: CollectedTask; readonly ways: Landings; readonly signals: ReadonlyMap<number, number> }
interface Asked extends Entered { readonly questions: Questions<ProcessAnswers> }

/** Leaders that can run the same program at the same time: no two that share memory, none on a landing that is in use. The others go alone. */
function sideBySide(entered: readonly Entered[], lookedAt: LookedAt): Asked[][] {
  const groups = new Map<Program, Asked[]>();
  const alone: Asked[][] = [];
  const memories = new Set<number>();
  for (const each of entered) {
    const { one: { timers, task, ids }, ways } = each;
    const questions = leaderProgram(timers, task.mappings, lookedAt.by(task.threads[0]!));
    const asked = { ...each, questions };
    const group = groups.get(questions.program);
    if (ways.used || memories.has(ids.vm_id)) alone.push([asked]);
    else if (group === undefined) groups.set(questions.program, [asked]);
    else group.push(asked);
    memories.add(ids.vm_id);
  }
  return [...groups.values(), ...alone];
}

/** How the main thread of a frozen task runs a program. Its registers and status must have been read. */
export function enterLeader(task: FrozenTask, { helper }: Pick<DumpContext, 'helper'>): RunOptions {
  return { landing: landingsOf(task, helper).landing, doneSignal: doneSignals(task).get(task.pid)!, timeoutMs: RUN_TIMEOUT_MS };
}

const landingsOf = (task: FrozenTask, helper: Helper): Landings =>
  findLandings(helper, task.pid, task.mappings.map(({ start, end, exec, name }) => ({ start, end, name, executable: exec })));

/** For each thread the signal by which it tells that its program is done: a thread may block one that the others do not (Node's has one that blocks all). */
function doneSignals({ threads }: FrozenTask): Map<number, number> {
  const caught = threads[0]!.status.sigCgt;
  let pending = 0n;
  for (const { state } of threads) {
    for (const siginfo of [...state.pending, ...state.sharedPending]) pending |= 1n << BigInt(siginfo.readInt32LE(0) - 1);
  }
  return new Map(threads.map(({ tid, state }) => [tid, pickDoneSignal({ caught, blocked: state.sigmask, pending })]));
}

/** What the helper can tell of threads, and the tree's clocks. */
export interface Outside { readonly scheduling: ReadonlyMap<number, SchedFacts>; readonly clocks: Clocks }

/** @param maskSize bytes of a CPU mask of this kernel */
export function askHelper({ living }: Collected, { helper }: DumpContext, maskSize: number): Outside {
  const program = new Program('helper');
  const readers = new Map<number, (ran: RanBlock) => SchedFacts>();
  for (const { task } of living) for (const { tid, stat } of task.threads) readers.set(tid, askScheduling(program, tid, stat, maskSize));
  const clocks = askClocks(program);
  const ran = helper.local(program).check('dump');
  const [first] = living;
  return {
    scheduling: new Map([...readers].map(([tid, read]) => [tid, read(ran)])),
    clocks: first === undefined ? clocks(ran) : treeClocks(clocks(ran), first.task.pid),
  };
}
