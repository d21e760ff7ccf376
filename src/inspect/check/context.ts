/** What a group of rules gets: one set of the chain, and where to put findings. */
import type { FrozenTree, Task } from '../../image/tree.ts';
import type { Finding } from '../finding.ts';
import type { OpenSet } from '../open.ts';
import { RULES, type RuleId } from './rules.ts';

/** Findings of one rule about one file that are listed; more are counted in the last one. */
const MAX_OF_RULE = 50;

export type Details = Omit<Finding, 'rule' | 'severity' | 'link'>;

export class CheckContext {
  readonly findings: Finding[] = [];
  readonly #counts = new Map<string, number>();

  constructor(readonly set: OpenSet, readonly link: number) {}

  get tree(): FrozenTree { return this.set.tree; }

  add(rule: RuleId, details: Details): void {
    const key = `${rule} ${details.file ?? ''}`;
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    if (count <= MAX_OF_RULE) this.take({ rule, severity: RULES[rule].severity, ...details });
  }

  take(finding: Finding): void {
    this.findings.push(this.link === 0 ? finding : { ...finding, link: this.link });
  }

  /** Adds what was counted but not listed. */
  finish(): Finding[] {
    for (const [key, count] of this.#counts) {
      if (count <= MAX_OF_RULE) continue;
      const [rule, file] = key.split(' ') as [RuleId, string];
      this.take({ rule, severity: RULES[rule].severity, ...(file === '' ? {} : { file }), why: `${count - MAX_OF_RULE} more of these` });
    }
    return this.findings;
  }

  has(name: string): boolean { return this.#names.has(name); }
  get #names(): Set<string> { return this.#nameSet ??= new Set(this.set.store.files); }
  #nameSet: Set<string> | undefined;
}

export const taskText = (task: Task): string => `task ${task.pid}${task.core.tc === undefined ? '' : ` (${task.core.tc.comm})`}`;
