import { ImageCommand, targetArg } from '../../src/cli/image/command.ts';
import { sizeText } from '../../src/cli/image/safe.ts';
import { summaryOf, type Summary } from '../../src/inspect/summary.ts';

export default class ImageShow extends ImageCommand {
  static override summary = 'Say what a set of images is: who wrote it, when, tasks, memory, files, connections, sizes.';
  static override examples = ['<%= config.bin %> image show img/', '<%= config.bin %> image show checkpoint.tar.zst --json'];
  static override args = { target: targetArg };

  override async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ImageShow);
    const summary = await summaryOf(await this.open(args.target, flags['set']));
    this.table(lines(summary), [{ title: 'What', of: ([what]) => what }, { title: summary.name, of: ([, text]) => text }]);
    return summary;
  }
}

function lines(summary: Summary): [string, string][] {
  const { container, tasks, memory, sockets, timesUs } = summary;
  const count = (n: number, word: string): string => `${n} ${word}${n === 1 ? '' : 's'}`;
  const rows: [string, string | undefined][] = [
    ['written by', `${summary.writer}, image version ${summary.imageVersion}`],
    ['written', summary.written],
    ['architecture', summary.architecture],
    ['container', container && [container.engine, container.name, container.id?.slice(0, 12)].filter(Boolean).join(' ')],
    ['image', container?.image],
    ['created', container?.created],
    ['tasks', `${count(tasks.total, 'task')}, ${count(tasks.threads, 'thread')}, ${count(tasks.sessions, 'session')}${tasks.zombies > 0 ? `, ${count(tasks.zombies, 'zombie')}` : ''}`],
    ['root', tasks.root && `${tasks.root.pid} ${tasks.root.command}`],
    ['memory', `${sizeText(memory.mapped)} mapped, ${sizeText(memory.stored)} stored here${memory.inParents > 0n ? `, ${sizeText(memory.inParents)} in parents` : ''}${memory.lazy > 0n ? `, ${sizeText(memory.lazy)} left for lazy pages` : ''}${memory.missing > 0n ? `, ${sizeText(memory.missing)} MISSING` : ''}`],
    ['files', Object.entries(summary.files).map(([kind, n]) => `${n} ${kind}`).join(', ')],
    ['listening', sockets.listening.join(', ') || undefined],
    ['connections', sockets.connected === 0 ? undefined : `${sockets.connected}${sockets.queuedBytes > 0 ? `, ${sizeText(sockets.queuedBytes)} queued` : ''}`],
    ['namespaces', summary.namespaces.join(', ') || undefined],
    ['dump took', timesUs && `${(timesUs.frozen / 1000).toFixed(1)} ms frozen, ${(timesUs.memory / 1000).toFixed(1)} ms for memory, ${(timesUs.writing / 1000).toFixed(1)} ms writing pages`],
    ...summary.chain.map((link, i): [string, string] => [i === 0 ? 'set' : `parent ${i}`, `${link.name}: ${count(link.files, 'file')}, ${sizeText(link.bytes)}, ${sizeText(link.pagesBytes)} of it pages`]),
    ['damaged', summary.damaged === 0 ? undefined : `${count(summary.damaged, 'file')} cannot be read: see 'stillframe image check'`],
    ['unknown', summary.unknownFiles.length === 0 ? undefined : summary.unknownFiles.slice(0, 8).join(', ') + (summary.unknownFiles.length > 8 ? ', ...' : '')],
  ];
  return rows.filter((row): row is [string, string] => row[1] !== undefined && row[1] !== '');
}
