/**
 * Configuration files in criu's syntax (man criu, "CONFIGURATION FILES"): one option a line by its long name without dashes,
 * its value after blanks, in double quotes when it has blanks (`\"` is a quote inside), `#` starts a comment.
 * Read in this order, later ones win: /etc/criu/default.conf, $HOME/.criu/default.conf, $CRIU_CONFIG_FILE, --config FILE,
 * then the command line. --config and --no-default-config leave out the first two.
 */
import { readFileSync } from 'node:fs';
import { findLong, usageError, type Written } from './arguments.ts';
import { OPTION_ROWS, type OptionRow } from './options.ts';

export const GLOBAL_CONFIG = '/etc/criu/default.conf';
export const USER_CONFIG = '.criu/default.conf';

/** What the command line says about configuration files. */
export interface ConfigChoice {
  readonly file: string | undefined;
  readonly defaults: boolean;
}

export interface ConfigRead {
  readonly written: readonly Written[];
  readonly files: readonly string[];
  /** Named by the environment but not there: criu passes over it, we say so. */
  readonly missing: readonly string[];
  /** Default files that this user may not read (after su, $HOME can be another's): passed over like criu does. */
  readonly unreadable: readonly string[];
}

/** Reads every file that applies. `--config FILE` must exist; the others may be absent. */
export function readConfigs({ file, defaults }: ConfigChoice, env: NodeJS.ProcessEnv = process.env): ConfigRead {
  const written: Written[] = [];
  const files: string[] = [];
  const missing: string[] = [];
  const unreadable: string[] = [];
  const read = (path: string, mayFail = false): boolean => {
    const text = readIfThere(path, mayFail);
    if (text === undefined) return false;
    if (text === UNREADABLE) { unreadable.push(path); return false; }
    files.push(path);
    written.push(...parseConfig(text, path));
    return true;
  };
  if (defaults) {
    read(GLOBAL_CONFIG, true);
    if (env['HOME'] !== undefined && env['HOME'] !== '') read(`${env['HOME']}/${USER_CONFIG}`, true);
  }
  const fromEnv = env['CRIU_CONFIG_FILE'];
  if (fromEnv !== undefined && !read(fromEnv)) missing.push(fromEnv);
  if (file !== undefined && !read(file)) {
    throw usageError('no such file', { where: `--config ${file}`, remedy: 'The path is relative to where you are' });
  }
  return { written, files, missing, unreadable };
}

const UNREADABLE = Symbol('unreadable');

function readIfThere(path: string, mayFail: boolean): string | typeof UNREADABLE | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'EACCES' && mayFail) return UNREADABLE;
    throw usageError(`cannot be read: ${code}`, { where: path });
  }
}

/** @param path for messages: every error names `FILE:LINE` */
export function parseConfig(text: string, path: string, rows: readonly OptionRow[] = OPTION_ROWS): Written[] {
  const written: Written[] = [];
  text.split('\n').forEach((line, index) => {
    const source = `${path}:${index + 1}`;
    const statement = splitStatement(line, source);
    if (statement !== undefined) written.push(toWritten(statement, source, rows));
  });
  return written;
}

interface Statement {
  readonly name: string;
  readonly value: string | undefined;
}

/** `name`, `name value`, `name "value with \"quotes\""`, `name=value`; undefined for an empty line. */
export function splitStatement(line: string, source = 'line'): Statement | undefined {
  const name = /^\s*([^\s#]+)/.exec(line);
  if (name === null) return undefined;
  const rest = line.slice(name[0].length).trimStart();
  const equals = name[1]!.indexOf('=');
  if (equals > 0) {
    if (rest !== '' && !rest.startsWith('#')) throw usageError(`unexpected ${JSON.stringify(rest)} after the value`, { where: source });
    return { name: name[1]!.slice(0, equals), value: name[1]!.slice(equals + 1) };
  }
  if (rest === '' || rest.startsWith('#')) return { name: name[1]!, value: undefined };
  if (!rest.startsWith('"')) {
    const word = /^[^\s#]+/.exec(rest)![0];
    const after = rest.slice(word.length).trimStart();
    if (after !== '' && !after.startsWith('#')) {
      throw usageError(`unexpected ${JSON.stringify(after)} after ${JSON.stringify(word)}`, { where: source, remedy: 'A value with blanks stands in double quotes' });
    }
    return { name: name[1]!, value: word.replaceAll('\\"', '"') };
  }
  const quoted = /^"((?:\\"|[^"])*)"(.*)$/.exec(rest);
  if (quoted === null) throw usageError('the closing double quote is missing', { where: source });
  const after = quoted[2]!.trim();
  if (after !== '' && !after.startsWith('#')) throw usageError(`unexpected ${JSON.stringify(after)} after the value`, { where: source });
  return { name: name[1]!, value: quoted[1]!.replaceAll('\\"', '"') };
}

function toWritten({ name, value }: Statement, source: string, rows: readonly OptionRow[]): Written {
  if (name.startsWith('-')) {
    throw usageError(`${JSON.stringify(name)} is no option name`, { where: source, remedy: `Options stand in a configuration file by their long name without dashes: ${rows.find(({ short }) => `-${short}` === name)?.name ?? name.replace(/^-+/, '')}` });
  }
  const { row, negated, name: full } = findLong(name, rows, source);
  if (row.kind === 'flag' && value !== undefined) throw usageError(`${full} takes no value, it has ${JSON.stringify(value)}`, { where: source });
  if (row.kind !== 'flag' && !row.optional && value === undefined) throw usageError(`${full} needs a value: ${row.value ?? 'VALUE'}`, { where: source });
  return { row, spelled: full, value, negated, source };
}
