/**
 * `dump --plan`: what a dump would refuse, and which options would let it pass. The tree is stopped, looked at, and let go as it was; nothing
 * is written. Whether an option helps is not guessed: the same look is taken once more with it.
 */
import { OPTION_ROWS } from '../cli/options.ts';
import type { ErrorParts } from '../errors.ts';
import { checkExternal } from '../external.ts';
import { Helper } from '../helper/client.ts';
import type { Log } from '../log.ts';
import { collect, type Collected } from './collect.ts';
import { newTree } from './compose.ts';
import { DumpContext } from './context.ts';
import { explained, takeBack } from './dump.ts';
import { ownNamespaces, type OwnNamespaces } from './ids.ts';
import { checkTask } from './input.ts';
import type { DumpOptions } from './options.ts';
import { probeHost, type HostFacts } from './probe.ts';
import { rehearse } from './rehearse.ts';
import { freezerOf, seizeBy } from './freezer.ts';
import { Guard } from './guard.ts';

export interface PlannedRefusal {
  /** The task and the object. */
  readonly where: string;
  readonly why: string;
  readonly remedy?: string;
  /** With these options of dump it is not refused. */
  readonly options: readonly string[];
}

export interface DumpPlan {
  /** The dump would go through as it was asked for. */
  readonly ok: boolean;
  readonly tasks: readonly { readonly pid: number; readonly comm: string; readonly threads: number; readonly zombie: boolean }[];
  readonly openFiles: number;
  readonly refusals: readonly PlannedRefusal[];
  /** Milliseconds the tree stood still. */
  readonly stoppedMs: number;
}

/** @throws StillframeError when the tree cannot be looked at at all */
export function planDump(options: DumpOptions, log: Log, startHelper: () => Helper = () => Helper.start()): DumpPlan {
  checkTask(options.pid);
  checkExternal('dump', options.given.get('external') ?? []);
  const helper = startHelper();
  const host = probeHost(helper);
  const own = ownNamespaces();
  const guard = new Guard(helper, () => undefined); // of a freezer at most, which needs no command
  let stopped = 0;
  try {
    rehearse(options, helper, own, host);
    stopped = performance.now();
    const look = new Look(helper, own, host, log, options, guard);
    const first = look.take(options);
    const suggested = optionsOf(first.reasons);
    const left = suggested.length === 0 ? first : look.take(withOptions(options, suggested));
    const refusals = first.reasons.map(({ where = '', why, remedy }) => {
      const helps = !left.reasons.some((other) => other.where === where && other.why === why);
      return { where, why, ...(remedy === undefined ? {} : { remedy }), options: helps ? optionsOf([{ doing: 'dump', why, remedy }]).map(written) : [] };
    });
    guard.undo();
    helper.close(); // everything goes on here
    return {
      ok: refusals.length === 0, openFiles: first.collected.files.files.length, refusals, stoppedMs: Math.round((performance.now() - stopped) * 10) / 10,
      tasks: look.tasks.map(({ pid, stat: { comm }, tids, zombie }) => ({ pid, comm, threads: tids.length, zombie })),
    };
  } catch (error) {
    takeBack({ guard, log });
    throw explained(error);
  } finally {
    helper.close();
  }
}

/** The stopped tree, looked at with these or those options. */
class Look {
  readonly tasks;

  constructor(readonly helper: Helper, readonly own: OwnNamespaces, readonly host: HostFacts, readonly log: Log, options: DumpOptions, guard: Guard) {
    this.tasks = seizeBy(freezerOf(options), { helper, log, options, guard });
  }

  take(options: DumpOptions): { readonly reasons: readonly ErrorParts[]; readonly collected: Collected } {
    const context = new DumpContext(options, this.log, this.helper, newTree(this.own), this.host.shmemDevice, this.host.hugeDevices);
    context.tasks = this.tasks;
    const collected = collect(context, this.own, (tids) => this.helper.beginState(tids));
    return { reasons: context.refusals.reasons, collected };
  }
}

interface Suggested { readonly name: string; readonly value?: string }

const written = ({ name, value }: Suggested): string => `--${name}${value === undefined ? '' : ` ${value}`}`;

/** The options of dump that remedies name. A value is written as it is to be given: `unix[4711]`, a number. */
function optionsOf(reasons: readonly ErrorParts[]): Suggested[] {
  const found = new Map<string, Suggested>();
  for (const { remedy } of reasons) {
    for (const [, name, value] of (remedy ?? '').matchAll(/--([a-z][a-z-]+)(?: ([a-z]+\[[^\]]+\]|\d+))?/gu)) {
      const row = OPTION_ROWS.find((one) => one.name === name && (one.verbs as readonly string[]).includes('dump'));
      if (row === undefined || (row.kind !== 'flag' && row.optional !== true && value === undefined)) continue;
      const one = row.kind === 'flag' ? { name: row.name } : { name: row.name, ...(value === undefined ? {} : { value }) };
      found.set(written(one), one);
    }
  }
  return [...found.values()];
}

/** The same dump with more options. */
function withOptions(options: DumpOptions, more: readonly Suggested[]): DumpOptions {
  const given = new Map([...options.given].map(([name, values]) => [name, [...values]]));
  for (const { name, value } of more) given.set(name, [...given.get(name) ?? [], ...(value === undefined ? [] : [value])]);
  const limits = more.flatMap(({ name, value }) => (name === 'ghost-limit' && value !== undefined ? [BigInt(value)] : []));
  return {
    ...options, given, shellJob: options.shellJob || given.has('shell-job'),
    ghostLimit: limits.reduce((largest, one) => (one > largest ? one : largest), options.ghostLimit),
  };
}

/** As a person reads it. */
export function planText({ ok, tasks, openFiles, refusals, stoppedMs }: DumpPlan): string {
  const threads = tasks.reduce((sum, task) => sum + task.threads, 0);
  const lines = [`${tasks.length} tasks, ${threads} threads, ${openFiles} open files; looked at for ${stoppedMs} ms, nothing was written.`];
  if (ok) return `${lines[0]}\nNothing stands in the way of a dump.\n`;
  const withOptions = [...new Set(refusals.flatMap(({ options }) => options))];
  lines.push(`A dump would be refused, for ${refusals.length} reason${refusals.length === 1 ? '' : 's'}:`);
  for (const { where, why, remedy, options } of refusals) {
    lines.push(`  ${where}: ${why}${remedy === undefined ? '' : `. ${remedy}`}`);
    lines.push(options.length > 0 ? `    passes with ${options.join(' ')}` : '    passes with no option');
  }
  if (withOptions.length > 0) lines.push(refusals.every(({ options }) => options.length > 0) ? `All of it passes with: ${withOptions.join(' ')}` : `Some of it passes with: ${withOptions.join(' ')}`);
  return `${lines.join('\n')}\n`;
}
