/** Log lines as CRIU writes them, action scripts, the pid file and the statistics' text. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RefusedError, StillframeError } from '../../src/errors.ts';
import { FileLog, SILENT } from '../../src/log.ts';
import { ActionScripts } from '../../src/cli/scripts.ts';
import { writePidfile } from '../../src/cli/pidfile.ts';
import { dumpStatsText, restoreStatsText } from '../../src/stats.ts';

const dir = mkdtempSync(join(tmpdir(), 'sf-log-'));
const text = (name: string): string => readFileSync(join(dir, name), 'utf8');

function logAt(level: number, name: string, options: { perTask?: boolean } = {}): FileLog {
  const log = new FileLog();
  log.level = level;
  log.open(join(dir, name), { banner: false, ...options });
  return log;
}

function sayAll(log: FileLog): void {
  log.error('dump', 'e');
  log.warn('dump', 'w');
  log.info('i');
  log.debug('d');
  log.close();
}

const lines = suite('FileLog');
for (const [level, expected] of [
  [0, ''], [1, 'Error (dump): e\n'], [2, 'Error (dump): e\nWarn  (dump): w\n'],
  [3, '(T) Error (dump): e\n(T) Warn  (dump): w\n(T) i\n'], [4, '(T) Error (dump): e\n(T) Warn  (dump): w\n(T) i\n(T) d\n'],
] as const) {
  lines(`level ${level}`, () => {
    sayAll(logAt(level, `level${level}`));
    assert.is(text(`level${level}`).replaceAll(/\(\d\d\.\d{6}\)/g, '(T)'), expected);
  });
}
lines('lines before the file is known go to it, with time zero', () => {
  const log = new FileLog();
  log.debug('early');
  log.error('cli', 'early error');
  log.level = 3;
  log.open(join(dir, 'early'), { banner: false });
  log.close();
  assert.is(text('early'), '(00.000000) Error (cli): early error\n');
});
lines('an old log is replaced, the file is for its owner', () => {
  writeFileSync(join(dir, 'old'), 'old\n');
  sayAll(logAt(1, 'old'));
  assert.is(text('old'), 'Error (dump): e\n');
});
lines('the banner names both versions and the kernel', () => {
  const log = new FileLog();
  log.level = 3;
  log.open(join(dir, 'banner'));
  log.close();
  assert.match(text('banner'), /^\(00\.0\d{5}\) Version: 4\.2 \(Stillframe .*\)\n\(00\.\d{6}\) Running on \S+ Linux /);
});
lines('while held, only warnings and errors are written, in order', () => {
  const log = logAt(4, 'held');
  log.hold();
  log.debug('one');
  assert.is(text('held'), '');
  log.error('x', 'two');
  assert.match(text('held'), /one\n.*two\n$/);
  log.debug('three');
  log.release();
  assert.match(text('held'), /three\n$/);
  log.close();
});
lines('a task\'s lines carry its pid', () => {
  const log = logAt(1, 'tasks');
  log.forTask(42).error('fd 5', 'x');
  log.close();
  assert.is(text('tasks'), '    42: Error (fd 5): x\n');
});
lines('--log-pid: a file for each task', () => {
  const log = logAt(1, 'perpid', { perTask: true });
  log.forTask(42).error('fd 5', 'x');
  log.forTask(42).error('fd 6', 'y');
  log.close();
  assert.is(text('perpid'), '');
  assert.is(text('perpid.42'), 'Error (fd 5): x\nError (fd 6): y\n');
});
lines('an error is one line, a refusal one line for each reason', () => {
  const log = logAt(1, 'report');
  log.report(new StillframeError({ doing: 'restore', where: 'task 5', why: 'bind: EADDRINUSE', remedy: 'Free it' }));
  log.report(new RefusedError('dump', [{ doing: 'dump', where: 'fd 1', why: 'a socket' }, { doing: 'dump', where: 'fd 2', why: 'a tun device', remedy: 'Close it' }]));
  log.close();
  assert.is(text('report'), 'Error (restore): task 5: bind: EADDRINUSE. Free it\nError (dump): fd 1: a socket\nError (dump): fd 2: a tun device. Close it\n');
});
lines('a log that cannot be created is told', () => assert.throws(() => logAt(1, 'none/x'), /log: .*cannot create the log file: ENOENT/));
lines('seconds beyond 99 keep the width', () => {
  const log = logAt(4, 'wide');
  log.info('x');
  log.close();
  assert.is(text('wide').indexOf(')'), 10);
});
lines.run();

const scripts = suite('ActionScripts');
function script(name: string, body: string): string {
  const path = join(dir, name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}
scripts('environment, working directory and order: last one first', () => {
  const say = 'echo "$(basename $0) $CRTOOLS_SCRIPT_ACTION $CRTOOLS_IMAGE_DIR $CRTOOLS_INIT_PID $PWD" >> out';
  const runner = new ActionScripts([script('a.sh', say), script('b.sh', say)], '/images', dir, SILENT);
  runner.run('pre-dump');
  runner.run('post-dump', { initPid: 77 });
  runner.run('post-resume');
  assert.is(text('out'), ['b.sh pre-dump /images ', 'a.sh pre-dump /images ', 'b.sh post-dump /images 77', 'a.sh post-dump /images 77', 'b.sh post-resume /images 77', 'a.sh post-resume /images 77']
    .map((line) => `${line} ${dir}\n`).join(''));
});
scripts('a failing script stops the verb; its code is the dump\'s after post-dump', () => {
  const runner = new ActionScripts([script('fail.sh', 'exit 7')], '/images', dir, SILENT);
  const codeOf = (action: 'pre-dump' | 'post-dump'): number => {
    try {
      runner.run(action);
    } catch (error) {
      assert.match(String(error), new RegExp(`${action}: .*fail\\.sh exited with 7`));
      return (error as StillframeError).exitCode;
    }
    throw new Error('passed');
  };
  assert.is(codeOf('pre-dump'), 1);
  assert.is(codeOf('post-dump'), 7);
});
scripts('after the point of no return a failure is only logged', () => {
  const runner = new ActionScripts([script('late.sh', 'exit 7')], '/images', dir, SILENT);
  runner.run('post-resume');
  runner.run('pre-resume');
  runner.run('network-unlock');
});
scripts('a script that is not there, or killed', () => {
  assert.throws(() => new ActionScripts([join(dir, 'none.sh')], '/i', dir, SILENT).run('pre-dump'), /none\.sh could not be started: ENOENT/);
  assert.throws(() => new ActionScripts([script('kill.sh', 'kill -9 $$')], '/i', dir, SILENT).run('pre-dump'), /kill\.sh was killed by SIGKILL/);
});
scripts.run();

const pidfile = suite('writePidfile');
pidfile('digits and nothing else, in a new file', () => {
  writePidfile(join(dir, 'pid'), 1597);
  assert.is(text('pid'), '1597');
  assert.throws(() => writePidfile(join(dir, 'pid'), 1), /pidfile: .*cannot be written: EEXIST\. It is left from an earlier run/);
  assert.throws(() => writePidfile(join(dir, 'no/pid'), 1), /cannot be written: ENOENT/);
});
pidfile.run();

const stats = suite('stats text');
stats('dump', () => assert.is(dumpStatsText({ freezing_time: 1, frozen_time: 2, memdump_time: 3, memwrite_time: 4, pages_scanned: 255n, pages_skipped_parent: 0n, pages_written: 16n, pages_lazy: 0n }).join('\n'),
  'Displaying dump stats:\nFreezing time: 1 us\nFrozen time: 2 us\nMemory dump time: 3 us\nMemory write time: 4 us\nMemory pages scanned: 255 (0xff)\n'
  + 'Memory pages skipped from parent: 0 (0x0)\nMemory pages written: 16 (0x10)\nLazy memory pages: 0 (0x0)'));
stats('restore', () => assert.is(restoreStatsText({ pages_compared: 1n, pages_skipped_cow: 2n, pages_restored: 3n, forking_time: 4, restore_time: 5 }).join('\n'),
  'Displaying restore stats:\nPages compared: 1 (0x1)\nPages skipped COW: 2 (0x2)\nPages restored: 3 (0x3)\nRestore time: 5 us\nForking time: 4 us'));
stats.after(() => rmSync(dir, { recursive: true }));
stats.run();
