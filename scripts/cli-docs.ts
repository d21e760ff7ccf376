/** Writes the option tables of docs/cli.md from the option table. Usage: node --import tsx scripts/cli-docs.ts */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { withTables } from '../src/cli/help.ts';

const path = fileURLToPath(new URL('../docs/cli.md', import.meta.url));
writeFileSync(path, withTables(readFileSync(path, 'utf8')));
