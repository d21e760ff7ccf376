/**
 * What `stillframe image ...` commands share: the target argument, `--set`, `--json`, `--format`, errors and their exit codes.
 * Nothing here or below loads the helper or koffi: these commands run on any system.
 */
import { Args, Command, Flags, type Interfaces } from '@oclif/core';
import { StillframeError } from '../../errors.ts';
import { openPath } from '../../inspect/node/open.ts';
import { findingText } from '../../inspect/finding.ts';
import type { OpenSet } from '../../inspect/open.ts';
import { errorText } from '../error-text.ts';
import { jsonText } from './safe.ts';
import { forestText, tableText, type Column, type TreeNode } from './table.ts';

/** Exit code of a command that was not used rightly, or could not read its input at all. */
export const EXIT_UNUSABLE = 2;

export const targetArg = Args.string({ name: 'target', description: 'folder of images, or a container archive (tar, gzip, zstd); ARCHIVE:FOLDER for one set of several', required: true });
export const pidFlag = Flags.integer({ char: 'p', description: 'only this task', helpValue: 'PID', min: 1 });

/** A number as a person writes an address: hexadecimal with or without 0x. @throws StillframeError */
export function parseAddress(text: string): bigint {
  if (!/^(0x)?[0-9a-f]{1,16}$/i.test(text)) throw new StillframeError({ doing: 'read arguments', where: text, why: 'this is no address', remedy: 'Write it in hexadecimal, like 0x7f1c02d4a000.', exitCode: EXIT_UNUSABLE });
  return BigInt(text.toLowerCase().startsWith('0x') ? text : `0x${text}`);
}

export abstract class ImageCommand extends Command {
  static override enableJsonFlag = true;
  static override baseFlags: Interfaces.FlagInput = {
    set: Flags.string({ description: "the archive's folder that holds the set, when there are several", helpValue: 'FOLDER' }),
  };

  #open: OpenSet[] = [];

  /** Opens a target; what of it could not be read is warned about on standard error. */
  protected async open(target: string, set?: string, warn = true): Promise<OpenSet> {
    const opened = await openPath(target, set === undefined ? {} : { set });
    this.#open.push(opened);
    if (warn) this.warnDamaged(opened);
    return opened;
  }

  protected warnDamaged(opened: OpenSet): void {
    const findings = [...opened.loaded.findings, ...(opened.parentFinding === undefined ? [] : [opened.parentFinding])];
    for (const finding of findings.slice(0, 3)) process.stderr.write(`Warning: ${opened.name}: ${findingText(finding)}\n`);
    if (findings.length > 3) process.stderr.write(`Warning: ${findings.length - 3} more files cannot be read; 'stillframe image check' lists them\n`);
  }

  protected table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): void {
    this.log(tableText(rows, columns));
  }

  protected tree(nodes: readonly TreeNode[]): void {
    this.log(forestText(nodes));
  }

  override logJson(json: unknown): void {
    process.stdout.write(`${jsonText(json)}\n`);
  }

  protected override async catch(error: Error & { exitCode?: number }): Promise<unknown> {
    const usage = 'oclif' in error && !(error instanceof StillframeError);
    process.exitCode = usage ? EXIT_UNUSABLE : error instanceof StillframeError && error.parts.exitCode !== undefined ? error.exitCode : EXIT_UNUSABLE;
    if (this.jsonEnabled()) process.stdout.write(`${jsonText({ error: error instanceof StillframeError ? { message: error.message, ...error.parts, cause: undefined } : { message: error.message } })}\n`);
    else process.stderr.write(errorText(error));
    return undefined;
  }

  protected override async finally(error: Error | undefined): Promise<unknown> {
    await Promise.all(this.#open.splice(0).map((set) => set.close()));
    return super.finally(error);
  }
}

const format = { char: 'f', description: 'how to print', options: ['table', 'tree'] } as const;
/** `--format table|tree`. */
export const tableFormat = Flags.string({ ...format, options: [...format.options], default: 'table' });
export const treeFormat = Flags.string({ ...format, options: [...format.options], default: 'tree' });
