// Runs all tests: native suites by make and every test/**/*.test.ts, each in its own process. Those that use ptrace, fixed pids
// or time run one after the other, those that only read images beside them. Usage: node test/run.mjs [FILTER] [--dir DIR]
// FILTER is a part of the path, or a suite's name; with --dir only the files below DIR, no native suites (the runner's own test).
// Last line: `N passed, N failed`. A file that crashes, hangs, prints no totals, runs no test or leaves a process behind counts as failed.
// A file can ask for more time than the default in a comment:  // timeout: 300 s
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DEFAULT_SECONDS = 120;
const { values: { dir }, positionals: [filter = ''] } = parseArgs({ options: { dir: { type: 'string' } }, allowPositionals: true });
const testDir = resolve(dir ?? fileURLToPath(new URL('.', import.meta.url)));
const totalsFile = dir === undefined ? 'build/test-totals' : join(testDir, 'test-totals');
const reap = join(ROOT, 'build/test-programs/reap');
const results = [];

process.chdir(ROOT);
rmSync(totalsFile, { force: true });
mkdirSync('build/test-programs', { recursive: true });
const built = spawnSync('cc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', reap, 'test/programs/reap.c'], { stdio: 'inherit' });
if (built.status !== 0) {
  console.log('test/programs/reap.c does not compile\n0 passed, 1 failed');
  process.exit(1);
}

const filesBelow = (dir) => readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
  const path = join(dir, entry.name);
  if (entry.isDirectory()) return filesBelow(path);
  return entry.name.endsWith('.test.ts') ? [path] : [];
});

/** Runs a command below `reap`; resolves to its output and how it ended. */
function run(command, args, seconds) {
  return new Promise((resolve) => {
    const started = process.hrtime.bigint();
    const child = spawn(reap, [command, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'], detached: true, env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
    });
    let output = '';
    let late = false;
    const take = (bytes) => { output += bytes; };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const timer = setTimeout(() => {
      late = true;
      process.kill(child.pid, 'SIGTERM');
      setTimeout(() => { try { process.kill(-child.pid, 'SIGKILL'); } catch { /* it has ended */ } }, 5000).unref();
    }, seconds * 1000);
    child.on('exit', () => setTimeout(() => { child.stdout.destroy(); child.stderr.destroy(); }, 2000).unref());
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ output, code, signal, late, ms: Number((process.hrtime.bigint() - started) / 1000000n) });
    });
  });
}

const count = (output, label) => {
  const found = [...output.replace(/\x1b\[[0-9;]*m/g, '').matchAll(new RegExp(`^\\s*${label}:\\s+(\\d+)\\s*$`, 'gm'))];
  return found.length === 0 ? undefined : found.reduce((sum, match) => sum + Number(match[1]), 0);
};

function judge(name, ran, seconds) {
  const total = count(ran.output, 'Total');
  const passed = count(ran.output, 'Passed') ?? 0;
  const reasons = [];
  if (ran.late) reasons.push(`did not end within ${seconds} s`);
  if (ran.code === 99) reasons.push('left processes behind');
  if (total === undefined) reasons.push('printed no totals');
  else if (total === 0) reasons.push('ran no test');
  let failed = total === undefined ? 0 : total - passed;
  if (ran.code !== 0 && failed === 0 && reasons.length === 0) reasons.push(`ended with ${ran.signal ?? `exit code ${ran.code}`}`);
  if (reasons.length > 0) failed += 1;
  const skips = [...ran.output.matchAll(/SKIP (.*)$/gm)].map((match) => match[1]);
  const unnamed = (count(ran.output, 'Skipped') ?? 0) - skips.length;
  if (unnamed > 0) skips.push(`${unnamed} without a reason`);
  return { name, passed, failed, reasons, skips, ms: ran.ms, output: ran.output };
}

/** A suite that is not uvu's: it ends with a line `N passed, N failed`, or counts as one test by its exit code. */
function judgeNative(name, ran, seconds) {
  const line = [...ran.output.matchAll(/^(\d+) passed, (\d+) failed$/gm)].pop();
  const reasons = [];
  if (ran.late) reasons.push(`did not end within ${seconds} s`);
  const passed = line ? Number(line[1]) : ran.code === 0 ? 1 : 0;
  let failed = line ? Number(line[2]) : 0;
  if (ran.code !== 0 && failed === 0) reasons.push(`exit code ${ran.code ?? ran.signal}`);
  if (passed + failed === 0 && reasons.length === 0) reasons.push('ran no test');
  if (reasons.length > 0) failed += 1;
  return { name, passed, failed, reasons, skips: [], ms: ran.ms, output: ran.output };
}

function report(result) {
  results.push(result);
  const state = result.failed > 0 ? 'FAIL' : 'ok  ';
  console.log(`${state} ${result.name}: ${result.passed} passed${result.failed ? `, ${result.failed} failed` : ''}`
    + `${result.reasons.length ? ` (${result.reasons.join('; ')})` : ''} [${(result.ms / 1000).toFixed(1)} s]`);
  for (const skip of result.skips) console.log(`     skipped: ${skip}`);
  if (result.failed > 0) console.log(result.output.trimEnd().replace(/^/gm, '     | '));
}

/** Fuzzing is short here; each fuzzer of the core gets its share of a minute. */
const SECONDS_OF_FUZZER = 8;
const targets = ['core-test', 'core-fuzz', 'helper-test'].filter((target) => {
  const rules = readdirSync('.').map((dir) => join(dir, 'rules.mk')).filter((file) => existsSync(file));
  return rules.some((file) => new RegExp(`^${target}:`, 'm').test(readFileSync(file, 'utf8')));
});
/** Only read files, or start nothing but our own commands: these may run beside the others. */
const BESIDE = /^(anonymise|compare|core|crit|image|image-source|inspect|proc|view)\//;
const jobs = [];
for (const target of dir === undefined ? ['typecheck', ...targets] : []) {
  if (target.includes(filter)) jobs.push({ beside: true, run: async () => report(judgeNative(target, await run('make', ['--no-print-directory', '-s', target, `SECONDS=${SECONDS_OF_FUZZER}`], 240), 240)) });
}
for (const file of filesBelow(testDir).sort()) {
  const name = relative(testDir, file);
  if (!name.includes(filter)) continue;
  const asked = /^\s*\/\/ timeout: (\d+) s/m.exec(readFileSync(file, 'utf8'));
  const seconds = asked ? Number(asked[1]) : DEFAULT_SECONDS;
  jobs.push({ beside: BESIDE.test(name), run: async () => report(judge(name, await run(process.execPath, ['--import', 'tsx', file], seconds), seconds)) });
}
const started = Date.now();
const lane = async (beside) => { for (const job of jobs) if (job.beside === beside) await job.run(); };
await Promise.all([lane(true), lane(false)]);

const sum = (pick) => results.reduce((total, result) => total + pick(result), 0);
if (results.length === 0) report({ name: filter, passed: 0, failed: 1, reasons: ['no test file has that in its path'], skips: [], ms: 0, output: '' });
const bad = results.filter((result) => result.failed > 0);
console.log(`\n${results.length} files and suites, ${((Date.now() - started) / 1000).toFixed(0)} s`
  + `, ${sum((r) => r.skips.length)} skipped (listed above)`);
if (bad.length > 0) console.log(`Failed: ${bad.map((result) => result.name).join(', ')}`);
const totals = `${sum((r) => r.passed)} passed, ${sum((r) => r.failed)} failed`;
writeFileSync(totalsFile, `${totals}\n`);
console.log(totals);
process.exitCode = bad.length > 0 ? 1 : 0;
