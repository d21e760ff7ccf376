import { Args, Flags } from '@oclif/core';
import { ImageCommand, pidFlag, targetArg } from '../../src/cli/image/command.ts';
import { hex, safe } from '../../src/cli/image/safe.ts';
import { findIn, hexLines, latin1, parsePattern } from '../../src/inspect/search.ts';
import { liveTasks } from '../../src/inspect/usage.ts';

export default class ImageFind extends ImageCommand {
  static override summary = 'Find bytes, text or a regular expression in the memory of tasks.';
  static override description = 'PATTERN is text; /REGEX/ (flags i, m, s behind it) or 0xBYTES in hexadecimal. Exit status 1 when nothing is found.';
  static override examples = ["<%= config.bin %> image find img/ 'secret token'", "<%= config.bin %> image find img/ '/pass(word)?=\\S+/i' -C 32", '<%= config.bin %> image find img/ 0x7f454c46'];
  static override args = { target: targetArg, pattern: Args.string({ description: 'what to find', required: true }) };
  static override flags = {
    pid: pidFlag,
    as: Flags.string({ description: 'take the pattern as this, whatever it looks like', options: ['auto', 'text', 'hex', 'regex'], default: 'auto' }),
    context: Flags.integer({ char: 'C', description: 'bytes to print before and after', default: 16, min: 0, max: 65536 }),
    limit: Flags.integer({ char: 'n', description: 'stop after this many matches', default: 1000, min: 1 }),
  };

  override async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ImageFind);
    const pattern = parsePattern(args.pattern, flags.as as 'auto' | 'text' | 'hex' | 'regex');
    const set = await this.open(args.target, flags['set']);
    const found = [];
    for (const task of flags.pid === undefined ? liveTasks(set) : [set.task(flags.pid)]) {
      const space = set.memory(task.pid);
      for await (const { address, length } of findIn(space, pattern)) {
        const before = BigInt(flags.context) < address ? BigInt(flags.context) : address;
        const { bytes, known } = await space.read(address - before, Number(before) + length + flags.context);
        const mapping = space.mappingAt(address);
        const match = { pid: task.pid, address: hex(address), length, mapping: mapping?.name || mapping?.kind || '', text: latin1(bytes.subarray(Number(before), Number(before) + length)), bytes };
        found.push(match);
        this.log(`${task.pid} ${match.address} ${safe(match.mapping)} ${safe(match.text.slice(0, 200))}`);
        if (flags.context > 0) this.log(hexLines(address - before, bytes, known).map((line) => `    ${line}`).join('\n'));
        if (found.length >= flags.limit) break;
      }
      if (found.length >= flags.limit) {
        process.stderr.write(`Stopped after ${flags.limit} matches (--limit)\n`);
        break;
      }
    }
    if (found.length === 0) process.exitCode = 1;
    return found;
  }
}

