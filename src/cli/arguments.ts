/**
 * Reads an argument list as glibc's getopt_long does, by the option table: `-v4`, `-vvv`, `-jDimg`, `--opt=val`, `--opt val`,
 * unambiguous beginnings (`--leave-r`), `--no-opt`, options and words in any order, `--` ends the options.
 */
import { StillframeError } from '../errors.ts';
import { closest } from './closest.ts';
import { OPTION_ROWS, type OptionRow } from './options.ts';

/** One option as it was written. */
export interface Written {
  readonly row: OptionRow;
  /** `-t`, `--tree` or, from a file, `tree`: how messages name it. */
  readonly spelled: string;
  readonly value: string | undefined;
  readonly negated: boolean;
  /** Where it stands: undefined on the command line, else `FILE:LINE`. */
  readonly source?: string;
}

export interface Arguments {
  readonly written: readonly Written[];
  /** Everything that is no option: the verb, then its own words. */
  readonly words: readonly string[];
}

interface LongName {
  readonly name: string;
  readonly row: OptionRow;
  readonly negated: boolean;
}

/** A mistake in the command line or a configuration file; criu's exit code for it is 1. */
export function usageError(why: string, { where, remedy }: { where?: string; remedy?: string } = {}): StillframeError {
  return new StillframeError({ doing: 'cli', where, why, remedy: remedy ?? (where === undefined ? 'Try --help' : undefined) });
}

/** All long names of a table, negations included. */
export function longNames(rows: readonly OptionRow[] = OPTION_ROWS): LongName[] {
  const names: LongName[] = rows.map((row) => ({ name: row.name, row, negated: false }));
  for (const row of rows) if (row.negatable) names.push({ name: `no-${row.name}`, row, negated: true });
  return names;
}

/** Finds a long name as getopt_long does: exactly, or as the beginning of names that all mean the same. */
export function findLong(text: string, rows: readonly OptionRow[] = OPTION_ROWS, where?: string): LongName {
  const names = longNames(rows);
  const exact = names.find(({ name }) => name === text);
  if (exact !== undefined) return exact;
  const matches = names.filter(({ name }) => name.startsWith(text));
  const first = matches[0];
  if (text === '' || first === undefined) {
    const near = closest(text, names.map(({ name }) => name));
    throw usageError(`unknown option --${text}`, { where, remedy: near === undefined ? undefined : `Did you mean --${near}?` });
  }
  const meaning = ({ row, negated }: LongName): string => `${row.sameAs ?? row.name} ${negated}`;
  if (matches.some((match) => meaning(match) !== meaning(first))) {
    throw usageError(`--${text} is ambiguous: ${matches.map(({ name }) => `--${name}`).join(', ')}`, { where });
  }
  return first;
}

const takesValue = (row: OptionRow): boolean => row.kind !== 'flag';

/**
 * @param argv without program name
 * @param rows the table, with rows of the command's own added where it has any
 * @throws StillframeError naming the option
 */
export function parseArguments(argv: readonly string[], rows: readonly OptionRow[] = OPTION_ROWS): Arguments {
  const written: Written[] = [];
  const words: string[] = [];
  const stopAtWord = process.env['POSIXLY_CORRECT'] !== undefined;
  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i]!;
    if (arg === '--') {
      words.push(...argv.slice(i + 1));
      break;
    }
    if (arg === '-' || !arg.startsWith('-')) {
      words.push(arg);
      if (stopAtWord) { words.push(...argv.slice(i + 1)); break; }
      continue;
    }
    const next = (): string | undefined => argv[++i];
    if (arg.startsWith('--')) written.push(long(arg.slice(2), rows, next));
    else written.push(...shorts(arg.slice(1), rows, next));
  }
  return { written, words };
}

function long(text: string, rows: readonly OptionRow[], next: () => string | undefined): Written {
  const equals = text.indexOf('=');
  const { name, row, negated } = findLong(equals < 0 ? text : text.slice(0, equals), rows);
  const spelled = `--${name}`;
  const attached = equals < 0 ? undefined : text.slice(equals + 1);
  if (!takesValue(row)) {
    if (attached !== undefined) throw usageError(`${spelled} takes no value, it has ${JSON.stringify(attached)}`);
    return { row, spelled, value: undefined, negated };
  }
  if (attached !== undefined || row.optional) return { row, spelled, value: attached, negated };
  return { row, spelled, value: required(spelled, row, next), negated };
}

function shorts(letters: string, rows: readonly OptionRow[], next: () => string | undefined): Written[] {
  // criu takes the rest of `-verbosity=4` as the value of -v; its own test runner writes it so.
  if (letters === 'verbosity' || letters.startsWith('verbosity=')) return [long(letters, rows, next)];
  const written: Written[] = [];
  for (let i = 0; i < letters.length; i++) {
    const letter = letters[i]!;
    const row = rows.find((candidate) => candidate.short === letter);
    const spelled = `-${letter}`;
    if (row === undefined) {
      const meant = rows.find(({ name }) => name === letters || (letters.length > 2 && name.startsWith(letters)));
      throw usageError(`unknown option ${spelled}`, { remedy: meant === undefined ? undefined : `Did you mean --${meant.name}?` });
    }
    if (!takesValue(row)) {
      written.push({ row, spelled, value: undefined, negated: false });
      continue;
    }
    const rest = letters.slice(i + 1);
    const value = rest !== '' ? rest : row.optional ? undefined : required(spelled, row, next);
    written.push({ row, spelled, value, negated: false });
    break;
  }
  return written;
}

function required(spelled: string, row: OptionRow, next: () => string | undefined): string {
  const value = next();
  if (value === undefined) throw usageError(`${spelled} needs a value: ${row.value ?? 'VALUE'}`);
  return value;
}
