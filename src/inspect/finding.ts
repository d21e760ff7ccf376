/** One thing wrong, suspicious or worth knowing about an image set: what `image check` lists and what loading a damaged set collects. */
import type { StillframeError } from '../errors.ts';

/** `error`: it cannot be restored, or not rightly. `warning`: it may not be. `note`: worth knowing. */
export type Severity = 'error' | 'warning' | 'note';

export interface Finding {
  /** `topic/what`, stable, for suppressing and for CI: `reference/files`. The list is src/check/rules.ts. */
  readonly rule: string;
  readonly severity: Severity;
  /** File of the set. Absent when it is about the set as a whole. */
  readonly file?: string;
  /** Set of the chain, from the youngest (0) on. */
  readonly link?: number;
  /** Record of the file, from 0. */
  readonly record?: number;
  /** Where, in the field's words: `task 1597, fd 5`. */
  readonly where?: string;
  readonly why: string;
  /** What to do about it. */
  readonly remedy?: string;
}

/** Where and why of a finding, as one line. */
export function findingText(finding: Finding): string {
  const record = finding.record === undefined ? '' : `, record ${finding.record}`;
  const place = [finding.file === undefined ? undefined : `${finding.file}${record}`, finding.where].filter((part) => part !== undefined);
  return `${place.length === 0 ? '' : `${place.join(': ')}: `}${finding.why}`;
}

/** What reading a file threw, as a finding about it. */
export function findingOf(rule: string, file: string, error: StillframeError): Finding {
  return {
    rule, severity: 'error', file,
    ...(error.parts.where === undefined ? {} : { where: error.parts.where.slice(Math.max(0, error.parts.where.indexOf(file)) + (error.parts.where.includes(file) ? file.length : 0)).replace(/^, /, '') || undefined }),
    why: error.parts.why, ...(error.parts.remedy === undefined ? {} : { remedy: error.parts.remedy }),
  };
}
