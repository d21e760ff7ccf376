/** docs/cli.md and the help texts say what the option table says. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { help, withTables } from '../../src/cli/help.ts';
import { OPTION_ROWS, VERBS } from '../../src/cli/options.ts';

const docs = suite('docs/cli.md');
docs('its tables are up to date (else: node --import tsx scripts/cli-docs.ts)', () => {
  const text = readFileSync(fileURLToPath(new URL('../../docs/cli.md', import.meta.url)), 'utf8');
  assert.is(withTables(text), text);
});
docs.run();

const texts = suite('help');
texts('every option and verb is in it, at most 100 columns wide', () => {
  const text = help();
  for (const { name } of [...OPTION_ROWS, ...VERBS]) assert.ok(text.includes(name), name);
  for (const line of text.split('\n')) assert.ok(line.length <= 100, line);
});
texts('names and letters are used once, texts are sentences', () => {
  const letters = OPTION_ROWS.flatMap(({ short }) => short ?? []);
  assert.is(new Set(letters).size, letters.length);
  assert.is(new Set(OPTION_ROWS.map(({ name }) => name)).size, OPTION_ROWS.length);
  for (const { name, text } of OPTION_ROWS) assert.match(text, /^[A-Z0-9].*\.$/, name);
});
texts.run();
