/** Plans of committed image sets that CRIU 4.2 wrote: no process is involved. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { join } from 'node:path';
import { RefusedError } from '../../src/errors.ts';
import { openSet } from '../../src/image/node/directory.ts';
import { VMA } from '../../src/resources/memory/status.ts';
import { parseLabel, parseLabelOption, TYPES, writtenLabel } from '../../src/resources/security-label/label.ts';
import { fd_types } from '../../src/image/schema/index.ts';
import { LOCK_KIND, LOCK_TYPE } from '../../src/kernel/locks.ts';
import { SYSCALLS } from '../../src/kernel/syscalls.ts';
import { Op, type Program } from '../../src/program/program.ts';
import { openedAlone } from '../../src/restore/descriptors.ts';
import { ASSUMED_HOST, type Host } from '../../src/restore/host.ts';
import { planRestore } from '../../src/restore/plan.ts';
import { planToJSON, renderPlan } from '../../src/restore/render.ts';
import { readSets } from '../../src/restore/sets.ts';
import type { SourceSet } from '../../src/restore/page-runs.ts';
import { ROOT } from '../support/program.ts';

/** The set stays open: what is queued in it is read when it is planned. */
function fixture(name: string): SourceSet {
  return readSets(openSet(join(ROOT, 'test/fixtures', name)), name);
}

const plans = suite('planRestore');

plans('one task: what it does, in order', () => {
  const plan = planRestore(fixture('counter'));
  assert.is(plan.blocks.length, 1);
  const [block] = plan.blocks;
  const calls = block!.program.steps.filter(({ op }) => op === Op.SYSCALL).map(({ nr }) => nr);
  const order = [SYSCALLS.rt_sigprocmask, SYSCALLS.setsid, SYSCALLS.munmap, SYSCALLS.arch_prctl, SYSCALLS.mmap, SYSCALLS.mprotect, SYSCALLS.fchdir, SYSCALLS.rt_sigaction, SYSCALLS.prlimit64, SYSCALLS.setresuid, SYSCALLS.capset];
  const places = order.map((nr) => calls.indexOf(nr));
  assert.ok(places.every((at, i) => at >= 0 && (i === 0 || at > places[i - 1]!)), `places of the calls: ${places}`);
  assert.is(calls.lastIndexOf(SYSCALLS.mmap) < calls.indexOf(SYSCALLS.capset), true);
  assert.is(block!.program.steps.at(-1)!.op, Op.PARK);
  assert.is(plan.context.pageCounts.restored, 26n, 'pages, without the two of the vDSO');
  assert.is(block!.takeover!.calls.at(-1)!.name, 'munmap');
});

plans('can be printed, and given as JSON', () => {
  const plan = planRestore(fixture('counter'));
  const text = renderPlan(plan);
  for (const part of ['task 14552: ', 'fd 1 (regular /tmp/fx/w/counter/out.log)', 'file 4 (device /dev/null)', 'openat(-100, "/dev/null"', 'mapping 0x', 'registers (ip 0x']) {
    assert.ok(text.includes(part), `the text has '${part}'`);
  }
  const json = JSON.parse(JSON.stringify(planToJSON(plan))) as ReturnType<typeof planToJSON>;
  assert.is(json.root, 14552);
  assert.equal(json.programs.map(({ subject }) => subject), ['helper', 'task 14552']);
  assert.ok(json.programs[1]!.steps.some(({ op, resource }) => op === 'dup3' || resource.startsWith('fd 2 ')));
});

/** Whether the helper opens a file, and whether the root task does. */
function openers(set: SourceSet, path: string): { helper: boolean; task: boolean } {
  const { context, blocks } = planRestore(set);
  const opens = (program: Program): boolean => program.steps.some((step) => step.nr === SYSCALLS.openat && step.op === Op.SYSCALL && step.resource.includes(path));
  return { helper: opens(context.local.program), task: opens(blocks[0]!.program) };
}

plans('a plain file that one table has is opened by its task, unless somebody would notice or has it too', () => {
  const log = 'out.log';
  assert.equal(openers(fixture('counter'), log), { helper: false, task: true });
  const watched = fixture('counter');
  watched.tree.files.set(999, { type: fd_types.INOTIFY, id: 999 });
  assert.equal(openers(watched, log), { helper: true, task: false });
  const leased = fixture('counter');
  leased.tree.locks.push({ flag: LOCK_KIND.LEASE, type: LOCK_TYPE.READ, pid: 14552, fd: 1, start: 0n, len: 0n });
  assert.equal(openers(leased, log), { helper: true, task: false });
});

plans('what several tables have is opened by the helper, once', () => {
  const set = fixture('family');
  const { context } = planRestore(set);
  const tables = new Map<number, Set<number>>();
  for (const [table, entries] of set.tree.fdinfo) for (const { id } of entries) tables.set(id, (tables.get(id) ?? new Set<number>()).add(table));
  assert.ok([...tables.values()].some(({ size }) => size > 1), 'there are such');
  let alone = 0;
  for (const [id, { size }] of tables) {
    if (size > 1) assert.ok(context.files.has(id), `file ${id}, of ${size} tables`);
    else if (!context.files.has(id)) alone++;
  }
  assert.is(alone, openedAlone(context).size);
});

plans('clocks: a time namespace, where the kernel has them and we may', () => {
  const entersOne = (host: Host, set = fixture('counter')): { enters: boolean; warnings: readonly string[] } => {
    const { blocks, warnings } = planRestore(set, {}, host);
    return { enters: blocks[0]!.program.steps.some(({ op, nr }) => op === Op.SYSCALL && nr === SYSCALLS.setns), warnings };
  };
  assert.equal(entersOne(ASSUMED_HOST), { enters: true, warnings: [] });
  const old = entersOne({ ...ASSUMED_HOST, clockOffsets: undefined });
  assert.not.ok(old.enters);
  assert.match(old.warnings.join(), /monotonic clock stood at \d+ s; it will be that of this machine, as this kernel has no time namespaces/);
  const poor = fixture('counter');
  for (const { core } of poor.tree.tasks.values()) core.thread_core!.creds = undefined;
  const weak = entersOne({ ...ASSUMED_HOST, permitted: ASSUMED_HOST.permitted & ~(1n << 25n) }, poor);
  assert.not.ok(weak.enters);
  assert.match(weak.warnings.join(), /needs CAP_SYS_TIME/);
  const silent = fixture('counter');
  silent.tree.timens.clear();
  assert.equal(entersOne(ASSUMED_HOST, silent), { enters: false, warnings: [] });
});

plans('clocks: a tree of a time namespace of its own needs its image; one of several cannot be restored', () => {
  const own = fixture('counter');
  const [task] = own.tree.tasks.values();
  task!.ids!.time_ns_id = 99;
  assert.throws(() => planRestore(own), /timens-99.img: it is missing/);
  const family = fixture('family');
  [...family.tree.tasks.values()].at(-1)!.ids!.time_ns_id = 99;
  assert.throws(() => planRestore(family), /it was in another time namespace than task 14596/);
});

plans('security labels: written before credentials, where their module is; --lsm-profile', () => {
  const labelled = (): SourceSet => {
    const set = fixture('counter');
    set.tree.inventory.lsmtype = TYPES.apparmor;
    for (const { core } of set.tree.tasks.values()) core.thread_core!.creds!.lsm_profile = '/usr/bin/counter';
    return set;
  };
  const written = (options: Parameters<typeof planRestore>[1], host?: Host): string[] => {
    const { program } = planRestore(labelled(), options, host).blocks[0]!;
    const at = program.steps.map(({ resource }) => resource.startsWith('security label'));
    assert.ok(at.lastIndexOf(true) < program.steps.findIndex(({ resource }) => resource === 'capabilities'));
    return program.steps.filter((_, i) => at[i]).map(({ resource }) => resource);
  };
  assert.equal(new Set(written({})), new Set(['security label /usr/bin/counter']));
  assert.equal(new Set(written({ label: parseLabelOption('apparmor:other') })), new Set(['security label other']));
  assert.equal(written({ label: parseLabelOption('none:') }, ASSUMED_HOST), []);
  assert.throws(() => written({}, ASSUMED_HOST), /security label '\/usr\/bin\/counter'.*not active in this kernel.*--lsm-profile none:/);
  assert.throws(() => written({ label: parseLabelOption('selinux:a:b:c') }), /--lsm-profile: SELinux is not active/);
  for (const text of ['apparmor', 'apparmor:', 'tomoyo:x']) assert.throws(() => parseLabelOption(text), /it names no label/);
});

plans('security labels as /proc tells them', () => {
  assert.equal(['unconfined\n', 'docker-default (enforce)\n', '/usr/bin/my (x) (complain)\n', ''].map((text) => parseLabel('apparmor', text)), [undefined, 'docker-default', '/usr/bin/my (x)', undefined]);
  assert.equal(['unconfined_u:unconfined_r:unconfined_t:s0\0', 'system_u:system_r:container_t:s0:c1,c2\0'].map((text) => parseLabel('selinux', text)), [undefined, 'system_u:system_r:container_t:s0:c1,c2']);
  assert.equal([writtenLabel('apparmor', 'a b'), writtenLabel('selinux', 'a:b')], ['changeprofile a b', 'a:b']);
});

plans('what cannot be restored is refused with all reasons, before anything', () => {
  const set = fixture('counter');
  const [task] = set.tree.tasks.values();
  for (const vma of task!.mm!.vmas.slice(0, 2)) vma.status |= VMA.SHSTK;
  task!.core.thread_core!.seccomp_mode = 2;
  set.tree.files.get(5)!.type = 9999;
  try {
    planRestore(set);
    assert.unreachable('it was planned');
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    assert.ok(error.reasons.length >= 4, error.message);
    assert.ok(error.reasons.every(({ where, why }) => where !== undefined && why !== ''), error.message);
    for (const part of ['shadow stack', 'seccomp', 'fd 1']) assert.ok(error.message.includes(part), `${part} in: ${error.message}`);
  }
});

plans('a tree with one of each: a program for every thread and zombie', () => {
  const set = fixture('family');
  const plan = planRestore(set);
  const tids = [...set.tree.tasks.values()].flatMap(({ threads }) => [...threads.keys()]);
  assert.equal([...new Set(plan.blocks.map(({ tid }) => tid))].sort(), tids.sort());
  assert.is(plan.blocks.filter(({ parks }) => !parks).length, 1, 'one zombie');
});

plans('references that lead nowhere', () => {
  const set = fixture('counter');
  const task = [...set.tree.tasks.values()][0]!;
  set.tree.files.delete(1);
  set.tree.files.delete(8);
  set.tree.files.delete(5);
  task.pagemap!.entries.push({ ...task.pagemap!.entries[0]!, vaddr: 0x1000n });
  task.pagemap!.entries.sort((a, b) => Number(a.vaddr - b.vaddr));
  try {
    planRestore(set);
    assert.unreachable('it was planned');
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    for (const part of ['exe link', 'working directory', 'fd 1', '0x1000-0x2000 are in no mapping']) assert.ok(error.message.includes(part), `${part} in: ${error.message}`);
  }
});

plans('a shell job needs -j, and then gets the session and group of whoever restores', () => {
  const set = fixture('counter');
  for (const task of set.tree.tasks.values()) task.item.sid = task.item.pgid = 77;
  assert.throws(() => planRestore(set), /session \(77\).*-j/s);
  const plan = planRestore(set, { shellJob: true });
  assert.is(plan.blocks[0]!.program.steps.some(({ nr, op }) => op === Op.SYSCALL && nr === SYSCALLS.setsid), false);
});

plans.run();
