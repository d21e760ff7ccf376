/**
 * Every command by its id, for oclif's explicit discovery. A new command is one file and one line here. What a command needs is
 * loaded when it runs: `stillframe version` does not pay for `dump`.
 */
import type { Command, Interfaces } from '@oclif/core';
import { IMAGE_LOADERS } from './image/index.ts';

export type Loaders = Readonly<Record<string, () => Promise<{ readonly default: Command.Class }>>>;

const LOADERS: Loaders = {
  ...IMAGE_LOADERS,
  check: () => import('./check.ts'),
  dedup: () => import('./dedup.ts'),
  dump: () => import('./dump.ts'),
  plan: () => import('./plan.ts'),
  'pre-dump': () => import('./pre-dump.ts'),
  restore: () => import('./restore.ts'),
  unlock: () => import('./unlock.ts'),
  version: () => import('./version.ts'),
};

/** What oclif runs: enough of a command class to be found and started. Names, flags and help come from oclif.manifest.json. */
interface Runnable {
  id?: string;
  plugin?: Command.Class['plugin'];
  run(argv?: string[], config?: Interfaces.LoadOptions): Promise<unknown>;
}

export const COMMANDS: Record<string, Runnable> = Object.fromEntries(Object.entries(LOADERS).map(([id, load]) => [id, {
  async run(this: Runnable, argv?: string[], config?: Interfaces.LoadOptions): Promise<unknown> {
    const command = (await load()).default;
    command.id = id;
    command.plugin = this.plugin;
    return command.run(argv, config);
  },
}]));

/** Puts the real classes into `COMMANDS`: for the build, which writes the manifest from them. */
export async function loadAllCommands(): Promise<void> {
  for (const [id, load] of Object.entries(LOADERS)) COMMANDS[id] = (await load()).default;
}
