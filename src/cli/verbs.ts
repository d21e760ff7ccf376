/**
 * From options to verbs: what `bin/criu` and `stillframe`'s commands share. A verb's code is loaded only when it runs.
 */
import { resolve } from 'node:path';
import { StillframeError } from '../errors.ts';
import type { CheckReport } from '../check/check.ts';
import type { DumpOptions, DumpOutcome } from '../dump/options.ts';
import type { RestoreOptions, RestoreOutcome } from '../restore/options.ts';
import type { FileLog } from '../log.ts';
import type { Progress } from '../progress.ts';
import { usageError, parseArguments, type Arguments } from './arguments.ts';
import { readCpuCaps } from './cpu-cap.ts';
import { readConfigs } from './configfile.ts';
import { findDirectories, Given, readWords, refuseUnsupported, type Asked, type Directories } from './given.ts';
import { OPTION_ROWS, VERBS, type OptionRow, type Verb } from './options.ts';
import { NO_SCRIPTS, type Scripts } from './hooks.ts';
import { leave } from '../exit.ts';
import { isTerminal } from '../terminal.ts';

const STDERR = 2;

/** A verb with all it needs, ready to run; the log is open. */
export interface Ready {
  readonly asked: Asked;
  readonly given: Given;
  readonly directories: Directories;
  readonly log: FileLog;
}

/** The command line and the configuration files it calls for, as one list of options (later wins) and the words. */
export function readAll(argv: readonly string[], log: FileLog, rows: readonly OptionRow[] = OPTION_ROWS): Arguments {
  const { written, words } = parseArguments(argv, rows);
  const config = written.filter(({ row }) => row.name === 'config').at(-1)?.value;
  const defaults = config === undefined && !written.some(({ row }) => row.name === 'no-default-config');
  const read = readConfigs({ file: config, defaults });
  for (const file of read.files) log.debug(`Parsing config file ${file}`);
  for (const file of read.unreadable) log.info(`${file} cannot be read by this user and is passed over`);
  for (const file of read.missing) log.warn('cli', `$CRIU_CONFIG_FILE names ${file}, which does not exist`);
  return { written: [...read.written, ...written], words };
}

/** Checks everything that can be known before the verb starts, and opens the log. */
export function prepare({ written, words }: Arguments, log: FileLog, verb?: Verb): Ready {
  const given = new Given(written);
  log.level = given.verbosity;
  const asked = readWords(verb === undefined ? words : [verb, ...words], given);
  refuseVerb(asked.verb);
  const { withoutEffect } = refuseUnsupported(asked.verb, given);
  const directories = findDirectories(asked.verb, given, asked.sub);
  const output = given.text('log-file');
  log.open(output === undefined || output === '-' ? output : resolve(directories.work, output), { perTask: given.flag('log-pid') });
  for (const option of withoutEffect) log.debug(`${option} has no effect on ${asked.verb}`);
  if (given.flag('restore-sibling') && !given.flag('restore-detached')) {
    throw usageError('--restore-sibling only makes sense with --restore-detached', { remedy: 'Add -d' });
  }
  return { asked, given, directories, log };
}

function refuseVerb(verb: Verb): void {
  if (verb === 'exec') throw new StillframeError({ doing: 'cli', why: 'exec is gone from criu', exitCode: 255 });
  if (verb === 'show') throw new StillframeError({ doing: 'cli', why: 'show is gone from criu', remedy: 'Use: crit decode -i FILE --pretty', exitCode: 255 });
  if (VERBS.find(({ name }) => name === verb)?.since !== undefined) return;
  throw new StillframeError({ doing: 'cli', why: `${verb} is not supported yet`, remedy: 'It is known from criu and refused rather than done halfway' });
}

/** The scripts' runner brings child_process with it, which costs more to load than all else here: only when there are scripts. */
async function scripts({ given, directories, log }: Ready): Promise<Scripts> {
  const paths = given.texts('action-script');
  if (paths.length === 0) return NO_SCRIPTS;
  const { ActionScripts } = await import('./scripts.ts');
  return new ActionScripts(paths, directories.images, directories.work, log);
}

export async function dumpOptions(ready: Ready): Promise<DumpOptions> {
  const { given, directories } = ready;
  const pid = given.number('tree');
  if (pid === undefined) throw usageError('pid not specified', { remedy: 'Name the root of the tree: -t PID' });
  const last = given.lastOf('leave-running', 'leave-stopped');
  return {
    pid,
    imagesDir: directories.images,
    workDir: directories.work,
    finalState: last === undefined ? 'dead' : last === 'leave-running' ? 'running' : 'stopped',
    shellJob: given.flag('shell-job'),
    timeoutSeconds: given.number('timeout') ?? 10,
    ghostLimit: given.size('ghost-limit') ?? 1n << 20n,
    trackMemory: given.flag('track-mem'),
    parent: given.text('prev-images-dir'),
    progress: await progressOf(ready),
    precopy: precopyOptions(given, last === 'leave-running'),
    autoDedup: given.flag('auto-dedup'),
    dedupPages: dedupPages(given),
    cpuInfo: readCpuCaps(given).image,
    scripts: await scripts(ready),
    given: given.toMap(),
  };
}

/** Loaded only where somebody may watch. */
async function progressOf({ given }: Ready): Promise<Progress | undefined> {
  const how = given.text('progress') ?? (isTerminal(STDERR) ? 'bar' : 'none');
  if (how === 'none') return undefined;
  const { bar, lines } = await import('../progress.ts');
  return how === 'json' ? lines() : bar(process.stderr.columns);
}

/** The option that makes a dump a link of a chain, if one does. */
const chainedBy = (given: Given): string | undefined => (['track-mem', 'prev-images-dir', 'auto-dedup'] as const).find((name) => given.flag(name));

/** Pages in common are a parent set of their own. */
function dedupPages(given: Given): boolean {
  const asked = given.flag('dedup-pages'), chained = chainedBy(given);
  if (asked && chained !== undefined) throw usageError(`--dedup-pages and --${chained} do not go together`, { remedy: 'A set has one parent: leave one of the two out' });
  return asked;
}

/** What may be open between a dump and the next needs its own tracking. */
function precopyOptions(given: Given, running: boolean): DumpOptions['precopy'] {
  const asked = given.flag('precopy');
  const chained = chainedBy(given);
  if (asked && chained !== undefined) throw usageError(`--precopy and --${chained} do not go together`, { remedy: 'An increment is small anyway: leave --precopy out, or make pre-dumps before' });
  const maxPauseMs = given.number('max-pause') ?? MAX_PAUSE_MS;
  return chained === undefined && (asked || (running && given.uses('precopy').length === 0)) ? { asked, maxPauseMs } : undefined;
}

const MAX_PAUSE_MS = 10;

export async function restoreOptions(ready: Ready): Promise<RestoreOptions> {
  const { given, directories, asked, log } = ready;
  if (given.text('tree') !== undefined) log.warn('cli', 'Using -t with restore is obsolete: the images say which tree it is');
  const pidfile = given.text('pidfile');
  const cpuCaps = readCpuCaps(given);
  return {
    imagesDir: directories.images,
    workDir: directories.work,
    detach: given.flag('restore-detached'),
    sibling: given.flag('restore-sibling'),
    leaveStopped: given.flag('leave-stopped'),
    shellJob: given.flag('shell-job'),
    pidfile: pidfile === undefined ? undefined : resolve(directories.work, pidfile),
    execCommand: asked.execCommand,
    cpuCaps: cpuCaps.image ? cpuCaps.caps : undefined,
    progress: await progressOf(ready),
    scripts: await scripts(ready),
    given: given.toMap(),
  };
}

export async function runDump(ready: Ready): Promise<DumpOutcome> {
  const options = await dumpOptions(ready);
  const { dump } = await import('../dump/dump.ts');
  return dump(options, ready.log);
}

export async function runPreDump(ready: Ready): Promise<DumpOutcome> {
  const options = await dumpOptions(ready);
  const { preDump } = await import('../dump/pre-dump.ts');
  return preDump({ ...options, mode: ready.given.text('pre-dump-mode') === 'read' ? 'read' : 'splice' }, ready.log);
}

export async function runDedup({ directories, log }: Ready): Promise<bigint> {
  const { dedup } = await import('../dump/dedup.ts');
  return dedup(directories.images, log);
}

/** `cpuinfo dump` writes the image, `cpuinfo check` compares it: at least something, whatever --cpu-cap leaves out. */
export async function runCpuinfo({ asked, given, directories, log }: Ready): Promise<{ sub: string }> {
  const { caps } = readCpuCaps(given);
  if (asked.sub === 'dump') {
    const { dumpCpuinfo } = await import('../dump/cpuinfo.ts');
    dumpCpuinfo(directories.images, log);
    return { sub: 'dump' };
  }
  const { checkCpuinfo } = await import('../restore/cpuinfo.ts');
  checkCpuinfo(directories.images, caps.size === 0 ? new Set(['fpu', 'ins', 'cpu']) : caps, log);
  return { sub: 'check' };
}

/** `dump --plan`: looks, and lets go. @returns text for a person, and the same as data */
export async function runDumpPlan(ready: Ready): Promise<{ readonly text: string; readonly plan: import('../dump/plan.ts').DumpPlan }> {
  const options = await dumpOptions(ready);
  const { planDump, planText } = await import('../dump/plan.ts');
  const plan = planDump(options, ready.log);
  return { text: planText(plan), plan };
}

export async function runRestore(ready: Ready): Promise<RestoreOutcome> {
  await goBelowHelper(ready);
  const options = await restoreOptions(ready);
  const { restore } = await import('../restore/restore.ts');
  return restore(options, ready.log);
}

export async function runCheckVerb({ given, log }: Ready): Promise<CheckReport> {
  const { runCheck } = await import('../check/check.ts');
  const report = await runCheck({
    features: given.texts('feature'),
    extra: given.flag('extra') || given.flag('all'),
    experimental: given.flag('experimental') || given.flag('all'),
  }, log);
  const left = given.texts('feature').length > 0 ? '' : await describeLeftLocks();
  return left === '' ? report : { ...report, text: `${report.text}${left}` };
}

/** Network locks, which may be left by a crash: nothing of it makes the check fail. */
async function describeLeftLocks(): Promise<string> {
  const { describeLock, findLocks } = await import('../network-lock/leftovers.ts');
  try {
    return findLocks().map((lock) => `There is a network lock: ${describeLock(lock)}. If no images wait to be restored, 'stillframe unlock' removes it.\n`).join('');
  } catch {
    return '';
  }
}

/** -S: what the helper clones becomes a child of our caller only if the helper itself is one. Does not return when it has to change places. */
async function goBelowHelper({ given, log }: Ready): Promise<void> {
  if (!given.flag('restore-sibling')) return;
  const { goUnderHelper, isUnderHelper } = await import('../helper/under.ts');
  if (isUnderHelper()) return;
  const { helperPath } = await import('../helper/client.ts');
  const { parseInherited } = await import('../restore/inherited.ts');
  log.flush();
  // Node marks what it inherits as close-on-exec
  goUnderHelper(helperPath(), parseInherited(given.texts('inherit-fd')).map(({ fd }) => fd));
}

/** Set when this process was started below its helper (src/helper/under.ts); asked here so that nothing is loaded for it otherwise. */
const belowHelper = process.env['STILLFRAME_UNDER_HELPER'] !== undefined;

/** Ends this process. With -S it is the helper above that gives our caller the exit code. */
export async function exit(code: number): Promise<never> {
  if (belowHelper) {
    const { endHelper } = await import('../helper/under.ts');
    endHelper(code);
  }
  leave(code);
}

/** The same for a program that otherwise ends by itself, with `process.exitCode`. */
export async function endBelowHelper(): Promise<void> {
  if (belowHelper) await exit(Number(process.exitCode ?? 0));
}

/** What `stillframe plan` prints: the same plan that restore runs, compiled for a machine like that of the dump. */
export async function planImages(dir: string, { shellJob, detach }: { shellJob: boolean; detach: boolean }): Promise<{ text: string; json: unknown }> {
  const [{ openSet }, { readSets }, { planRestore }, { renderPlan, planToJSON }] = await Promise.all([
    import('../image/node/directory.ts'), import('../restore/sets.ts'), import('../restore/plan.ts'), import('../restore/render.ts'),
  ]);
  const set = openSet(dir);
  try {
    const plan = planRestore(readSets(set, dir), { shellJob, parentIsCaller: !detach, tcpEstablished: true });
    return { text: renderPlan(plan), json: planToJSON(plan) };
  } finally {
    set.close();
  }
}

/** --exec-cmd: this process becomes the command. Does nothing without the option, does not return with it. */
export async function becomeCommand({ asked, log }: Ready): Promise<void> {
  if (asked.execCommand === undefined) return;
  log.flush();
  const { exec } = await import('./exec.ts');
  exec(asked.execCommand);
}
