/**
 * crit's command line, with the habits of Python's argparse that its users rely on: options anywhere, `--in=FILE`, `-iFILE`,
 * unambiguous abbreviations, exit code 2 and a usage line for what cannot be understood.
 */
export interface Option {
  readonly short?: string;
  readonly long: string;
  /** Takes a value of this name; absent for a switch. */
  readonly value?: string;
  readonly help: string;
}

export interface Command {
  readonly name: string;
  readonly help: string;
  readonly options: readonly Option[];
  readonly positionals: readonly { readonly name: string; readonly choices?: readonly string[] }[];
}

const IN: Option = { short: 'i', long: 'in', value: 'IN', help: 'file to read (standard input unless given)' };
const OUT: Option = { short: 'o', long: 'out', value: 'OUT', help: 'file to write (standard output unless given)' };

/** crit 4.2's, and go-criu's `sk`. */
export const EXPLORERS = ['ps', 'fds', 'mems', 'rss', 'sk'] as const;

export const COMMANDS: readonly Command[] = [
  {
    name: 'decode', help: 'an image file to JSON', positionals: [],
    options: [{ long: 'pretty', help: 'indented, numbers in the form that suits their field' }, IN, OUT],
  },
  { name: 'encode', help: 'JSON to an image file', options: [IN, OUT], positionals: [] },
  { name: 'info', help: 'kind of an image file and number of its entries', options: [], positionals: [{ name: 'in' }] },
  { name: 'x', help: 'explore an image directory', options: [], positionals: [{ name: 'dir' }, { name: 'what', choices: EXPLORERS }] },
  {
    name: 'show', help: 'an image file to readable JSON',
    options: [{ long: 'nopl', help: 'sizes instead of the raw data behind entries' }], positionals: [{ name: 'in' }],
  },
];

/** The command line cannot be run: text for standard error (or output, for help) and exit code. */
export class UsageError extends Error {
  constructor(text: string, readonly exitCode: number) { super(text); }
}

export interface Arguments {
  readonly command: string;
  /** Values by option or positional name. */
  readonly values: Readonly<Record<string, string>>;
  /** Switches that were given. */
  readonly switches: ReadonlySet<string>;
}

const names = COMMANDS.map((command) => command.name);
const MAIN_USAGE = `usage: crit [-h] [--version] {${names.join(',')}} ...\n`;

function usageOf(command: Command): string {
  const options = command.options.map((o) => `[${o.short === undefined ? `--${o.long}` : `-${o.short}`}${o.value === undefined ? '' : ` ${o.value}`}]`);
  const positionals = command.positionals.map((p) => (p.choices === undefined ? p.name : `{${p.choices.join(',')}}`));
  return `usage: crit ${[command.name, '[-h]', ...options, ...positionals].join(' ')}\n`;
}

function helpOf(command: Command): string {
  const rows = command.options.map((o): [string, string] => [`${o.short === undefined ? '' : `-${o.short}${o.value === undefined ? '' : ` ${o.value}`}, `}--${o.long}${o.value === undefined ? '' : ` ${o.value}`}`, o.help]);
  return `${usageOf(command)}\n${command.help}\n\noptions:\n${table([['-h, --help', 'show this and exit'], ...rows])}`;
}

const table = (rows: readonly (readonly [string, string])[]): string => rows.map(([left, right]) => `  ${left.padEnd(22)}${right}\n`).join('');

function mainHelp(): string {
  return `${MAIN_USAGE}\nReads and writes checkpoint image files.\n\ncommands:\n${table(COMMANDS.map((c) => [c.name, c.help]))}\n`
    + `options:\n${table([['-h, --help', 'show this and exit'], ['--version', 'show the version of crit this is compatible with']])}`;
}

/** @param version printed by --version @throws UsageError */
export function parseArguments(args: readonly string[], version: string): Arguments {
  const [first, ...rest] = args;
  if (first === undefined) throw new UsageError(`${MAIN_USAGE}crit: error: too few arguments\n`, 1);
  if (first === '-h' || (first.length > 3 && '--help'.startsWith(first))) throw new UsageError(mainHelp(), 0);
  if (first.length > 2 && '--version'.startsWith(first)) throw new UsageError(`${version}\n`, 0);
  const command = COMMANDS.find((one) => one.name === first);
  if (command === undefined) {
    if (first.startsWith('-')) throw new UsageError(`${MAIN_USAGE}crit: error: unrecognized arguments: ${first}\n`, 2);
    throw new UsageError(`${MAIN_USAGE}crit: error: argument {${names.join(',')}}: invalid choice: '${first}' (choose from ${names.map((n) => `'${n}'`).join(', ')})\n`, 2);
  }
  return parseCommand(command, rest);
}

function parseCommand(command: Command, args: readonly string[]): Arguments {
  const values: Record<string, string> = {};
  const switches = new Set<string>();
  const positionals: string[] = [];
  const unknown: string[] = [];
  const fail = (why: string): never => { throw new UsageError(`${usageOf(command)}crit ${command.name}: error: ${why}\n`, 2); };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === '--') {
      positionals.push(...args.slice(i + 1));
      break;
    }
    if (!arg.startsWith('-') || arg === '-') {
      positionals.push(arg);
      continue;
    }
    const [option, attached] = findOption(command, arg, fail);
    if (option === 'help') throw new UsageError(helpOf(command), 0);
    if (option === undefined) {
      unknown.push(arg);
    } else if (option.value === undefined) {
      if (attached !== undefined) fail(`argument ${flagsOf(option)}: ignored explicit argument '${attached}'`);
      switches.add(option.long);
    } else {
      const next = args[i + 1];
      if (attached === undefined && (next === undefined || (next.startsWith('-') && next !== '-'))) fail(`argument ${flagsOf(option)}: expected one argument`);
      values[option.long] = attached ?? args[++i]!;
    }
  }
  command.positionals.forEach(({ name, choices }, i) => {
    const value = positionals[i];
    if (value === undefined) return;
    if (choices !== undefined && !choices.includes(value)) fail(`argument ${name}: invalid choice: '${value}' (choose from ${choices.map((c) => `'${c}'`).join(', ')})`);
    values[name] = value;
  });
  const missing = command.positionals.slice(positionals.length).map(({ name }) => name);
  if (missing.length > 0) fail(`the following arguments are required: ${missing.join(', ')}`);
  const extra = [...unknown, ...positionals.slice(command.positionals.length)];
  if (extra.length > 0) throw new UsageError(`${MAIN_USAGE}crit: error: unrecognized arguments: ${extra.join(' ')}\n`, 2);
  return { command: command.name, values, switches };
}

const flagsOf = (option: Option): string => (option.short === undefined ? `--${option.long}` : `-${option.short}/--${option.long}`);

function findOption(command: Command, arg: string, fail: (why: string) => never): [Option | 'help' | undefined, string | undefined] {
  if (!arg.startsWith('--')) {
    if (arg[1] === 'h') return ['help', undefined];
    const option = command.options.find((one) => one.short === arg[1]);
    return [option, arg.length > 2 ? arg.slice(2).replace(/^=/, '') : undefined];
  }
  const at = arg.indexOf('=');
  const name = arg.slice(2, at < 0 ? undefined : at);
  const attached = at < 0 ? undefined : arg.slice(at + 1);
  const exact = command.options.find((one) => one.long === name);
  const found = exact !== undefined ? [exact] : [...command.options.filter((one) => one.long.startsWith(name)), ...('help'.startsWith(name) ? ['help' as const] : [])];
  if (found.length > 1) fail(`ambiguous option: ${arg} could match ${found.map((one) => `--${one === 'help' ? one : one.long}`).join(', ')}`);
  return [found[0], attached];
}
