/** `image check`: all rules over a set and the chain it builds on, as one list. */
import type { Finding, Severity } from '../finding.ts';
import type { OpenSet } from '../open.ts';
import { CheckContext } from './context.ts';
import { checkPages, checkShared } from './pages.ts';
import { checkReferences } from './references.ts';
import { checkStructure } from './structure.ts';
import { checkTasks } from './tasks.ts';
import { checkVersions, type Target } from './versions.ts';

export interface CheckOptions {
  /** Whether that program could restore the set. */
  readonly target?: Target;
}

const ORDER: Readonly<Record<Severity, number>> = { error: 0, warning: 1, note: 2 };

/** Everything that makes the set unrestorable or suspicious, the worst first. */
export async function checkSet(set: OpenSet, { target }: CheckOptions = {}): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [link, one] of set.chain.entries()) {
    const check = new CheckContext(one, link);
    checkStructure(check);
    checkPages(check);
    if (link === 0) {
      checkTasks(check);
      checkReferences(check);
      checkShared(check);
    }
    await checkVersions(check, target);
    findings.push(...check.finish());
  }
  return findings.sort((a, b) => ORDER[a.severity] - ORDER[b.severity]);
}

export interface Counts { readonly errors: number; readonly warnings: number; readonly notes: number }

export function countFindings(findings: readonly Finding[]): Counts {
  const of = (severity: Severity): number => findings.filter((finding) => finding.severity === severity).length;
  return { errors: of('error'), warnings: of('warning'), notes: of('note') };
}
