import { Args, Flags } from '@oclif/core';
import { open } from 'node:fs/promises';
import { ImageCommand, targetArg } from '../../src/cli/image/command.ts';
import { sizeText } from '../../src/cli/image/safe.ts';
import { fileError } from '../../src/image/node/store.ts';
import { coreDump } from '../../src/inspect/coredump/coredump.ts';
import { executableOf } from '../../src/inspect/tasks.ts';

export default class ImageCore extends ImageCommand {
  static override summary = 'Write a task as an ELF core dump for gdb, whatever the architecture.';
  static override description = 'Memory of mapped files that the task did not change is not in it: gdb takes it from the files.';
  static override examples = ['<%= config.bin %> image core img/ 1597 -o core.1597', 'gdb PROGRAM core.1597'];
  static override args = { target: targetArg, pid: Args.integer({ description: 'task', required: true }) };
  static override flags = { output: Flags.string({ char: 'o', description: 'file to write', helpValue: 'FILE' }) };

  override async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ImageCore);
    const set = await this.open(args.target, flags['set']);
    const path = flags.output ?? `core.${args.pid}`;
    const dump = await coreDump(set, args.pid);
    let written = 0;
    try {
      const file = await open(path, 'w');
      try {
        for await (const { offset, bytes } of dump.parts()) {
          await file.write(bytes, 0, bytes.length, offset);
          written += bytes.length;
        }
        // what was not written is a hole, also at the end
        await file.truncate(dump.size);
      } finally {
        await file.close();
      }
    } catch (cause) {
      if (cause instanceof Error && 'syscall' in cause) throw fileError('write core dump', path, cause);
      throw cause;
    }
    const executable = executableOf(set, set.task(args.pid));
    this.log(`${path}: ${sizeText(dump.size)}, ${sizeText(written)} of it contents. Open it with: gdb ${executable ?? 'PROGRAM'} ${path}`);
    return { file: path, size: dump.size, written, segments: dump.segments.length, executable };
  }
}
