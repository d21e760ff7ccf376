/** --freeze-cgroup with the freezers of both cgroup versions: what they are left as, whatever happens. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dump as dumpTree } from '../../src/dump/dump.ts';
import { Helper } from '../../src/helper/client.ts';
import { SILENT } from '../../src/log.ts';
import { options } from '../dump/support.ts';
import { alive, TestProgram, until } from '../support/program.ts';
import { OURS, dump, restore, run } from '../support/tool.ts';

interface Version { readonly name: string; readonly at: string; readonly control: string; readonly on: string; readonly off: string }
const mounts = readFileSync('/proc/self/mounts', 'latin1').split('\n').map((line) => line.split(' '));
const v1 = mounts.find(([, , type, how = '']) => type === 'cgroup' && how.split(',').includes('freezer'))?.[1];
const v2 = mounts.find(([, , type]) => type === 'cgroup2')?.[1];
const VERSIONS: readonly Version[] = [
  ...(v1 === undefined ? [] : [{ name: 'v1', at: v1, control: 'freezer.state', on: 'FROZEN', off: 'THAWED' }]),
  ...(v2 === undefined ? [] : [{ name: 'v2', at: v2, control: 'cgroup.freeze', on: '1', off: '0' }]),
];

const test = suite('--freeze-cgroup');
test('there is a freezer', () => assert.ok(VERSIONS.length > 0));

for (const { name, at, control, on, off } of VERSIONS) {
  /** A program that is alone in a group of its own. */
  const within = (what: string, body: (program: TestProgram, group: string, state: () => string) => Promise<void>): void => {
    test(`${name}: ${what}`, async () => {
      const group = join(at, `sf-freezer-${process.pid}`);
      mkdirSync(group);
      const program = new TestProgram('threads');
      const state = (): string => readFileSync(join(group, control), 'latin1').trim();
      try {
        await program.waitFor(/^ready$/m);
        writeFileSync(join(group, 'cgroup.procs'), String(program.pid));
        await body(program, group, state);
      } finally {
        writeFileSync(join(group, control), off);
        await program.stop();
        await until('the group is empty', () => { try { rmdirSync(group); return true; } catch { return !existsSync(group); } });
      }
    });
  };

  within('dump and restore', async (program, group, state) => {
    await dump(OURS, program.pid, program.images, ['--freeze-cgroup', group]);
    await program.gone();
    assert.is(state(), off);
    await restore(OURS, program.images);
    assert.ok(await program.verdict() > 0);
  });
  within('it runs on, and is dumped a second time', async (program, group, state) => {
    for (const n of [1, 2]) {
      await dump(OURS, program.pid, `${program.images}${n}`, ['-R', '--freeze-cgroup', group]);
      assert.is(state(), off);
    }
    assert.ok(await program.verdict() > 0);
  });
  within('a group that is frozen already stays so (-R), pre-dump too', async (program, group, state) => {
    writeFileSync(join(group, control), on);
    mkdirSync(`${program.images}0`);
    const pre = await run(OURS, ['pre-dump', '-t', String(program.pid), '-D', `${program.images}0`, '--freeze-cgroup', group]);
    assert.is(pre.status, 0, pre.output);
    await until('frozen again', () => state() === on);
    await dump(OURS, program.pid, program.images, ['-R', '--freeze-cgroup', group]);
    await until('frozen again', () => state() === on);
    writeFileSync(join(group, control), off);
    assert.ok(await program.verdict() > 0);
  });
  within('a frozen group is dumped and killed, and is thawed then: frozen tasks cannot end', async (program, group, state) => {
    writeFileSync(join(group, control), on);
    await dump(OURS, program.pid, program.images, ['--freeze-cgroup', group]);
    await program.gone();
    assert.is(state(), off);
    await restore(OURS, program.images);
    assert.ok(await program.verdict() > 0);
  });
  for (const frozen of [false, true]) {
    within(`failures leave a group that was ${frozen ? 'frozen' : 'not frozen'} as it was, also when the helper is killed`, async (program, group, state) => {
      if (frozen) writeFileSync(join(group, control), on);
      for (const [request, where, errno] of [['SEIZE_FROZEN', 'SEIZE', 5], ['SEIZE_FROZEN', 'WRITE', 5], ['SEIZE_FROZEN', 'WAIT', 5], ['SEIZE_FROZEN', 'SEIZE', 0],
        ['SEIZE_FROZEN', 'WRITE', 0], ['SEIZE_FROZEN', 'WAIT', 0], ['STATE', undefined, 0], ['RUN', undefined, 0], ['STATE', undefined, 5]] as const) {
        const images = `${program.images}-${request}-${where ?? ''}-${errno}`;
        mkdirSync(images);
        const failed = await dumpTree(options(program.pid, images, { given: new Map([['freeze-cgroup', [group]]]) }), SILENT, () => {
          const helper = Helper.start({ faults: true });
          helper.fault({ request, nth: 1, errno, ...(where === undefined ? {} : { where }) });
          return helper;
        }).then(() => undefined, (error: unknown) => error);
        assert.instance(failed, Error, `${request} ${where ?? ''} ${errno}`);
        await until(`${request} ${where ?? ''} ${errno}: ${frozen ? on : off}`, () => state() === (frozen ? on : off));
        await until('nobody traces it', () => /^TracerPid:\s*0$/m.test(readFileSync(`/proc/${program.pid}/status`, 'latin1')));
      }
      writeFileSync(join(group, control), off);
      assert.ok(alive(program.pid));
      assert.ok(await program.verdict() > 0);
    });
  }
  within('a group that the tree is not in, one that we are in, one that is none', async (program, group, state) => {
    for (const [dir, why] of [['/tmp', /has neither freezer\.state nor cgroup\.freeze/], [join(group, 'sub'), /task \d+ is not in it/]] as const) {
      if (dir !== '/tmp') mkdirSync(dir);
      mkdirSync(program.images, { recursive: true });
      const { status, output } = await run(OURS, ['dump', '-t', String(program.pid), '-D', program.images, '--freeze-cgroup', dir]);
      if (dir !== '/tmp') rmdirSync(dir);
      assert.is(status, 1);
      assert.match(output, why);
    }
    writeFileSync(join(group, 'cgroup.procs'), String(process.pid));
    try {
      const { status, output } = await run(OURS, ['dump', '-t', String(program.pid), '-D', program.images, '--freeze-cgroup', group]);
      assert.is(status, 1);
      assert.match(output, /would freeze itself/);
    } finally {
      writeFileSync(join(at, 'cgroup.procs'), String(process.pid));
    }
    assert.is(state(), off);
  });
}
test.run();
