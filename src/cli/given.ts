/**
 * The options a verb was given, checked and typed: values from the configuration files and the command line together, later ones win.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { StillframeError } from '../errors.ts';
import { DEFAULT_LEVEL } from '../log.ts';
import { usageError, type Written } from './arguments.ts';
import { OPTION_ROWS, supportedSince, VERBS, type OptionName, type OptionRow, type Verb } from './options.ts';

export class Given {
  /** @throws StillframeError for a value that is not what its row says */
  constructor(readonly written: readonly Written[]) {
    for (const one of written) checkValue(one);
  }

  /** All uses of an option and of its other spellings, in order. */
  uses(name: OptionName): readonly Written[] {
    return this.written.filter(({ row }) => (row.sameAs ?? row.name) === name);
  }

  flag(name: OptionName): boolean {
    const last = this.uses(name).at(-1);
    return last !== undefined && !last.negated;
  }

  text(name: OptionName): string | undefined { return this.uses(name).at(-1)?.value; }

  texts(name: OptionName): readonly string[] { return this.uses(name).flatMap(({ value }) => (value === undefined ? [] : [value])); }

  number(name: OptionName): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : Number(text);
  }

  size(name: OptionName): bigint | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : parseSize(text);
  }

  /** Of several options that exclude each other, the one given last. */
  lastOf(...names: OptionName[]): OptionName | undefined {
    const last = this.written.filter(({ row }) => names.some((name) => name === row.name)).at(-1);
    return names.find((name) => name === last?.row.name);
  }

  /** -v: `-v3` sets, a bare `-v` adds one, `-vvv` adds three. Starts at 2. `-verbosity=N`, with one dash, is what scripts got by with in criu. */
  get verbosity(): number {
    let level: number = DEFAULT_LEVEL;
    for (const { value } of this.uses('verbosity')) {
      if (value === undefined) level += 1;
      else if (value.startsWith('v')) level += value.length + 1;
      else level = Number(value.replace(/^erbosity=/, ''));
    }
    return level;
  }

  /** By long name, for those who look up an option that has no field of its own: values as given, `[]` for a flag that is on. */
  toMap(): ReadonlyMap<string, readonly string[]> {
    const map = new Map<string, string[]>();
    for (const { row, value, negated } of this.written) {
      const name = row.sameAs ?? row.name;
      if (negated) map.delete(name);
      else map.set(name, [...(row.many ? map.get(name) ?? [] : []), ...(value === undefined ? [] : [value])]);
    }
    return map;
  }
}

const SIZE = /^(\d+)([KMG]?)$/i;
const SHIFT: Readonly<Record<string, bigint>> = { '': 0n, K: 10n, M: 20n, G: 30n };

/** `4096`, `512K`, `1M`, `2G` in bytes. */
export function parseSize(text: string): bigint {
  const match = SIZE.exec(text);
  if (match === null) throw new RangeError(`not a size: ${text}`);
  return BigInt(match[1]!) << SHIFT[match[2]!.toUpperCase()]!;
}

const WANTED: Readonly<Partial<Record<OptionRow['kind'], { readonly is: RegExp; readonly wanted: string }>>> = {
  pid: { is: /^0*[1-9]\d{0,9}$/, wanted: 'a pid: a number from 1 on' },
  number: { is: /^\d{1,9}$/, wanted: 'a number, 0 or more' },
  port: { is: /^0*[1-9]\d{0,4}$/, wanted: 'a port: 1 to 65535' },
  fd: { is: /^\d{1,9}$/, wanted: 'a descriptor number' },
  size: { is: SIZE, wanted: 'a size: bytes, or with K, M or G behind' },
  count: { is: /^(v+|(erbosity=)?\d{1,3})$/, wanted: 'a level from 0 to 4' },
  path: { is: /[^]/, wanted: 'a path' },
};

function checkValue({ row, spelled, value, source }: Written): void {
  if (value === undefined) return;
  const bad = (wanted: string): never => {
    throw usageError(`invalid argument for ${spelled}: ${value}`, { where: source, remedy: `It must be ${wanted}` });
  };
  const wanted = WANTED[row.kind];
  if (wanted !== undefined && !wanted.is.test(value)) bad(wanted.wanted);
  if (row.kind === 'port' && Number(value) > 65535) bad('a port: 1 to 65535');
  if (row.choices !== undefined && !row.choices.includes(value)) bad(`one of ${row.choices.join(', ')}`);
}

/**
 * Refuses what is known and not supported on this verb, by name. What has no meaning for the verb is returned: criu accepts it silently.
 */
export function refuseUnsupported(verb: Verb, given: Given): { readonly withoutEffect: readonly string[] } {
  const withoutEffect: string[] = [];
  for (const { row, spelled, negated, source } of given.written) {
    if (row.name === 'ms') throw usageError('--ms is gone from criu', { where: source, remedy: 'Use --extra and --experimental, or --all' });
    if (!row.verbs.includes(verb)) { withoutEffect.push(spelled); continue; }
    if (supportedSince(row, verb) !== undefined || negated) continue;
    throw new StillframeError({
      doing: 'cli', where: source, why: `${spelled} is not supported by ${verb} yet`,
      remedy: `It is known from criu (${row.text.replace(/\.$/, '')}) and refused rather than ignored; leave it out if the tree does not need it`,
    });
  }
  return { withoutEffect };
}

/** What the words of the command line ask for. */
export interface Asked {
  readonly verb: Verb;
  /** `cpuinfo dump`: `dump`; `swrk 3`: `3`. */
  readonly sub: string | undefined;
  readonly execCommand: readonly string[] | undefined;
}

export function readWords(words: readonly string[], given: Given): Asked {
  const [first, ...rest] = words;
  if (first === undefined) throw usageError('a command is required', { remedy: `One of ${VERBS.map(({ name }) => name).join(', ')}; try --help` });
  const verb = VERBS.find(({ name }) => name === first)?.name;
  if (verb === undefined) throw usageError(`unknown command: ${first}`, { remedy: /^\d+$/.test(first) ? `Attach the value: -v${first}` : 'Try --help' });
  let sub: string | undefined;
  if (verb === 'cpuinfo' || verb === 'swrk') {
    sub = rest.shift();
    if (sub === undefined) throw usageError(verb === 'swrk' ? 'usage: criu swrk FD' : 'cpuinfo requires an action: dump or check');
    if (verb === 'cpuinfo' && sub !== 'dump' && sub !== 'check') throw usageError(`unknown cpuinfo action: ${sub}`);
  }
  if (given.flag('exec-cmd')) {
    if (rest.length === 0) throw usageError('--exec-cmd requires a command', { remedy: 'Write it at the end: restore --exec-cmd -- COMMAND' });
    if (verb !== 'restore') throw usageError('--exec-cmd is for restore only');
    if (given.flag('restore-detached')) throw usageError('--restore-detached and --exec-cmd cannot be used together');
    return { verb, sub, execCommand: rest };
  }
  if (rest.length > 0) {
    throw usageError(`excessive parameter${rest.length > 1 ? 's' : ''} for command ${verb}: ${rest.join(' ')}`, {
      remedy: verb === 'restore' ? 'A command to run afterwards needs --exec-cmd' : 'Try --help',
    });
  }
  return { verb, sub, execCommand: undefined };
}

export interface Directories {
  readonly images: string;
  readonly work: string;
}

/** Makes the directories absolute (from where the caller is) and sees that they can be used. */
export function findDirectories(verb: Verb, given: Given, sub?: string): Directories {
  const images = resolve(given.text('images-dir') ?? '.');
  const work = resolve(given.text('work-dir') ?? images);
  const writes = verb === 'dump' || verb === 'pre-dump' || (verb === 'cpuinfo' && sub === 'dump');
  checkDirectory(images, `-D ${given.text('images-dir') ?? '.'}`, writes ? constants.W_OK | constants.X_OK : constants.R_OK | constants.X_OK);
  if (work !== images) checkDirectory(work, `-W ${given.text('work-dir') ?? ''}`, constants.X_OK);
  return { images, work };
}

function checkDirectory(path: string, where: string, mode: number): void {
  const fail = (why: string, remedy?: string): never => { throw new StillframeError({ doing: 'cli', where, why, remedy }); };
  let stat;
  try {
    stat = statSync(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    return fail(code === 'ENOENT' ? `the directory ${path} does not exist` : `${path}: ${code}`, code === 'ENOENT' ? `Make it first: mkdir -p ${path}` : undefined);
  }
  if (!stat.isDirectory()) fail(`${path} is not a directory`);
  try {
    accessSync(path, mode);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    fail(`${path} cannot be ${(mode & constants.W_OK) !== 0 ? 'written' : 'read'}: ${code}`);
  }
}

/** Rows by name, for those who add to the table. */
export function row(name: OptionName): OptionRow {
  return OPTION_ROWS.find((candidate) => candidate.name === name)!;
}
