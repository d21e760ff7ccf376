/** Whose child a restored tree is: -d, -S, neither, --exec-cmd; and leaving it stopped. On a real process, by bin/criu. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { loadLibc } from '../../src/helper/koffi.ts';
import { buildPackage } from '../support/package.ts';

const installed = buildPackage();
const images = join(installed.root, 'img');
const libc = loadLibc();

/** A sleeping process, dumped and gone. Returns its pid. */
async function dumped(): Promise<number> {
  rmSync(images, { recursive: true, force: true });
  mkdirSync(images);
  const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
  const exited = once(child, 'exit');
  while (readFileSync(`/proc/${child.pid}/comm`, 'latin1') !== 'sleep\n') await new Promise((resolve) => setTimeout(resolve, 5));
  const { code, err } = installed.run('criu', ['dump', '-t', String(child.pid), '-D', images]);
  assert.is(code, 0, err);
  await exited;
  return child.pid!;
}

const stat = (pid: number): string[] => readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '').split(' ');
const stateOf = (pid: number): string | undefined => stat(pid)[0];
const parentOf = (pid: number): number => Number(stat(pid)[1]);

const parents = suite('restore');
parents('-S: the root task is a child of whoever called, who can wait for it', async () => {
  const pid = await dumped();
  const { code, err } = installed.run('criu', ['restore', '-D', images, '-d', '-S', '--pidfile', 'pid']);
  assert.is(code, 0, err);
  assert.is(readFileSync(join(images, 'pid'), 'latin1'), String(pid));
  assert.is(parentOf(pid), process.pid);
  process.kill(pid, 'SIGTERM');
  assert.is(libc.waitpid(pid, true), 15);
});
parents('-S: a failure has its exit code and leaves nothing', async () => {
  const pid = await dumped();
  rmSync(join(images, `core-${pid}.img`));
  const { code, err } = installed.run('criu', ['restore', '-D', images, '-d', '-S']);
  assert.is(code, 1);
  assert.match(err, /^Error \([^)]+\): .*core-\d+\.img/m);
  assert.throws(() => stat(pid));
});
parents('stillframe restore -S', async () => {
  const pid = await dumped();
  const { code, out, err } = installed.run('stillframe.js', ['restore', '-D', images, '-d', '-S', '--json']);
  assert.is(code, 0, err);
  assert.is((JSON.parse(out) as { pid: number }).pid, pid);
  assert.is(parentOf(pid), process.pid);
  process.kill(pid, 'SIGKILL');
  assert.is(libc.waitpid(pid, true), 9);
});
parents('--log-pid: what concerns a task is in FILE.PID', async () => {
  const pid = await dumped();
  assert.is(installed.run('criu', ['restore', '-D', images, '-d', '-S', '-o', 'r.log', '-v4', '--log-pid']).code, 0);
  assert.match(readFileSync(join(images, `r.log.${pid}`), 'utf8'), new RegExp(`^\\(00\\.\\d{6}\\) task ${pid}: all done`, 'm'));
  assert.not.match(readFileSync(join(images, 'r.log'), 'utf8'), /all done/);
  process.kill(pid, 'SIGKILL');
  libc.waitpid(pid, true);
});
parents('-s: left stopped', async () => {
  const pid = await dumped();
  assert.is(installed.run('criu', ['restore', '-D', images, '-d', '-S', '-s']).code, 0);
  // The stop signal is on its way when the tracer lets go.
  for (let i = 0; stateOf(pid) !== 'T' && i < 100; i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.is(stateOf(pid), 'T');
  process.kill(pid, 'SIGKILL');
  assert.is(libc.waitpid(pid, true), 9);
});
parents('without -d it waits as the parent, until the root task ends', async () => {
  const pid = await dumped();
  const restore = spawn(process.execPath, [join(installed.root, 'bin/criu'), 'restore', '-D', images, '--pidfile', 'pid'], { stdio: 'ignore' });
  const exited = once(restore, 'exit');
  for (let parent = 0; parent !== restore.pid;) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.is(restore.exitCode, null, 'it still waits');
    try { parent = parentOf(pid); } catch { /* not yet */ }
  }
  for (let running = false; !running;) {
    try { running = readFileSync(join(images, 'pid'), 'latin1') === String(pid) && stateOf(pid) === 'S'; } catch { /* not yet */ }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  process.kill(pid, 'SIGKILL');
  assert.equal(await exited, [0, null]);
});
parents('--exec-cmd: the command is the parent, has the standard descriptors and its own exit code', async () => {
  const pid = await dumped();
  const { code, out, err } = installed.run('criu', ['restore', '-D', images, '--exec-cmd', '--', 'sh', '-c', `cut -d' ' -f4 /proc/${pid}/stat; echo $$; kill -9 ${pid}; exit 7`]);
  assert.is(code, 7, err);
  const [parent, self] = out.trim().split('\n');
  assert.is(parent, self);
  assert.is(err, '');
});
parents('--exec-cmd: a command that is not there', async () => {
  const pid = await dumped();
  const { code, err } = installed.run('criu', ['restore', '-D', images, '--exec-cmd', '--', '/nonsense']);
  assert.is(code, 1);
  assert.match(err, /Error \(exec-cmd\): \/nonsense: cannot be started: ENOENT\. The tree was restored and runs/);
  process.kill(pid, 'SIGKILL');
});
parents.after(() => installed.remove());
parents.run();
