import { Flags } from '@oclif/core';
import { StillframeError } from '../../src/errors.ts';
import { EXIT_UNUSABLE, ImageCommand, targetArg } from '../../src/cli/image/command.ts';
import { safe } from '../../src/cli/image/safe.ts';
import { checkSet, countFindings } from '../../src/inspect/check/check.ts';
import { FORMATS, formatReport, type Format } from '../../src/inspect/check/report.ts';
import { RULES } from '../../src/inspect/check/rules.ts';
import { TARGETS, type Target } from '../../src/inspect/check/versions.ts';
import { checkHost } from '../../src/inspect/node/host.ts';
import { STILLFRAME_VERSION } from '../../src/version.ts';

export default class ImageCheck extends ImageCommand {
  static override summary = 'Find everything that makes a set unrestorable or suspicious.';
  static override description = 'Exit status: 0 no errors, 1 errors (with --strict: or warnings), 2 there is no set to check.';
  static override examples = [
    '<%= config.bin %> image check img/', '<%= config.bin %> image check img/ --target criu-3.17 --format sarif > check.sarif', '<%= config.bin %> image check checkpoint.tar.gz --host --strict',
  ];
  static override args = { target: targetArg };
  static override enableJsonFlag = false;
  static override flags = {
    format: Flags.string({ char: 'f', description: 'how to print', options: [...FORMATS], default: 'text' }),
    json: Flags.boolean({ description: 'the same as --format json' }),
    target: Flags.string({ char: 't', description: 'what the set is to be restored with', options: [...TARGETS] }),
    host: Flags.boolean({ description: 'also compare with this host: files, CPU, pids, ports' }),
    root: Flags.string({ description: 'with --host: root of the file system the tasks will have', helpValue: 'DIR', dependsOn: ['host'] }),
    strict: Flags.boolean({ description: 'warnings count as errors' }),
    ignore: Flags.string({ char: 'i', description: 'leave out a rule, like structure/pages-long; or a topic, like host', multiple: true, multipleNonGreedy: true, helpValue: 'RULE' }),
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(ImageCheck);
    const ignored = flags.ignore ?? [];
    for (const rule of ignored) {
      if (!(rule in RULES) && !Object.keys(RULES).some((id) => id.startsWith(`${rule}/`))) throw new StillframeError({ doing: 'check images', where: `--ignore ${rule}`, why: 'there is no such rule', remedy: 'docs/reading-images.md lists them.', exitCode: EXIT_UNUSABLE });
    }
    const set = await this.open(args.target, flags['set'], false);
    const all = [...await checkSet(set, flags.target === undefined ? {} : { target: flags.target as Target }), ...(flags.host ? await checkHost(set, flags.root === undefined ? {} : { root: flags.root }) : [])];
    const findings = all.filter(({ rule }) => !ignored.includes(rule) && !ignored.includes(rule.split('/')[0]!));
    const format = flags.json ? 'json' : flags.format as Format;
    process.stdout.write(`${formatReport({ target: args.target, links: set.chain.map((link) => link.name), findings, version: STILLFRAME_VERSION }, format, safe)}\n`);
    const { errors, warnings } = countFindings(findings);
    if (errors > 0 || (flags.strict && warnings > 0)) process.exitCode = 1;
  }
}
