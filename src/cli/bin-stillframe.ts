/** Entry of the `bin/stillframe.js` bundle: oclif, with our commands in the same bundle (package.json "oclif.commands" names this file). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Config, handle, run, flush, type Hook, type Interfaces } from '@oclif/core';
import { COMMANDS, loadAllCommands } from '../../commands/index.ts';
import { closest } from './closest.ts';
import { endBelowHelper } from './verbs.ts';

export { COMMANDS, loadAllCommands };

/** oclif hook: names the command that was probably meant. */
export const COMMAND_NOT_FOUND: Hook.CommandNotFound = async function ({ id, config }) {
  const word = id.replaceAll(':', ' ');
  const near = closest(word, config.commandIDs.map((known) => known.replaceAll(':', ' ')));
  process.stderr.write(`Error: unknown command ${word}${near === undefined ? '' : `, did you mean ${near}?`} Try ${config.bin} --help\n`);
  process.exit(1);
};

/** @param root the package's directory: its package.json is oclif's configuration */
export async function start(root: string, argv: readonly string[]): Promise<void> {
  try {
    await run([...argv], await Config.load({ root, ...leaner(root, argv) }));
    flush();
  } catch (error) {
    await handle(error as Error);
  }
  await endBelowHelper();
}

/** A command of our own needs none of oclif's plugins (help, plugins, autocomplete): without them a start is 20 ms shorter. */
function leaner(root: string, [id = '', ...rest]: readonly string[]): { pjson?: Interfaces.PJSON } {
  const own = Object.hasOwn(COMMANDS, id) || Object.hasOwn(COMMANDS, `${id}:${rest[0] ?? ''}`);
  if (!own || rest.includes('-h') || rest.includes('--help')) return {};
  const pjson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Interfaces.PJSON;
  return { pjson: { ...pjson, oclif: { ...pjson.oclif, plugins: [] } } };
}
