/** Open files whose other ends are outside of the tree: named by --external at the dump, handed in by --inherit-fd at the restore. */
import { spawn, type StdioOptions } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ROOT, TestProgram, treeOf } from '../support/program.ts';
import { OURS, dump, run } from '../support/tool.ts';

interface Key { readonly kind: string; readonly fd: number; readonly key: string }

const EXTERNAL = new Set(['fifo', 'lost', 'tty']);
/** How an end is opened once more through whoever has the other one. */
const MODES: Readonly<Record<string, string>> = { pipe: 'r', fifo: 'r+', tty: 'r+', memfd: 'r+', named: 'r', lost: 'r' };

const dumpOptionsOf = (keys: readonly Key[]): string[] => keys.flatMap(({ kind, key }) => {
  if (kind === 'socket') return ['--external', key.replace(/^socket:/u, 'unix')];
  return EXTERNAL.has(kind) ? ['--external', key] : [];
});

function keysOf(program: TestProgram): Key[] {
  return program.lines.flatMap((line) => {
    const [, kind, fd, key] = /^key (\w+) fd (\d+) (.+)$/u.exec(line) ?? [];
    return kind === undefined ? [] : [{ kind, fd: Number(fd), key: key! }];
  });
}

/** Restores with a descriptor for each, from 5 on. @returns our end of the socket */
async function restoreWith(command: string, args: readonly string[], program: TestProgram, keys: readonly Key[]): Promise<Duplex> {
  const outsider = readFileSync(join(program.dir, 'outsider'), 'utf8').trim();
  const opened: number[] = [];
  const stdio: StdioOptions = ['ignore', 'ignore', 'pipe', 'ignore', 'ignore'];
  const options = keys.flatMap(({ kind, fd, key }, i) => {
    if (kind === 'socket') stdio.push('pipe');
    else {
      const door = openSync(`/proc/${outsider}/fd/${fd}`, MODES[kind]!);
      opened.push(door);
      stdio.push(door);
    }
    return ['--inherit-fd', `fd[${i + 5}]:${kind === 'named' ? key.slice(1) : key}`];
  });
  const child = spawn(command, [...args, ...options], { stdio });
  for (const fd of opened) closeSync(fd);
  let said = '';
  child.stderr!.on('data', (bytes: Buffer) => { said += bytes.toString(); });
  const status = await new Promise((resolve) => child.on('exit', resolve));
  assert.is(status, 0, said);
  return child.stdio[keys.findIndex(({ kind }) => kind === 'socket') + 5] as Duplex;
}

const external = suite('external files');

const commands: readonly { name: string; command: string; args: readonly string[] }[] = [
  { name: 'bin/criu', command: OURS, args: ['restore', '-d'] },
  { name: 'bin/criu -S', command: OURS, args: ['restore', '-d', '-S'] },
  { name: 'stillframe', command: join(ROOT, 'bin/stillframe.js'), args: ['restore', '-d'] },
];
for (const { name, command, args } of commands) {
  external(`handed in to ${name}`, async () => {
    const program = new TestProgram('external');
    try {
      await program.waitFor(/^ready$/m);
      const keys = keysOf(program);
      assert.is(keys.length, 7);
      await dump(OURS, program.pid, program.images, dumpOptionsOf(keys));
      await program.gone();
      const socket = await restoreWith(command, [...args, '-D', program.images], program, keys);
      socket.write('to socket\n');
      program.go();
      await program.waitFor(/^done$/m);
      assert.is(program.lines.filter((line) => line.startsWith('ok ')).length, 14, program.output);
      // with -S it is this process's child, who does not wait for it
      if (!args.includes('-S')) await program.gone();
      socket.destroy();
    } finally {
      await program.stop();
    }
  });
}

external('refused: what has to be handed in and is not, all of it', async () => {
  const program = new TestProgram('external');
  try {
    await program.waitFor(/^ready$/m);
    const keys = keysOf(program);
    const pids = treeOf(program.pid);
    await dump(OURS, program.pid, program.images, dumpOptionsOf(keys));
    await program.gone(pids);
    const { status, output } = await run(OURS, ['restore', '-d', '-D', program.images]);
    assert.is(status, 1, output);
    for (const { kind, key } of keys) if (EXTERNAL.has(kind) || kind === 'socket') assert.ok(output.includes(`--inherit-fd 'fd[N]:${key}'`), `${key}\n${output}`);
    assert.not.ok(readdirSync('/proc').includes(String(program.pid)), 'no task is left');
  } finally {
    await program.stop();
  }
});

const wrong: readonly { name: string; args: readonly string[]; says: RegExp }[] = [
  { name: 'a descriptor that is not open', args: ['restore', '--inherit-fd', 'fd[77]:pipe:[1]'], says: /has no descriptor 77/ },
  { name: 'no descriptor', args: ['restore', '--inherit-fd', 'pipe:[1]'], says: /not of the form fd\[NUM\]:RESOURCE/ },
  { name: 'an external mount', args: ['dump', '-t', String(process.pid), '--external', 'mnt[/x]:x'], says: /kind mnt are not supported yet/ },
  { name: 'an external nothing', args: ['dump', '-t', String(process.pid), '--external', 'x'], says: /it names nothing/ },
];
for (const { name, args, says } of wrong) {
  external(`refused: ${name}`, async () => {
    const program = new TestProgram('threads');
    try {
      await program.waitFor(/^ready$/m);
      mkdirSync(program.images);
      const dumped = args[0] === 'dump' ? ['dump', '-t', String(program.pid), ...args.slice(3)] : args;
      if (args[0] !== 'dump') await dump(OURS, program.pid, program.images, ['-R']);
      const { status, output } = await run(OURS, [...dumped, '-D', program.images]);
      assert.is(status, 1, output);
      assert.match(output, says);
    } finally {
      await program.stop();
    }
  });
}
external.run();
