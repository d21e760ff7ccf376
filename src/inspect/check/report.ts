/** Findings as text, JSON, JUnit XML, SARIF 2.1.0 and GitHub workflow commands. */
import { findingText, type Finding } from '../finding.ts';
import { countFindings } from './check.ts';
import { RULES } from './rules.ts';

export const FORMATS = ['text', 'json', 'junit', 'sarif', 'github'] as const;
export type Format = (typeof FORMATS)[number];

export interface Report {
  /** What was checked, as the person named it. */
  readonly target: string;
  /** Names of the sets of the chain. */
  readonly links: readonly string[];
  readonly findings: readonly Finding[];
  readonly version: string;
}

/** @param safe makes text of images fit for where it is printed (control characters) */
export function formatReport(report: Report, format: Format, safe: (text: string) => string): string {
  return { text: asText, json: asJson, junit: asJunit, sarif: asSarif, github: asGithub }[format](report, safe);
}

type Format1 = (report: Report, safe: (text: string) => string) => string;

const place = (report: Report, finding: Finding): string => (finding.link === undefined ? '' : `${report.links[finding.link] ?? `parent ${finding.link}`}: `);

export function countsText(findings: readonly Finding[]): string {
  const { errors, warnings, notes } = countFindings(findings);
  const count = (n: number, word: string): string => `${n} ${word}${n === 1 ? '' : 's'}`;
  return [count(errors, 'error'), count(warnings, 'warning'), count(notes, 'note')].join(', ');
}

const asText: Format1 = (report, safe) => [
  ...report.findings.map((finding) => `${finding.severity}: ${safe(place(report, finding) + findingText(finding))} [${finding.rule}]${finding.remedy === undefined ? '' : `\n    ${safe(finding.remedy)}`}`),
  `${safe(report.target)}: ${countsText(report.findings)}`,
].join('\n');

const asJson: Format1 = (report) => {
  const { errors, warnings, notes } = countFindings(report.findings);
  return JSON.stringify({
    target: report.target, stillframe: report.version, ok: errors === 0, errors, warnings, notes,
    findings: report.findings.map(({ link, ...finding }) => ({ ...finding, ...(link === undefined ? {} : { set: report.links[link] }) })),
  }, null, 2);
};

/** A test case a rule that found something, and one for the set itself, so that a good set has a passing case. */
const asJunit: Format1 = (report, safe) => {
  const byRule = new Map<string, Finding[]>();
  for (const finding of report.findings) byRule.set(finding.rule, [...(byRule.get(finding.rule) ?? []), finding]);
  const failures = [...byRule.values()].filter((list) => list.some((finding) => finding.severity === 'error')).length;
  const cases = [...byRule].map(([rule, list]) => {
    const lines = list.map((finding) => `${finding.severity}: ${safe(place(report, finding) + findingText(finding))}`).join('\n');
    const failed = list.some((finding) => finding.severity === 'error');
    return `    <testcase classname="${xml(report.target)}" name="${xml(rule)}">${failed ? `<failure message="${xml(safe(findingText(list[0]!)))}">${xml(lines)}</failure>` : `<system-out>${xml(lines)}</system-out>`}</testcase>`;
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>', `<testsuites tests="${cases.length + 1}" failures="${failures}">`,
    `  <testsuite name="stillframe image check" tests="${cases.length + 1}" failures="${failures}" errors="0">`,
    `    <testcase classname="${xml(report.target)}" name="read"/>`, ...cases, '  </testsuite>', '</testsuites>',
  ].join('\n');
};

const xml = (text: string): string => text.replace(/[&<>"\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char] ?? '?');

const asSarif: Format1 = (report) => {
  const used = [...new Set(report.findings.map((finding) => finding.rule))];
  return JSON.stringify({
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json', version: '2.1.0',
    runs: [{
      tool: { driver: { name: 'stillframe', version: report.version, rules: used.map((id) => ({ id, shortDescription: { text: (RULES as Readonly<Record<string, { text: string }>>)[id]?.text ?? id } })) } },
      results: report.findings.map((finding) => ({
        ruleId: finding.rule, ruleIndex: used.indexOf(finding.rule), level: finding.severity,
        message: { text: findingText(finding) + (finding.remedy === undefined ? '' : ` ${finding.remedy}`) },
        locations: [{ physicalLocation: { artifactLocation: { uri: uri(report, finding) } } }],
      })),
    }],
  }, null, 2);
};

function path(report: Report, finding: Finding): string {
  const set = finding.link === undefined ? report.target : report.links[finding.link] ?? report.target;
  return finding.file === undefined ? set : `${set.replace(/\/$/, '')}/${finding.file}`;
}

const uri = (report: Report, finding: Finding): string => path(report, finding).split('/').map((part) => encodeURIComponent(part.replace(/[\ud800-\udfff]/g, '?'))).join('/');

/** docs of GitHub's workflow commands: % CR LF are escaped everywhere, : and , in properties. */
const asGithub: Format1 = (report) => {
  const data = (text: string): string => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  const property = (text: string): string => data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
  const level = { error: 'error', warning: 'warning', note: 'notice' } as const;
  return [
    ...report.findings.map((finding) => `::${level[finding.severity]} file=${property(path(report, finding))},title=${property(finding.rule)}::${data(findingText(finding) + (finding.remedy === undefined ? '' : ` ${finding.remedy}`))}`),
    `${data(report.target)}: ${countsText(report.findings)}`,
  ].join('\n');
};
