/**
 * What people do wrong and what goes wrong around them: each ends with exit code 1, a message that names the matter, and
 * harms nothing: the program to be dumped runs on as it was, a restore that is refused leaves no task.
 */
// timeout: 300 s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync, appendFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestProgram, alive, treeOf, until } from '../support/program.ts';
import { same } from '../support/round-trip.ts';
import { differences, snapshot } from '../support/snapshot.ts';
import { OURS, dump, restore, run, type Ran } from '../support/tool.ts';

/** The command must fail with exit code 1 and say something that fits, on the terminal or in its log. */
async function refused(args: readonly string[], says: RegExp, log?: string): Promise<Ran> {
  const ran = await run(OURS, args);
  const text = ran.output + (log !== undefined && existsSync(log) ? readFileSync(log, 'latin1') : '');
  assert.is(ran.status, 1, `exit code of ${args.join(' ')}:\n${text.slice(-1500)}`);
  assert.ok(says.test(text), `${says} is said; it says:\n${text.slice(-1500)}`);
  assert.not.match(text, /a bug in Stillframe|TypeError|at async|node:internal/, 'no inner error is shown');
  return ran;
}

/** Runs `body` on a running program, which must afterwards be as before, and go on. */
async function unharmed(body: (program: TestProgram) => Promise<void>, name = 'idle', options = {}): Promise<void> {
  const program = new TestProgram(name, options);
  try {
    await program.waitFor(/^ready$/m);
    const before = snapshot(program.pid);
    await body(program);
    same('afterwards', differences(before, snapshot(program.pid)));
    await program.verdict();
  } finally {
    await program.stop();
  }
}

/** Dumps a program, kills nothing else; `body` spoils something; the restore must fail and leave no task. */
async function spoiled(body: (program: TestProgram) => void | Promise<void>, says: RegExp, { name = 'idle', args = [] as string[] } = {}): Promise<void> {
  const program = new TestProgram(name, { args });
  try {
    await program.waitFor(/^ready$/m);
    const pids = treeOf(program.pid);
    await dump(OURS, program.pid, program.images);
    await program.gone(pids);
    await body(program);
    await refused(['restore', '-D', program.images, '-o', 'restore.log', '-v4', '-d'], says, join(program.images, 'restore.log'));
    assert.not.ok(pids.some(alive), 'no task is left of a restore that failed');
  } finally {
    await program.stop();
  }
}

const dumping = suite('dump refuses');

dumping('no such process', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'sf-bad-'));
  await refused(['dump', '-t', '4194303', '-D', dir], /4194303/);
  rmSync(dir, { recursive: true });
});

dumping('a task that waits in vfork: its child is named, and it goes on when the child has ended', async () => {
  const program = new TestProgram('undumpable', { args: ['vfork'] });
  try {
    await program.waitFor(/^ready$/m);
    await until('it waits', () => treeOf(program.pid).length === 2);
    const child = treeOf(program.pid)[1]!;
    mkdirSync(program.images);
    await refused(['dump', '-t', String(program.pid), '-D', program.images, '--timeout', '1'], new RegExp(`waits in vfork for its child, process ${child} \\(undumpable\\)`, 'u'));
    process.kill(child, 'SIGKILL');
    await program.waitFor(/^went on$/m);
  } finally {
    await program.stop();
  }
});

dumping('a kernel thread', async () => {
  const thread = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).find((pid) => {
    try { return readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') S 2 '); } catch { return false; }
  });
  if (thread === undefined) {
    console.log('SKIP a kernel thread: none is to be seen from inside a pid namespace');
    return;
  }
  const dir = mkdtempSync(join(tmpdir(), 'sf-bad-'));
  await refused(['dump', '-t', thread, '-D', dir], /kernel thread|thread of the kernel/i);
  rmSync(dir, { recursive: true });
});

dumping('an ancestor of its own', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'sf-bad-'));
  await refused(['dump', '-t', String(process.pid), '-D', dir], new RegExp(`${process.pid}`));
  rmSync(dir, { recursive: true });
});

dumping('a task that is traced already', async () => {
  const program = new TestProgram('idle');
  const tracer = new TestProgram('trace', { args: [String(program.pid)] });
  try {
    await program.waitFor(/^ready$/m);
    await tracer.waitFor(/^ready$/m);
    mkdirSync(program.images);
    await refused(['dump', '-t', String(program.pid), '-D', program.images], new RegExp(`traced|${tracer.pid}`));
    await tracer.stop();
    await program.verdict();
  } finally {
    await tracer.stop();
    await program.stop();
  }
});

dumping('another user\'s task, as a plain user', async () => {
  await unharmed(async (program) => {
    const dir = mkdtempSync(join(tmpdir(), 'sf-bad-'));
    chmodSync(dir, 0o777);
    // a copy of the tool where that user can read it is what an installation is; here the source tree may be closed to him
    const readable = spawnSync('setpriv', ['--reuid=1234', '--regid=1234', '--clear-groups', 'test', '-r', OURS]).status === 0;
    if (!readable) console.log('SKIP another user\'s task: this source tree cannot be read by other users');
    else {
      const ran = await run('setpriv', ['--reuid=1234', '--regid=1234', '--clear-groups', OURS, 'dump', '-t', String(program.pid), '-D', dir]);
      assert.is.not(ran.status, 0);
      assert.ok(/EPERM|EACCES|permission|permitted|may not/i.test(ran.output), `it is about permission; it says:\n${ran.output}`);
      assert.not.match(ran.output, /a bug in Stillframe/);
    }
    rmSync(dir, { recursive: true });
  });
});

dumping('an images directory that is missing', async () => {
  await unharmed(async (program) => { await refused(['dump', '-t', String(program.pid), '-D', '/nowhere/at/all'], /\/nowhere\/at\/all/); });
});

dumping('an images directory that is a file', async () => {
  await unharmed(async (program) => { await refused(['dump', '-t', String(program.pid), '-D', '/etc/hostname'], /\/etc\/hostname/); });
});

dumping('an images directory that cannot be written', async () => {
  await unharmed(async (program) => { await refused(['dump', '-t', String(program.pid), '-D', '/proc/sys', '-o', '-'], /\/proc\/sys/); });
});

dumping('a full disk in the middle', async () => {
  const mount = mkdtempSync(join(tmpdir(), 'sf-full-'));
  assert.is(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', mount]).status, 0, 'a small file system can be mounted');
  try {
    await unharmed(async (program) => {
      await refused(['dump', '-t', String(program.pid), '-D', mount, '-o', '-', '-v1'], /ENOSPC|no space/i);
    });
  } finally {
    spawnSync('umount', [mount]);
    rmSync(mount, { recursive: true });
  }
});

for (const [what, args, says] of [
  ['no process id', ['dump', '-D', '/tmp'], /-t|tree|pid/i],
  ['a process id that is none', ['dump', '-t', 'abc', '-D', '/tmp'], /abc/],
  ['an unknown option', ['dump', '-t', '1', '--frobnicate'], /frobnicate/],
  ['an unknown command', ['frobnicate'], /frobnicate/],
  ['an option that is known but not supported yet', ['dump', '-t', '1', '--lazy-pages', '-D', '/tmp'], /lazy-pages/],
] as const) {
  dumping(what, async () => { await refused(args, says); });
}

dumping('a kind that is not supported: all of them at once, each named', async () => {
  await unharmed(async (program) => {
    mkdirSync(program.images);
    const log = join(program.images, 'dump.log');
    await refused(['dump', '-t', String(program.pid), '-D', program.images, '-o', 'dump.log'], /fd \d+ .*AF_(VSOCK|ALG|XDP)/, log);
    assert.match(readFileSync(log, 'latin1'), /io_uring/, 'the second reason is told, too');
  }, 'unsupported');
});

dumping.run();

const restoring = suite('restore refuses');

restoring('an images directory without images', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'sf-bad-'));
  await refused(['restore', '-D', dir, '-d'], /inventory\.img/);
  rmSync(dir, { recursive: true });
});

restoring('a process id that is taken', async () => {
  const program = new TestProgram('idle');
  try {
    await program.waitFor(/^ready$/m);
    await dump(OURS, program.pid, program.images, ['-R']);
    const before = snapshot(program.pid);
    await refused(['restore', '-D', program.images, '-o', 'restore.log', '-d'], new RegExp(`${program.pid}.*(taken|exist|in use|EEXIST)|(taken|exist|in use|EEXIST).*${program.pid}`), join(program.images, 'restore.log'));
    same('the task that has it', differences(before, snapshot(program.pid)));
    await program.verdict();
  } finally {
    await program.stop();
  }
});

restoring('a missing pages file', async () => { await spoiled((program) => rmSync(join(program.images, 'pages-1.img')), /pages-1\.img/); });
restoring('a shortened pages file', async () => { await spoiled((program) => truncateSync(join(program.images, 'pages-1.img'), 4096), /pages-1\.img/); });
restoring('a missing core file', async () => { await spoiled((program) => rmSync(join(program.images, `core-${program.pid}.img`)), /core-\d+\.img/); });
restoring('a cut core file', async () => { await spoiled((program) => truncateSync(join(program.images, `core-${program.pid}.img`), 100), /core-\d+\.img/); });
restoring('bytes behind the last record', async () => { await spoiled((program) => appendFileSync(join(program.images, 'files.img'), 'rubbish!'), /files\.img/); });
restoring('a file that is gone', async () => { await spoiled((program) => rmSync(join(program.dir, 'out')), /out.*(gone|missing|ENOENT|not there|does not exist)|(gone|missing|ENOENT|not there|does not exist).*out/); });
restoring('a file that was replaced by a directory', async () => {
  await spoiled((program) => { rmSync(join(program.dir, 'append')); mkdirSync(join(program.dir, 'append')); }, /append/, { name: 'files' });
});
restoring('a file whose size changed', async () => {
  await spoiled((program) => appendFileSync(join(program.dir, 'plain'), 'more'), /plain.*size|size.*plain/, { name: 'files' });
});

restoring('and what is refused once restores when the cause is mended', async () => {
  const program = new TestProgram('idle');
  try {
    await program.waitFor(/^ready$/m);
    await dump(OURS, program.pid, program.images);
    await program.gone();
    const out = readFileSync(join(program.dir, 'out'));
    rmSync(join(program.dir, 'out'));
    await refused(['restore', '-D', program.images, '-o', 'restore.log', '-d'], /out/, join(program.images, 'restore.log'));
    writeFileSync(join(program.dir, 'out'), out);
    await restore(OURS, program.images);
    await program.verdict();
  } finally {
    await program.stop();
  }
});

restoring.run();
