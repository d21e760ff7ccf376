/** `check`: tries every kernel and host feature for real, and says what is missing, what it is needed for and where it comes from. */
import { StillframeError } from '../errors.ts';
import type { Log } from '../log.ts';
import { usageError } from '../cli/arguments.ts';
import { closest } from '../cli/closest.ts';
import type { Feature } from './feature.ts';
import { FILE_FEATURES } from './files.ts';
import { Host } from './host.ts';
import { MEMORY_FEATURES } from './memory.ts';
import { NAMESPACE_FEATURES } from './namespaces.ts';
import { PROCESS_FEATURES } from './processes.ts';
import { SOCKET_FEATURES } from './sockets.ts';

export const FEATURES: readonly Feature[] = [...PROCESS_FEATURES, ...MEMORY_FEATURES, ...FILE_FEATURES, ...SOCKET_FEATURES, ...NAMESPACE_FEATURES];

export interface CheckRequest {
  /** Only these; `list` names all. */
  readonly features: readonly string[];
  readonly extra: boolean;
  readonly experimental: boolean;
}

export interface FeatureResult {
  readonly name: string;
  readonly level: Feature['level'];
  readonly ok: boolean;
  readonly needed: string;
  readonly from: string;
  /** Why not, when it is missing; a detail when there is one. */
  readonly detail?: string;
  /** It is missing, and this one serves instead. */
  readonly instead?: string;
}

export interface CheckReport {
  readonly ok: boolean;
  /** What goes to standard output: criu's sentences. */
  readonly text: string;
  readonly results: readonly FeatureResult[];
}

// criu's sentences: scripts look for the first.
const GOOD = 'Looks good.\n';
const BAD = 'Does not look good.\n';
const MAYBE = 'Looks good but some kernel features are missing\nwhich, depending on your process tree, may cause\ndump or restore failure.\n';

export function runCheck({ features, extra, experimental }: CheckRequest, log: Log): CheckReport {
  if (features.includes('list')) {
    return { ok: true, text: FEATURES.map(({ name, level, needed }) => `${name.padEnd(28)} ${level.padEnd(12)} ${needed}\n`).join(''), results: [] };
  }
  if (features.length > 0) return checkNamed(features, log);
  const results = FEATURES.filter(({ level }) => level === 'required' || (extra && level === 'extra') || (experimental && level === 'experimental')).map((feature) => tryFeature(feature, log));
  settleInstead(results);
  for (const result of results) if (!result.ok) log.warn('check', describe(result));
  const missing = results.filter(({ ok, instead }) => !ok && instead === undefined);
  const bad = missing.some(({ level }) => level === 'required');
  if (bad) log.warn('check', BAD.trim());
  return { ok: missing.length === 0, text: bad ? '' : missing.length > 0 ? MAYBE : GOOD, results };
}

function checkNamed(names: readonly string[], log: Log): CheckReport {
  const results = names.map((name) => {
    const feature = FEATURES.find((candidate) => candidate.name === name);
    if (feature !== undefined) return tryFeature(feature, log);
    const near = closest(name, FEATURES.map((candidate) => candidate.name));
    throw usageError(`unknown feature ${name}`, { remedy: `${near === undefined ? '' : `Did you mean ${near}? `}--feature list names all` });
  });
  for (const result of results) if (!result.ok) log.error('check', describe(result));
  return {
    ok: results.every(({ ok }) => ok),
    text: results.filter(({ ok }) => ok).map(({ name }) => `${name} is supported\n`).join(''),
    results,
  };
}

/** `mem_dirty_track is missing: clear_refs: EINVAL. It is needed for ...; it comes with ...` */
export function describe({ name, detail, needed, from, instead }: FeatureResult): string {
  const tail = instead === undefined ? `It is needed for ${needed}; it comes with ${from}` : `${instead} serves instead`;
  return `${name} is missing: ${detail ?? 'it does not work'}. ${tail}`;
}

function tryFeature({ name, level, needed, from, probe }: Feature, log: Log): FeatureResult {
  const host = new Host(name);
  try {
    const detail = probe(host);
    log.debug(`check: ${name} works${detail === undefined ? '' : ` (${detail})`}`);
    return { name, level, ok: true, needed, from, ...(detail === undefined ? {} : { detail }) };
  } catch (error) {
    return { name, level, ok: false, needed, from, detail: whyNot(error) };
  } finally {
    host.close();
  }
}

/** The reason without what the reader knows already. An error that is neither the kernel's answer nor a probe's is ours, and passes. */
function whyNot(error: unknown): string {
  if (error instanceof StillframeError) {
    if (error.parts.doing === 'start helper') throw error;
    return error.parts.why;
  }
  if (error instanceof Error && 'code' in error && 'syscall' in error) return error.message;
  throw error;
}

function settleInstead(results: FeatureResult[]): void {
  results.forEach((result, i) => {
    const instead = FEATURES.find(({ name }) => name === result.name)?.instead;
    if (result.ok || instead === undefined) return;
    if (results.some(({ name, ok }) => name === instead && ok)) results[i] = { ...result, instead };
  });
}
