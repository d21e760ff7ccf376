/** --join-ns: a tree is restored into namespaces that exist, and what it has is of them. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mkdirSync, readlinkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { TestProgram, alive, treeOf } from '../support/program.ts';
import { OURS, THEIRS, dump, restore, run } from '../support/tool.ts';

const test = suite('--join-ns');

const nsOf = (pid: number, kind: string): string => readlinkSync(`/proc/${pid}/ns/${kind}`);

/** A program that checks itself is dumped and restored into namespaces of another process. */
async function joining(kinds: readonly string[], name: string, args: readonly string[], { dumpWith = OURS, restoreWith = OURS } = {}): Promise<void> {
  const holder = new TestProgram('hold', { args: kinds });
  const program = new TestProgram(name, { args });
  try {
    await holder.waitFor(/^ready$/m);
    await program.waitFor(/^ready$/m);
    const pids = treeOf(program.pid);
    await dump(dumpWith, program.pid, program.images);
    await program.gone(pids);
    await restore(restoreWith, program.images, kinds.flatMap((kind) => ['--join-ns', `${kind}:${holder.pid}`]));
    for (const kind of kinds) for (const pid of treeOf(program.pid).filter(alive)) assert.is(nsOf(pid, kind), nsOf(holder.pid, kind), `${kind} namespace of ${pid}`);
    for (const kind of ['uts', 'net', 'ipc'].filter((one) => !kinds.includes(one))) assert.is(nsOf(program.pid, kind), nsOf(process.pid, kind));
    assert.ok(await program.verdict() > 0);
  } finally {
    await program.stop();
    await holder.stop();
  }
}

test('uts, a process with threads', () => joining(['uts'], 'threads', []));
test('net: internet sockets', () => joining(['net'], 'inet', ['common']));
test('net: unix sockets', () => joining(['net'], 'unix', ['common']));
test('ipc and uts, with a tree', () => joining(['ipc', 'uts'], 'tree', []));
test('time: the clocks are those of that namespace', () => joining(['time'], 'vdso', []));
if (THEIRS !== undefined) {
  test('of a set that CRIU wrote', () => joining(['net', 'uts'], 'tree', [], { dumpWith: THEIRS! }));
  test('by CRIU', () => joining(['net', 'uts'], 'tree', [], { restoreWith: THEIRS! }));
}

test('a file, relative to the work directory', async () => {
  const holder = new TestProgram('hold', { args: ['uts'] });
  const program = new TestProgram('threads');
  try {
    await holder.waitFor(/^ready$/m);
    await program.waitFor(/^ready$/m);
    await dump(OURS, program.pid, program.images);
    await program.gone();
    mkdirSync(join(program.dir, 'ns'));
    symlinkSync(`/proc/${holder.pid}/ns/uts`, join(program.dir, 'ns', 'held'));
    const refused = async (text: string, why: RegExp): Promise<void> => {
      const ran = await run(OURS, ['restore', '-D', program.images, '-d', '--join-ns', text]);
      assert.is.not(ran.status, 0, text);
      assert.match(ran.output, why);
      await program.gone();
    };
    await refused('user:1', /joining a namespace of kind user is not supported.*nsenter/);
    await refused('net:../no/such', /no\/such: ENOENT.*\/run\/netns/);
    await refused('nothing', /not of the form KIND:PID/);
    await refused('net:1,2', /takes no options/);
    await refused('net:../ns/held', /helper, net namespace .*: setns.*EINVAL.*no namespace of kind net/);
    await restore(OURS, program.images, ['--join-ns', 'uts:../ns/held']);
    assert.is(nsOf(program.pid, 'uts'), nsOf(holder.pid, 'uts'));
    assert.ok(await program.verdict() > 0);
  } finally {
    await program.stop();
    await holder.stop();
  }
});

test.run();
