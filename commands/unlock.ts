import { Args } from '@oclif/core';
import { BaseCommand } from '../src/cli/command.ts';
import { usageError } from '../src/cli/arguments.ts';

export default class Unlock extends BaseCommand {
  static override summary = 'Remove network locks that dumps left: packets of their connections pass again.';
  static override description = "Without a name every lock of Stillframe is removed, also one whose images still wait to be restored: its peers are then told that their connections are gone. 'unlock list' only shows them; a lock of CRIU is removed when it is named.";
  static override examples = ['<%= config.bin %> unlock list', '<%= config.bin %> unlock', '<%= config.bin %> unlock CRIU-05937459-50e7-40c4-9a'];
  static override args = { name: Args.string({ description: '`list`, or a lock as `list` names it; default: all of ours' }) };

  override async run(): Promise<unknown> {
    const { words } = this.readOwn();
    if (words.length > 1) throw usageError(`one lock, not ${words.length}: ${words.join(' ')}`);
    const { describeLock, findLocks, removeLock } = await import('../src/network-lock/leftovers.ts');
    const locks = findLocks();
    const [name] = words;
    const say = (text: string): void => { if (!this.jsonEnabled()) process.stdout.write(`${text}\n`); };
    if (name === 'list') {
      for (const lock of locks) say(describeLock(lock));
      if (locks.length === 0) say('There are no network locks.');
      return { locks: locks.map(({ name: of, method, says }) => ({ name: of, method, says })) };
    }
    const chosen = locks.filter((lock) => (name === undefined ? lock.says !== undefined : lock.name === name));
    if (name !== undefined && chosen.length === 0) throw usageError(`there is no lock ${name}`, { remedy: "'unlock list' names those there are" });
    for (const lock of chosen) {
      removeLock(lock);
      say(`Removed ${describeLock(lock)}`);
    }
    if (chosen.length === 0) say('There are no network locks of ours.');
    return { removed: chosen.map(({ name: of }) => of) };
  }
}
