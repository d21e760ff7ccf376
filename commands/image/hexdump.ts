import { Args, Flags } from '@oclif/core';
import { StillframeError } from '../../src/errors.ts';
import { ImageCommand, parseAddress, targetArg } from '../../src/cli/image/command.ts';
import { hex } from '../../src/cli/image/safe.ts';
import { hexLines } from '../../src/inspect/search.ts';

export default class ImageHexdump extends ImageCommand {
  static override summary = "Print a task's memory at an address. Bytes that no set has are ??.";
  static override examples = ['<%= config.bin %> image hexdump img/ 1597 0x7ffd52e01000 -n 64'];
  static override args = { target: targetArg, pid: Args.integer({ description: 'task', required: true }), address: Args.string({ description: 'first byte, in hexadecimal', required: true }) };
  static override flags = { length: Flags.integer({ char: 'n', description: 'bytes', default: 256, min: 1, max: 64 << 20 }) };

  override async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ImageHexdump);
    const address = parseAddress(args.address);
    const set = await this.open(args.target, flags['set']);
    const space = set.memory(args.pid);
    const mapping = space.mappingAt(address);
    if (mapping === undefined) throw new StillframeError({ doing: 'hexdump', where: `task ${args.pid}, address ${hex(address)}`, why: 'nothing is mapped there', remedy: `'stillframe image mem ${args.target} -p ${args.pid}' lists its mappings.`, exitCode: 1 });
    const { bytes, known } = await space.read(address, flags.length);
    this.log(hexLines(address, bytes, known).join('\n'));
    return { pid: args.pid, address: hex(address), mapping: mapping.name || mapping.kind, bytes, known: known.every((one) => one === 1) ? true : known };
  }
}
