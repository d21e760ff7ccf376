import { Args, Flags } from '@oclif/core';
import { ImageCommand, pidFlag, targetArg } from '../../src/cli/image/command.ts';
import { hex, sizeText } from '../../src/cli/image/safe.ts';
import type { TreeNode } from '../../src/cli/image/table.ts';
import { compareSets, type Listed, type TaskChange } from '../../src/compare/compare.ts';
import type { ValueChange } from '../../src/compare/values.ts';

export default class ImageDiff extends ImageCommand {
  static override summary = 'Compare two sets, or a set with the one before it in its chain: tasks, files, sockets, mappings, registers, memory.';
  static override description = 'Without B: with the parent of A (what the last dump changed). Exit status: 0 equal, 1 different, 2 not comparable.';
  static override examples = ['<%= config.bin %> image diff before/ after/', '<%= config.bin %> image diff img/2 --format table', '<%= config.bin %> image diff a.tar.gz b.tar.gz -p 1 --json'];
  static override args = { target: targetArg, other: Args.string({ description: 'the other set' }) };
  static override flags = {
    pid: pidFlag,
    format: Flags.string({ char: 'f', description: 'how to print', options: ['summary', 'table', 'full'], default: 'summary' }),
    memory: Flags.boolean({ description: 'compare page contents', default: true, allowNo: true }),
  };

  override async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ImageDiff);
    let [a, b] = [await this.open(args.target, flags['set']), args.other === undefined ? undefined : await this.open(args.other)];
    if (b === undefined) {
      if (a.parent === undefined) this.error(`${a.name} has no parent set to compare it with: name another set`, { exit: 2 });
      // from the older to the younger; a pre-dump has no tasks, so its memory is seen with those of the younger
      [a, b] = [a.parent, a];
    }
    const result = await compareSets(a, b, { memory: flags.memory, ...(flags.pid === undefined ? {} : { pid: flags.pid }) });
    if (result.equal) this.log('They are equal.');
    else if (flags.format === 'table') {
      this.table(result.tasks.changed, [
        { title: 'PID', of: (task) => task.pid, right: true }, { title: 'FIELDS', of: (task) => task.fields.length, right: true },
        { title: 'THREADS', of: (task) => counts(task.threads, task.threads.changed.length) }, { title: 'FILES', of: (task) => counts(task.files, task.files.changed.length) }, { title: 'MAPPINGS', of: (task) => counts(task.mappings) },
        { title: 'PAGES CHANGED', of: (task) => task.memory?.changedPages, right: true }, { title: 'ADDED', of: (task) => task.memory?.onlyB, right: true }, { title: 'REMOVED', of: (task) => task.memory?.onlyA, right: true },
        { title: 'SAME', of: (task) => task.memory?.same, right: true }, { title: 'BYTES', of: (task) => task.memory?.changedBytes, right: true }, { title: 'COMMAND', of: (task) => task.command },
      ]);
    } else {
      const limit = flags.format === 'full' ? Infinity : 8;
      this.log(`- ${a.name}\n+ ${b.name}`);
      this.tree([
        ...listNodes('tasks', result.tasks, limit), ...listNodes('sockets', result.sockets, limit),
        ...result.tasks.changed.map((task): TreeNode => ({ label: `task ${task.pid} ${task.command}`, children: taskNodes(task, limit) })),
        ...(result.tasks.same > 0 ? [{ label: `${result.tasks.same} ${result.tasks.same === 1 ? 'task is' : 'tasks are'} equal` }] : []),
      ]);
    }
    if (!result.equal) process.exitCode = 1;
    return result;
  }
}

const counts = ({ added, removed }: Listed, changed = 0): string => [added.length > 0 ? `+${added.length}` : '', removed.length > 0 ? `-${removed.length}` : '', changed > 0 ? `~${changed}` : ''].filter(Boolean).join(' ');

function cut(nodes: TreeNode[], limit: number): TreeNode[] {
  return nodes.length <= limit ? nodes : [...nodes.slice(0, limit), { label: `${nodes.length - limit} more (--format full)` }];
}

function listNodes(name: string, { added, removed }: Listed, limit: number): TreeNode[] {
  if (added.length + removed.length === 0) return [];
  return [{ label: `${name}: ${counts({ added, removed })}`, children: cut([...removed.map((label) => ({ label: `- ${label}` })), ...added.map((label) => ({ label: `+ ${label}` }))], limit) }];
}

const valueNode = ({ path, a, b }: ValueChange): TreeNode => ({ label: `${path}: ${a ?? 'absent'} -> ${b ?? 'absent'}` });

function taskNodes(task: TaskChange, limit: number): TreeNode[] {
  const { memory } = task;
  const page = (range: { start: bigint; end: bigint; kind: string; bytes: number }): TreeNode => ({ label: `${{ changed: '~', added: '+', removed: '-' }[range.kind]} ${hex(range.start)}-${hex(range.end)}${range.kind === 'changed' ? `, ${range.bytes} bytes differ` : ''}` });
  return [
    ...(task.fields.length > 0 ? [{ label: `fields: ${task.fields.length} differ`, children: cut(task.fields.map(valueNode), limit) }] : []),
    ...listNodes('threads', task.threads, limit),
    ...task.threads.changed.map((thread) => ({ label: `thread ${thread.tid}: ${thread.registers.length} registers or fields differ`, children: cut(thread.registers.map(valueNode), limit) })),
    ...listNodes('files', task.files, limit),
    ...task.files.changed.map((file) => ({ label: `fd ${file.fd}`, children: cut(file.changes.map(valueNode), limit) })),
    ...listNodes('mappings', task.mappings, limit),
    ...(task.memoryError === undefined ? [] : [{ label: `memory: ${task.memoryError}` }]),
    ...(memory === undefined || memory.changedPages + memory.onlyA + memory.onlyB === 0 ? [] : [{
      label: `memory: ${memory.changedPages} pages changed (${sizeText(memory.changedBytes)} of bytes), ${memory.onlyB} added, ${memory.onlyA} removed, ${memory.same} same`,
      children: cut([...memory.ranges.map(page), ...(memory.more > 0 ? [{ label: `${memory.more} more ranges` }] : [])], limit),
    }]),
  ];
}
