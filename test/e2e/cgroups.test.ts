/** Control groups of both versions: who is in which, groups that are gone, their limits, the modes of --manage-cgroups and what goes with it. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NO_SCRIPTS } from '../../src/cli/hooks.ts';
import { threadsTogether } from '../../src/resources/cgroup/dump.ts';
import { openSet } from '../../src/image/node/directory.ts';
import { readImage } from '../../src/image/set.ts';
import type { cgroup_entry } from '../../src/image/schema/index.ts';
import { failEachStep } from '../support/faults.ts';
import { TestProgram, treeOf, until } from '../support/program.ts';
import { OURS, THEIRS, dump, restore, run } from '../support/tool.ts';

interface Hierarchy {
  readonly name: string;
  readonly at: string;
  /** A property that every group has, its value in a new one and another. */
  readonly property: string;
  readonly usual: string;
  readonly other: string;
  readonly threads: string;
}
const mounts = readFileSync('/proc/self/mounts', 'latin1').split('\n').map((line) => line.split(' '));
const v1 = mounts.find(([, , type, how = '']) => type === 'cgroup' && how.split(',').includes('pids'))?.[1];
const v2 = mounts.find(([, , type]) => type === 'cgroup2')?.[1];
const HIERARCHIES: readonly Hierarchy[] = [
  ...(v1 === undefined ? [] : [{ name: 'pids', at: v1, property: 'pids.max', usual: 'max', other: '777', threads: 'tasks' }]),
  ...(v2 === undefined ? [] : [{ name: '', at: v2, property: 'cgroup.max.descendants', usual: 'max', other: '777', threads: 'cgroup.threads' }]),
];

const test = suite('control groups');
test('there are some', () => assert.ok(HIERARCHIES.length > 0));

/** Removes a group and all below it. */
function remove(group: string): void {
  if (!existsSync(group)) return;
  for (const one of readdirSync(group, { withFileTypes: true })) if (one.isDirectory()) remove(join(group, one.name));
  rmdirSync(group);
}


for (const { name, at, property, usual, other, threads } of HIERARCHIES) {
  const label = name === '' ? 'v2' : `v1 (${name})`;
  // other hierarchies may come and go meanwhile
  const groupsOf = (pid: number): string => readFileSync(`/proc/${pid}/cgroup`, 'latin1').split('\n').find((line) => line.split(':')[1] === name) ?? '(none)';
  const value = (group: string): string => readFileSync(join(group, property), 'latin1').trim();
  const within = (what: string, body: (group: string) => Promise<void>): void => {
    test(`${label}: ${what}`, async () => {
      const group = join(at, `sf-cgroups-${process.pid}`);
      mkdirSync(group);
      try {
        await body(group);
      } finally {
        await until('the group is empty', () => { try { remove(group); return true; } catch { return false; } });
      }
    });
  };
  /** A program whose root, thread and child enter groups; dumped, and its groups removed. */
  const dumped = async (args: readonly string[], body: (program: TestProgram, groups: string) => Promise<void>, { dumpWith = OURS, options = [], keep }: { dumpWith?: string; options?: readonly string[]; keep?: string } = {}): Promise<void> => {
    const program = new TestProgram('cgroups', { args });
    let good = false;
    try {
      await program.waitFor(/^ready$/m);
      const groups = groupsOf(program.pid);
      const pids = treeOf(program.pid);
      await dump(dumpWith, program.pid, program.images, options);
      await program.gone(pids);
      if (keep === undefined) await until('the groups are removed', () => { try { remove(join(at, `sf-cgroups-${process.pid}`)); return true; } catch { return false; } });
      await body(program, groups);
      good = true;
    } catch (error) {
      (error as Error).message += `\n(images and logs: ${program.dir})`;
      throw error;
    } finally {
      await program.stop(!good);
    }
  };

  const ways = [{ dumpWith: OURS, restoreWith: OURS }, ...(THEIRS === undefined ? [] : [{ dumpWith: OURS, restoreWith: THEIRS }, { dumpWith: THEIRS, restoreWith: OURS }])];
  for (const { dumpWith, restoreWith } of ways) {
    within(`${dumpWith === restoreWith ? '' : `dumped by ${dumpWith}, restored by ${restoreWith}: `}groups that are gone are made again, with owner, mode and limits; each task is in its own`, async (group) => {
      for (const one of ['root', 'root/below', 'child', 'root/empty']) mkdirSync(join(group, one));
      writeFileSync(join(group, 'root', property), other);
      chmodSync(join(group, 'root'), 0o710);
      chmodSync(join(group, 'root', 'cgroup.procs'), 0o600);
      await dumped([`self:${group}/root/cgroup.procs`, `child:${group}/child/cgroup.procs`], async (program, groups) => {
        await restore(restoreWith, program.images);
        assert.is(groupsOf(program.pid), groups);
        assert.is(value(join(group, 'root')), other);
        assert.is(value(join(group, 'child')), usual);
        assert.is(statSync(join(group, 'root')).mode & 0o777, 0o710);
        if (name !== '' || dumpWith === OURS) assert.is(statSync(join(group, 'root', 'cgroup.procs')).mode & 0o777, 0o600);
        assert.ok(existsSync(join(group, 'root', 'empty')));
        assert.ok(await program.verdict() >= 3);
      }, { dumpWith });
    });
  }

  within('a thread in another group than its process', async (group) => {
    for (const one of ['root', 'root/thread']) mkdirSync(join(group, one));
    if (name === '') writeFileSync(join(group, 'root/thread/cgroup.type'), 'threaded');
    await dumped([`self:${group}/root/cgroup.procs`, `thread:${group}/root/thread/${threads}`], async (program) => {
      await restore(OURS, program.images);
      assert.ok(await program.verdict() >= 3);
    });
  });

  within('a cgroup namespace of its own, entered below a group and left for one further down', async (group) => {
    for (const one of ['root', 'root/below']) mkdirSync(join(group, one));
    await dumped([`self:${group}/root/cgroup.procs`, 'ns', `self:${group}/root/below/cgroup.procs`], async (program, groups) => {
      await restore(OURS, program.images);
      assert.is(groupsOf(program.pid), groups);
      assert.ok(await program.verdict() >= 3);
    });
  });

  within('-R, and groups that are there: left alone by default, set with full and props', async (group) => {
    mkdirSync(join(group, 'root'));
    writeFileSync(join(group, 'root', property), other);
    const program = new TestProgram('cgroups', { args: [`self:${group}/root/cgroup.procs`] });
    try {
      await program.waitFor(/^ready$/m);
      const groups = groupsOf(program.pid);
      for (const [mode, expected] of [['soft', '888'], ['full', other], ['none', '888'], ['props', other]] as const) {
        const images = `${program.images}-${mode}`;
        await dump(OURS, program.pid, images, ['-R']);
        const pids = treeOf(program.pid);
        process.kill(program.pid, 'SIGKILL');
        process.kill(pids[1]!, 'SIGKILL');
        await program.gone(pids);
        writeFileSync(join(group, 'root', property), '888');
        await restore(OURS, images, [`--manage-cgroups=${mode}`]);
        assert.is(value(join(group, 'root')), expected, mode);
        assert.is(groupsOf(program.pid), groups, mode);
        writeFileSync(join(group, 'root', property), other);
      }
      assert.ok(await program.verdict() >= 3);
    } finally {
      await program.stop();
    }
  });

  within('--manage-cgroups: none and props need the groups, strict that they are not there, ignore leaves all as it is', async (group) => {
    mkdirSync(join(group, 'root'));
    await dumped([`self:${group}/root/cgroup.procs`], async (program, groups) => {
      const refused = async (mode: string, why: RegExp): Promise<void> => {
        const ran = await run(OURS, ['restore', '-D', program.images, '-d', `--manage-cgroups=${mode}`]);
        assert.is.not(ran.status, 0, mode);
        assert.match(ran.output, why);
        await program.gone();
      };
      await refused('none', /control group \/sf-cgroups-\d+\/root .*ENOENT.*Make it/);
      await refused('props', /control group \/sf-cgroups-\d+\/root .*ENOENT/);
      assert.not.ok(existsSync(group), 'a restore that failed leaves no group');
      mkdirSync(group);
      mkdirSync(join(group, 'root'));
      await refused('strict', /control group \/sf-cgroups-\d+\/root .*EEXIST.*remove it/);
      remove(group);
      await restore(OURS, program.images, ['--manage-cgroups=ignore']);
      assert.is(groupsOf(program.pid), groupsOf(process.pid));
      assert.not.ok(existsSync(group));
      const pids = treeOf(program.pid);
      for (const pid of pids.reverse()) process.kill(pid, 'SIGKILL');
      await program.gone(pids);
      await restore(OURS, program.images, ['--manage-cgroups=strict']);
      assert.is(groupsOf(program.pid), groups);
      assert.ok(await program.verdict() >= 3);
    }, { options: ['--cgroup-dump-controller', name] });
  });

  within('--cgroup-root: into another group; --cgroup-yard: by another way', async (group) => {
    mkdirSync(join(group, 'root'));
    await dumped([`self:${group}/root/cgroup.procs`], async (program, groups) => {
      mkdirSync(join(program.dir, 'yard'));
      symlinkSync(at, join(program.dir, 'yard', name === '' ? 'unified' : name));
      const key = name === '' ? ':' : `${name}:`;
      await restore(OURS, program.images, ['--cgroup-root', `${key}/sf-cgroups-${process.pid}/moved/here`, '--cgroup-yard', '../yard']);
      assert.is(groupsOf(program.pid), groups.replaceAll(`/sf-cgroups-${process.pid}/root`, `/sf-cgroups-${process.pid}/moved/here`));
      const pids = treeOf(program.pid);
      for (const pid of pids.reverse()) process.kill(pid, 'SIGKILL');
      await program.gone(pids);
    }, { options: ['--cgroup-dump-controller', name] });
  });

  if (name === HIERARCHIES.at(-1)!.name) within('a restore that fails at any step about groups leaves none', async (group) => {
    mkdirSync(join(group, 'root'));
    writeFileSync(join(group, 'root', property), other);
    await dumped([`self:${group}/root/cgroup.procs`], async (program) => {
      const pids = [program.pid];
      const options = {
        imagesDir: program.images, workDir: program.images, detach: true, sibling: false, leaveStopped: false, shellJob: false,
        pidfile: undefined, execCommand: undefined, scripts: NO_SCRIPTS, given: new Map(),
      };
      const steps = await failEachStep({ program, pids, options }, (resource) => resource.startsWith(`control group /sf-cgroups-`));
      assert.ok(steps > 10, `${steps} steps`);
      assert.not.ok(existsSync(group));
    }, { options: ['--cgroup-dump-controller', name] });
  });
}

if (v2 !== undefined) {
  test('only where threads may be in other groups is each looked at', () => {
    const group = join(v2, `sf-cgroups-${process.pid}`);
    const text = `0::/sf-cgroups-${process.pid}\n`;
    mkdirSync(join(group, 'below'), { recursive: true });
    try {
      assert.ok(threadsTogether(text, v2));
      assert.not.ok(threadsTogether(`8:pids:/\n${text}`, v2), 'version 1 has threads in groups of their own');
      assert.not.ok(threadsTogether('0::/\n', v2), 'the root may have threaded groups below it');
      assert.not.ok(threadsTogether(text, undefined));
      writeFileSync(join(group, 'below', 'cgroup.type'), 'threaded');
      assert.not.ok(threadsTogether(text, v2), readFileSync(join(group, 'cgroup.type'), 'latin1'));
    } finally {
      remove(group);
    }
  });
}

test('--cgroup-dump-controller, --cgroup-props: what is in the image', async () => {
  const { name, at } = HIERARCHIES[0]!;
  const group = join(at, `sf-cgroups-${process.pid}`);
  mkdirSync(group);
  const program = new TestProgram('cgroups', { args: [`self:${group}/cgroup.procs`, `child:${group}/cgroup.procs`] });
  try {
    await program.waitFor(/^ready$/m);
    const rules = name === '' ? [] : ['--cgroup-props', `"${name}":\n - "strategy": "replace"\n - "properties": ["${name}.current"]\n`];
    await dump(OURS, program.pid, program.images, ['-R', '--cgroup-dump-controller', name, ...rules]);
    const set = openSet(program.images);
    const { sets, controllers } = readImage(set, 'CGROUP')!.entries[0]!.message as cgroup_entry;
    set.close();
    assert.equal(sets.map(({ ctls }) => ctls.map((one) => `${one.name} ${one.path}`)), [[`${name} /sf-cgroups-${process.pid}`]]);
    assert.equal(controllers.map(({ cnames }) => cnames), [[name]]);
    const names = controllers[0]!.dirs[0]!.properties.map((one) => one.name);
    if (name !== '') assert.ok(names.includes(`${name}.current`) && !names.includes(`${name}.max`), names.join());
    const bad = await run(OURS, ['dump', '-t', String(program.pid), '-D', program.dir, '-R', '--cgroup-props', '"cpu": [x]']);
    assert.is.not(bad.status, 0);
    assert.match(bad.output, /--cgroup-props.*not a rule/);
    assert.ok(await program.verdict() >= 3);
  } finally {
    await program.stop();
    await until('the group is empty', () => { try { remove(group); return true; } catch { return false; } });
  }
});

test.run();
