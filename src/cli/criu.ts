/**
 * `bin/criu`: criu 4.2's command line. Early mistakes go to stderr, later ones to the log, as engines expect; exit codes are criu's:
 * 0 done, 1 failed or refused, a post-dump script's own code when that failed.
 */
import { writeSync } from 'node:fs';
import { StillframeError } from '../errors.ts';
import { FileLog } from '../log.ts';
import { CRIU_VERSION, STILLFRAME_VERSION } from '../version.ts';
import { help, usage } from './help.ts';
import { becomeCommand, prepare, readAll, runCheckVerb, runCpuinfo, runDedup, runDump, runPreDump, runRestore, type Ready } from './verbs.ts';

const STDOUT = 1;

/** @returns the exit code */
export async function main(argv: readonly string[]): Promise<number> {
  const log = new FileLog();
  try {
    if (argv.length === 0) {
      print(`${usage()}\nTry -h|--help for more info\n`);
      return 1;
    }
    if (asksFor(argv, '-h', '--help')) { print(help()); return 0; }
    const read = readAll(argv, log);
    if (read.written.some(({ row }) => row.name === 'help')) { print(help()); return 0; }
    if (read.written.some(({ row }) => row.name === 'version')) { print(versionText()); return 0; }
    return await run(prepare(read, log));
  } catch (error) {
    log.report(error);
    return error instanceof StillframeError ? error.exitCode : 1;
  } finally {
    log.close();
  }
}

/** What scripts and engines read: the first line is criu's own. */
export function versionText(): string {
  return `Version: ${CRIU_VERSION}\nStillframe: ${STILLFRAME_VERSION}\n`;
}

async function run(ready: Ready): Promise<number> {
  const { asked, given } = ready;
  if (asked.verb === 'dump' || asked.verb === 'pre-dump') {
    const { stats } = await (asked.verb === 'dump' ? runDump : runPreDump)(ready);
    if (given.flag('display-stats')) print(`${(await import('../stats.ts')).dumpStatsText(stats).join('\n')}\n`);
    return 0;
  }
  if (asked.verb === 'restore') {
    const { stats } = await runRestore(ready);
    if (given.flag('display-stats')) print(`${(await import('../stats.ts')).restoreStatsText(stats).join('\n')}\n`);
    await becomeCommand(ready);
    return 0;
  }
  if (asked.verb === 'dedup') {
    await runDedup(ready);
    return 0;
  }
  if (asked.verb === 'cpuinfo') {
    await runCpuinfo(ready);
    return 0;
  }
  if (asked.verb === 'check') {
    const { text, ok } = await runCheckVerb(ready);
    print(text);
    return ok ? 0 : 1;
  }
  throw new Error(`${asked.verb} is marked as supported and has no code`);
}

/** criu looks for help before anything else, so that a broken configuration file cannot hide it. */
function asksFor(argv: readonly string[], ...spellings: string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? undefined : end).some((arg) => spellings.includes(arg));
}

function print(text: string): void {
  let bytes = Buffer.from(text, 'utf8');
  while (bytes.length > 0) bytes = bytes.subarray(writeSync(STDOUT, bytes));
}
