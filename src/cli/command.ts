/**
 * What `stillframe`'s commands have in common: options from the option table (so that criu's spellings work as they stand),
 * errors as `Error: ...` with the error's exit code, and `--json`.
 */
import { Command, Flags, type Interfaces } from '@oclif/core';
import { StillframeError } from '../errors.ts';
import { FileLog } from '../log.ts';
import { OPTION_ROWS, supportedSince, type OptionName, type OptionRow, type Verb } from './options.ts';
import { parseArguments, type Arguments } from './arguments.ts';
import { errorText } from './error-text.ts';
import { prepare, readAll, type Ready } from './verbs.ts';

const JSON_ROW: OptionRow = { name: 'json', kind: 'flag', verbs: [], since: '0.1.0', group: 'General', text: 'Print the result as JSON.' };

/** The options of a verb as oclif flags: for its help, the completion and the manifest. */
export function verbFlags(verb: Verb): Interfaces.FlagInput {
  return rowFlags(OPTION_ROWS.filter((row) => supportedSince(row, verb) !== undefined && row.verbs.includes(verb) && row.name !== 'help' && row.name !== 'version' && row.sameAs === undefined));
}

function rowFlags(rows: readonly OptionRow[]): Interfaces.FlagInput {
  const flags: Interfaces.FlagInput = {};
  for (const row of rows) {
    const common = { description: row.text, helpGroup: row.group, ...(row.short === undefined ? {} : { char: row.short as Interfaces.AlphabetLowercase }) };
    const valued = { ...common, helpValue: row.value, ...(row.choices === undefined ? {} : { options: [...row.choices] }) };
    if (row.kind !== 'flag') flags[row.name] = row.many ? Flags.string({ ...valued, multiple: true }) : Flags.string(valued);
    else flags[row.name] = row.negatable ? Flags.boolean({ ...common, allowNo: true }) : Flags.boolean(common);
  }
  return flags;
}

export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true;
  /** Options are read by our own table-driven reader: oclif's cannot take `-v4 -vv -Dimg` and optional values. */
  override parsed = true;

  /** Rows of the table as flags, for a command that takes only these. */
  protected static flagsOf(...names: OptionName[]): Interfaces.FlagInput {
    return rowFlags(OPTION_ROWS.filter(({ name }) => (names as readonly string[]).includes(name)));
  }

  /** Reads options and words by criu's rules. `own` are options that only this command has. */
  protected readOwn(own: readonly OptionRow[] = []): Arguments {
    return parseArguments(this.argv, [...own, JSON_ROW]);
  }

  /** Options (`own`: of this command only; those given are returned), configuration files, directories and log of a verb. With `-o` the log file also gets the error. */
  protected ready(verb: Verb, own: readonly OptionRow[] = []): Ready & { readonly own: readonly string[] } {
    const log = new FileLog();
    this.#log = log;
    const more = [JSON_ROW, ...own];
    const read = readAll(this.argv, log, [...OPTION_ROWS, ...more]);
    const ready = prepare({ written: read.written.filter(({ row }) => !more.includes(row)), words: read.words }, log, verb);
    return { ...ready, own: read.written.filter(({ row }) => own.includes(row)).map(({ row }) => row.name) };
  }

  /** Runs a verb; prints its statistics where they are asked for. `after` is the last thing before the result is told. */
  protected async runVerb<Outcome extends { readonly stats: Stats }, Stats>(
    verb: Verb, run: (ready: Ready) => Promise<Outcome>, statsText: (stats: Stats) => string[], after?: (ready: Ready) => Promise<void>,
    ready: Ready = this.ready(verb),
  ): Promise<Outcome & { imagesDir: string }> {
    const outcome = await run(ready);
    if (ready.given.flag('display-stats')) this.log(statsText(outcome.stats).join('\n'));
    await after?.(ready);
    return { imagesDir: ready.directories.images, ...outcome };
  }

  #log: FileLog | undefined;

  protected override async catch(error: Error & { exitCode?: number }): Promise<unknown> {
    if (this.#log?.output !== undefined) this.#log.report(error);
    this.#log?.discard();
    process.exitCode = error.exitCode ?? 1;
    if (this.jsonEnabled()) this.logJson(this.toErrorJson(error));
    else process.stderr.write(errorText(error));
    return undefined;
  }

  protected override async finally(error: Error | undefined): Promise<unknown> {
    this.#log?.close();
    return super.finally(error);
  }

  /** 64-bit numbers as JSON numbers; beyond 2^53 as strings, so that nothing is rounded. */
  protected override toSuccessJson(result: unknown): unknown {
    return JSON.parse(JSON.stringify(result, (_, value: unknown) => (typeof value === 'bigint' ? (value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER) ? Number(value) : String(value)) : value)));
  }

  protected override toErrorJson(error: unknown): unknown {
    if (!(error instanceof StillframeError)) return { error: { message: error instanceof Error ? error.message : String(error) } };
    const { doing, where, why, remedy } = error.parts;
    return { error: { message: error.message, doing, where, why, remedy, exitCode: error.exitCode } };
  }
}

export { errorText };
