/**
 * The project's first experiment, in a real terminal: a counter is dumped while its shell looks on, and restored from the same
 * shell. It must go on with the next number, under its pid, without having lost or gained time in its sleep.
 */
// timeout: 180 s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseStat } from '../../src/proc/stat.ts';
import { alive, compiled, until } from '../support/program.ts';
import { Terminal } from '../support/terminal.ts';
import { OURS, dump, tail } from '../support/tool.ts';

const numbers = (text: string): number[] => [...text.matchAll(/^(\d+)$/gm)].map((match) => Number(match[1]));

/** @param reach the number that it has printed when this returns */
async function startCounter(terminal: Terminal, ms: number, reach = 2): Promise<{ pid: number; since: () => string }> {
  const since = terminal.line(`${compiled('counter')} ${ms} & sleep 0.1; echo pid=$!=; fg`);
  const pid = Number((await terminal.shows(/pid=(\d+)=/, since))[1]);
  terminal.tasks.add(pid);
  await terminal.shows(new RegExp(`^${reach}$`, 'm'), since);
  return { pid, since };
}

const counter = suite('counter in a terminal');

counter('ten times in a row: killed, restored, the next number', async () => {
  const terminal = new Terminal('counter');
  try {
    const { pid, since } = await startCounter(terminal, 50);
    let onScreen = since;
    for (let i = 0; i < 10; i++) {
      const images = join(terminal.dir, `img${i}`);
      await dump(OURS, pid, images, ['-j']);
      // the first time it is the shell's job; afterwards it is nobody's
      if (i === 0) await terminal.shows(/Killed/, onScreen);
      await until(`task ${pid} is gone`, () => !alive(pid));
      const last = numbers(since()).at(-1)!;
      onScreen = terminal.line(`${OURS} restore -D ${images} -o restore.log -v4 -d -j; echo exit=$?=`);
      const exit = Number((await terminal.shows(/exit=(\d+)=/, onScreen))[1]);
      assert.is(exit, 0, `restore ${i}: ${tail(join(images, 'restore.log'))}`);
      assert.ok(alive(pid), `task ${pid} runs after restore ${i}`);
      await until('it counts on', () => numbers(since()).at(-1)! >= last + 3);
    }
    const all = numbers(since());
    assert.equal(all, all.map((_, i) => i), 'every number once, in order');
    assert.is(readFileSync(`/proc/${pid}/comm`, 'latin1').trim(), 'counter');
  } finally {
    await terminal.close();
  }
});

counter('with -R it runs on, is not seen to stop, and its images restore', async () => {
  const terminal = new Terminal('counter');
  try {
    const { pid, since } = await startCounter(terminal, 50);
    for (let i = 0; i < 3; i++) await dump(OURS, pid, join(terminal.dir, `img${i}`), ['-j', '-R']);
    const last = numbers(since()).at(-1)!;
    await until('it runs on', () => numbers(since()).at(-1)! >= last + 3);
    assert.not.match(since(), /Killed|Stopped/);
    const all = numbers(since());
    assert.equal(all, all.map((_, i) => i), 'every number once, in order');

    process.kill(pid, 'SIGKILL');
    await terminal.shows(/Killed/, since);
    const again = terminal.line(`${OURS} restore -D ${terminal.dir}/img1 -o restore.log -v4 -d -j; echo exit=$?=`);
    await terminal.shows(/exit=0=/, again).catch((error: Error) => { throw new Error(`${error.message}\n${tail(`${terminal.dir}/img1/restore.log`)}`); });
    await until('it counts on from the image', () => numbers(again()).length >= 4);
    const rest = numbers(again());
    assert.equal(rest, rest.map((_, i) => rest[0]! + i));
    assert.ok(rest[0]! <= last + 1 && rest[0]! >= 2, `it went on with ${rest[0]}, the dump was before ${last}`);
  } finally {
    await terminal.close();
  }
});

counter('its sleep neither loses nor gains time', async () => {
  const terminal = new Terminal('counter');
  try {
    const period = 5000;
    const { pid, since } = await startCounter(terminal, period, 0);
    const shownAt = performance.now();
    await new Promise((resolve) => setTimeout(resolve, period / 2));
    const images = join(terminal.dir, 'img');
    await dump(OURS, pid, images, ['-j']);
    const dumpedAt = performance.now();
    await until('gone', () => !alive(pid));
    await new Promise((resolve) => setTimeout(resolve, period / 2)); // time outside: the sleep would be over by now
    assert.equal(numbers(since()), [0]);
    const startRestore = performance.now();
    const again = terminal.line(`${OURS} restore -D ${images} -o restore.log -v4 -d -j; echo exit=$?=`);
    await terminal.shows(/^1$/m, again);
    // what was left at the dump must still be slept: no less, and not the whole time again
    const slept = performance.now() - startRestore;
    const before = dumpedAt - shownAt;
    assert.ok(slept >= period - before - 50, `slept ${before} ms at most, then only ${slept} ms more`);
    assert.ok(slept < period, `slept ${slept} ms more after ${period / 2} ms at least`);
  } finally {
    await terminal.close();
  }
});

counter('a shell and its job: what was in the foreground is it again, and is interrupted by ^C', async () => {
  const terminal = new Terminal('foreground');
  try {
    terminal.line('bash --norc --noprofile --noediting -i');
    const pid = Number((await terminal.shows(/pid=(\d+)=/, terminal.line('echo pid=$$=; sleep 1000')))[1]);
    terminal.tasks.add(pid);
    const foreground = (): number => parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1')).tpgid;
    await until('its job is in the foreground', () => foreground() !== pid);
    const job = foreground();
    terminal.tasks.add(job);
    const images = join(terminal.dir, 'img');
    await dump(OURS, pid, images, ['-j']);
    await until('gone', () => !alive(pid) && !alive(job));
    terminal.line(`${OURS} restore -D ${images} -o restore.log -v4 -j`);
    await until('it is again', () => alive(job) && foreground() === job);
    terminal.type('\x03');
    await terminal.shows(/status=130=/, terminal.line('echo status=$?='));
  } finally {
    await terminal.close();
  }
});

counter.run();
