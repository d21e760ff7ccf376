import { BaseCommand } from '../src/cli/command.ts';
import { CRIU_VERSION, STILLFRAME_VERSION } from '../src/version.ts';

export default class Version extends BaseCommand {
  static override summary = 'Show the versions of Stillframe and of the CRIU it speaks for.';

  override async run(): Promise<unknown> {
    this.readOwn();
    const versions = { stillframe: STILLFRAME_VERSION, criu: CRIU_VERSION, node: process.versions.node, platform: `${process.platform}-${process.arch}` };
    this.log(`stillframe ${versions.stillframe} (command line and images of CRIU ${versions.criu}, Node ${versions.node}, ${versions.platform})`);
    return versions;
  }
}
