/**
 * Interoperation with CRIU 4.2, outside CI: every row dumped and restored in all four combinations of the two tools.
 *
 *   CRIU=/path/criu [ZDTM=/path/criu/test] node --import tsx test/interop/matrix.ts [FILTER]
 *
 * CRIU     a built CRIU 4.2                ZDTM     its test directory (tests built): runs its host-flavour tests too
 * ZDTM_PY  the script in it (zdtm.py)      ZDTM_LIST  a file of test names, one a line (default: what zdtm.py lists for flavour h)
 *
 * Chains (each combination in turn, on the same program) come after the rows.
 * One line a test, four columns: dumped by / restored by. `.` did not apply. Last the four counts. Exit code 1 when a
 * combination with ours fails where CRIU alone passes. Logs: build/interop/.
 */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/program.ts';
import { CONNECTED } from '../support/connected-programs.ts';
import { connectedRoundTrip, realRoundTrip } from '../support/real.ts';
import { REAL } from '../support/real-programs.ts';
import { CHAINS, ROWS } from '../support/rows.ts';
import { roundTrip } from '../support/round-trip.ts';
import { OURS, THEIRS, run } from '../support/tool.ts';

const LOGS = join(ROOT, 'build/interop');
const filter = process.argv[2] ?? '';
if (THEIRS === undefined) {
  console.error('CRIU=/path/criu is needed: a CRIU 4.2 to work with.');
  process.exit(2);
}
rmSync(LOGS, { recursive: true, force: true });
mkdirSync(LOGS, { recursive: true });

const WAYS = [
  { name: 'ours/ours', dumpWith: OURS, restoreWith: OURS },
  { name: 'ours/criu', dumpWith: OURS, restoreWith: THEIRS },
  { name: 'criu/ours', dumpWith: THEIRS, restoreWith: OURS },
  { name: 'criu/criu', dumpWith: THEIRS, restoreWith: THEIRS },
] as const;
type Way = (typeof WAYS)[number];

const counts = new Map(WAYS.map(({ name }) => [name as string, { passed: 0, run: 0 }]));
let regressions = 0;

async function line(test: string, applies: (way: Way) => boolean, attempt: (way: Way) => Promise<void>): Promise<void> {
  if (!test.includes(filter)) return;
  const cells: string[] = [];
  for (const way of WAYS) {
    if (!applies(way)) {
      cells.push('.');
      continue;
    }
    const count = counts.get(way.name)!;
    count.run++;
    try {
      await attempt(way);
      count.passed++;
      cells.push('ok');
    } catch (error) {
      writeFileSync(join(LOGS, `${test.replace(/[^\w]+/g, '-')}.${way.name.replace('/', '-')}.log`), String((error as Error).stack));
      cells.push('FAIL');
    }
  }
  if (cells.slice(0, 3).includes('FAIL') && (cells[3] !== 'FAIL' || cells[0] === 'FAIL')) regressions++;
  else if (test.startsWith('chain') && cells.includes('FAIL')) regressions++;
  console.log(`${test.padEnd(48)} ${cells.map((cell) => cell.padEnd(10)).join('')}`);
}

console.log(`${'dumped by/restored by'.padEnd(48)} ${WAYS.map(({ name }) => name.padEnd(10)).join('')}`);
for (const row of ROWS) {
  await line(row.name, (way) => row.notCriu === undefined || way.name === 'ours/ours', async (way) => {
    // programs are compared by themselves and from outside, as in the end-to-end tests
    await roundTrip(row.program, { ...row, dumpWith: way.dumpWith, restoreWith: way.restoreWith });
  });
}

// chains: the column says who begins, the other combinations follow
for (const { name, program, ...row } of CHAINS) {
  await line(`chain of four: ${name}`, () => true, async (way) => {
    const first = WAYS.indexOf(way);
    await roundTrip(program, { ...row, ways: WAYS.map((_, i) => WAYS[(first + i) % WAYS.length]!) });
  });
}

for (const row of REAL) {
  await line(`real program: ${row.name}`, (way) => row.notCriu === undefined || way.name === 'ours/ours', (way) => realRoundTrip(row, way));
}

for (const row of CONNECTED) {
  await line(`with clients: ${row.name}`, (way) => row.notCriu === undefined || way.name === 'ours/ours', (way) => connectedRoundTrip(row, way));
}

const zdtm = process.env['ZDTM'];
if (zdtm !== undefined) {
  const script = process.env['ZDTM_PY'] ?? 'zdtm.py';
  const env = { ...process.env, PATH: '/usr/bin:/usr/sbin:/bin:/sbin' };
  const python = (args: readonly string[], seconds: number): ReturnType<typeof run> => run('/usr/bin/python3', [`./${script}`, ...args], { cwd: zdtm, env, seconds });
  const list = process.env['ZDTM_LIST'];
  const names = (list === undefined ? (await python(['list'], 60)).output : readFileSync(list, 'utf8')).split('\n').map((name) => name.trim()).filter((name) => name.startsWith('zdtm/'));
  for (const name of names) {
    await line(name, () => true, async (way) => {
      const wrapper = join(LOGS, `criu-${way.name.replace('/', '-')}`);
      // the command may come behind options: any argument that is exactly `restore`
      writeFileSync(wrapper, `#!/bin/sh\nfor word; do [ "$word" = restore ] && exec ${way.restoreWith} "$@"; done\nexec ${way.dumpWith} "$@"\n`);
      chmodSync(wrapper, 0o755);
      const { output } = await python(['run', '-t', name, '-f', 'h', '--criu-bin', wrapper, '--ignore-taint'], 120);
      if (!new RegExp(`Test ${name} PASS`).test(output)) throw new Error(output);
    });
  }
}

console.log(`\n${WAYS.map(({ name }) => `${name} ${counts.get(name)!.passed} of ${counts.get(name)!.run}`).join(', ')}`);
process.exitCode = regressions > 0 ? 1 : 0;
