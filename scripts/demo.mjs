// make demo: a counter in a real terminal is dumped, its shell says Killed, it is restored and counts on.
// Says what is to be seen, checks it, and exits non-zero when the count does not go on. DEMO_BIN puts another command in
// place of bin/stillframe, DEMO_PATIENCE=SECONDS is how long a step may take.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TOOL = process.env.DEMO_BIN ?? join(ROOT, 'bin/stillframe.js');
const NAME = process.env.DEMO_BIN ? 'criu' : 'stillframe';
const PATIENCE = Number(process.env.DEMO_PATIENCE ?? 20) * 1000;
const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code, text) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
const tell = (text) => console.log(`\n${paint('1;36', text.replace(/^/gm, '# '))}`);

function fail(what, log) {
  console.log(`\n${paint('1;31', `The demo failed: ${what}`)}`);
  if (log) {
    try { console.log(readFileSync(log, 'latin1').trimEnd().split('\n').slice(-15).join('\n')); } catch { /* it was not written */ }
  }
  finish(1);
}

if (process.getuid() !== 0) {
  console.log("The demo freezes a process into files and gives a new one its pid: that needs root here. Run:\n    sudo make demo");
  process.exit(1);
}

const built = join(ROOT, 'build/demo');
mkdirSync(built, { recursive: true });
for (const [name, libraries] of [['counter', []], ['pty', ['-lutil']]]) {
  const { status, stderr } = spawnSync('cc', ['-O1', '-o', join(built, name), join(ROOT, `test/programs/${name}.c`), ...libraries], { encoding: 'utf8' });
  if (status !== 0) { console.log(stderr); process.exit(1); }
}

rmSync(join(built, NAME), { force: true });
symlinkSync(TOOL, join(built, NAME)); // so that the shell finds it by its name
const dir = mkdtempSync(join(tmpdir(), 'stillframe-demo-'));
const images = join(dir, 'img');
mkdirSync(images);
const shell = spawn(join(built, 'pty'), ['bash', '--norc', '--noprofile', '--noediting', '-i'], {
  cwd: dir, stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, PS1: '', TERM: 'dumb', HISTFILE: '', PATH: `${built}:${process.env.PATH}` },
});
let screen = '';
let printed = 0;
let quiet = true;
shell.stdout.on('data', (bytes) => {
  screen += bytes.toString('latin1').replace(/\r/g, '');
  if (quiet) return;
  const shown = screen.slice(printed);
  printed = screen.length;
  process.stdout.write(shown.replace(/^(?=.)/gm, '  | '));
});
let pid = 0;

function finish(code) {
  if (pid > 0) try { process.kill(pid, 'SIGKILL'); } catch { /* it has ended */ }
  shell.stdin.end();
  shell.on('exit', () => {
    if (code === 0) rmSync(dir, { recursive: true, force: true });
    else console.log(`(kept for you to look at: ${dir})`);
    process.exit(code);
  });
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function until(probe, ms = PATIENCE) {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(10)) if (probe()) return true;
  return false;
}
const numbers = () => [...screen.matchAll(/^(\d+)$/gm)].map((match) => Number(match[1]));

/** Types a command line; the terminal shows it by itself. */
function type(line) {
  shell.stdin.write(`${line}\n`);
}

async function main() {
  await sleep(300);
  screen = '';
  quiet = false;
  tell("A shell in a new terminal (what it shows is marked with |). It starts a counter:");
  type('counter 500');
  if (!(await until(() => numbers().at(-1) >= 3))) return fail('the counter does not count');
  pid = childNamed('counter');
  if (!pid) return fail('the counter is not among the processes');

  tell(`It is process ${pid}. From a second terminal it is now frozen into files and killed:\n`
    + `  ${NAME} dump -t ${pid} -D img/ -o dump.log -v4 -j`);
  const dump = spawnSync(join(built, NAME), ['dump', '-t', String(pid), '-D', 'img/', '-o', 'dump.log', '-v4', '-j'], { cwd: dir, encoding: 'utf8' });
  if (dump.status !== 0) return fail(`dump ended with exit code ${dump.status}\n${dump.stdout}${dump.stderr}`, join(images, 'dump.log'));
  if (!(await until(() => /Killed/.test(screen)))) return fail('the shell did not say Killed');
  const last = numbers().at(-1);
  const files = readdirSync(images).filter((name) => name.endsWith('.img'));
  const bytes = files.reduce((sum, name) => sum + statSync(join(images, name)).size, 0);
  tell(`The shell said Killed: there is no process ${pid} any more. The last number was ${last}.\n`
    + `What is left of it are ${files.length} files in img/, ${Math.round(bytes / 1024)} KiB, in CRIU's image format.`);
  if (!(await until(() => !alive(pid), 3000))) return fail(`process ${pid} is still there`);
  await sleep(1200);
  if (numbers().at(-1) !== last) return fail('something still counts');

  tell('A second later the shell brings it back from the files:');
  const before = screen.length;
  type(`${NAME} restore -D img/ -o restore.log -v4 -d -j`);
  if (!(await until(() => numbers().at(-1) >= last + 4))) return fail('the count does not go on', join(images, 'restore.log'));
  const now = childOrOrphan(pid);
  if (now !== 'counter') return fail(`process ${pid} is ${now ?? 'not there'}, not the counter`);
  const all = numbers();
  if (all.some((number, i) => number !== i)) return fail(`the numbers are not one sequence: ${all.join(' ')}`);
  if (screen.slice(before).match(/^(\d+)$/m)?.[1] !== String(last + 1)) return fail(`after ${last} came ${screen.slice(before)}`);
  tell(`After ${last} came ${last + 1}: the same process ${pid}, with its memory, its open terminal and its place in the program.\n`
    + 'It had been dead for a while and did not notice.');
  console.log(`\n${paint('1;32', 'The demo went well.')}`);
  finish(0);
}

function childNamed(name) {
  return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).map(Number).find((candidate) => {
    try {
      return readFileSync(`/proc/${candidate}/comm`, 'latin1').trim() === name && ancestors(candidate).includes(shell.pid);
    } catch {
      return false;
    }
  });
}
function ancestors(of) {
  const found = [];
  for (let at = of; at > 1; found.push(at)) {
    const stat = readFileSync(`/proc/${at}/stat`, 'latin1');
    at = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  }
  return found;
}
function childOrOrphan(of) {
  try { return readFileSync(`/proc/${of}/comm`, 'latin1').trim(); } catch { return undefined; }
}
function alive(of) {
  try { return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${of}/status`, 'latin1')); } catch { return false; }
}

await main().catch((error) => fail(error.stack));
