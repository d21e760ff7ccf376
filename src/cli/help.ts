/** Help text of `bin/criu`, and the table of docs/cli.md, from the option table. */
import { OPTION_ROWS, VERBS, type OptionRow } from './options.ts';

/** `-t, --tree PID`, `-v[NUM], --verbosity[=NUM]`, `    --[no-]track-mem`. */
export function spelling(row: OptionRow): string {
  const value = row.value ?? 'VALUE';
  const short = row.short === undefined ? '    ' : row.optional ? `-${row.short}[${value}], ` : `-${row.short}, `;
  const name = `--${row.negatable ? '[no-]' : ''}${row.name}`;
  if (row.kind === 'flag') return short + name;
  return row.optional ? `${short}${name}[=${value}]` : `${short}${name} ${value}`;
}

const WIDTH = 100;
const INDENT = 34;

function wrap(text: string, indent: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent + line.length + 1 + word.length > WIDTH) { lines.push(line); line = word; }
    else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.join(`\n${' '.repeat(indent)}`);
}

export function usage(): string {
  const lines = ['Usage:', '  criu dump -t PID [OPTIONS]', '  criu restore [OPTIONS] [--exec-cmd -- COMMAND]', '  criu check [--feature NAME]', '', 'Commands:'];
  for (const { name, text, since } of VERBS) lines.push(`  ${name.padEnd(14)} ${text}${since === undefined && !text.startsWith('gone') ? ' (not supported yet)' : ''}`);
  return `${lines.join('\n')}\n`;
}

export function help(): string {
  const lines = [usage(), wrap('Options may stand anywhere; --no-NAME turns one off. Those marked * are known and not supported yet: they are refused.', 0)];
  for (const group of new Set(OPTION_ROWS.map((row) => row.group))) {
    lines.push('', `${group}:`);
    for (const row of OPTION_ROWS.filter((candidate) => candidate.group === group)) {
      const left = `${row.since === undefined && row.sinceOn === undefined ? '*' : ' '} ${spelling(row)}`;
      lines.push(left.length < INDENT ? left.padEnd(INDENT) + wrap(row.text, INDENT) : `${left}\n${' '.repeat(INDENT)}${wrap(row.text, INDENT)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** The Markdown table of docs/cli.md. */
export function markdownTable(): string {
  const lines: string[] = [];
  for (const group of new Set(OPTION_ROWS.map((row) => row.group))) {
    lines.push(`### ${group}`, '', '| option | on | since | what |', '|---|---|---|---|');
    for (const row of OPTION_ROWS.filter((candidate) => candidate.group === group)) {
      const verbs = row.verbs.length >= VERBS.length ? 'all' : row.verbs.join(', ');
      const cell = (text: string): string => text.replaceAll('|', '\\|');
      lines.push(`| \`${cell(spelling(row).trim())}\` | ${verbs} | ${row.since ?? (row.sinceOn === undefined ? 'refused' : Object.entries(row.sinceOn).map(([verb, since]) => `${verb} ${since}`).join(', '))} | ${cell(row.text)} |`);
    }
    lines.push('');
  }
  return lines.join('\n');
}

const BEGIN = '<!-- options: from src/cli/options.ts by scripts/cli-docs.ts -->';
const END = '<!-- end of options -->';

/** docs/cli.md with its tables as the option table says now. */
export function withTables(document: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) throw new RangeError('docs/cli.md has lost its markers');
  return `${document.slice(0, begin + BEGIN.length)}\n\n${markdownTable()}\n${document.slice(end)}`;
}
