/** Every command by its id, for oclif's explicit discovery. A new command is one file and one line here. */
import Check from './check.ts';
import Dump from './dump.ts';
import Restore from './restore.ts';
import Version from './version.ts';

export const COMMANDS = {
  check: Check,
  dump: Dump,
  restore: Restore,
  version: Version,
};
