/** Descriptors of a live process as the helper reads and groups them: what /proc says, and which of them are one open file. */
import { closeSync, openSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readDescriptors } from '../../src/dump/descriptors.ts';
import type { Descriptor } from '../../src/dump/file-kinds.ts';
import type { FrozenTask } from '../../src/dump/frozen.ts';
import { KCMP, sameObjects } from '../../src/dump/kcmp.ts';
import { Helper } from '../../src/helper/client.ts';
import { parseFdInfo } from '../../src/proc/fdinfo.ts';

const task = { pid: process.pid } as FrozenTask;

function withHelper(body: (helper: Helper) => void, faults = false): void {
  const helper = Helper.start({ faults });
  try {
    body(helper);
  } finally {
    helper.close();
  }
}

/** A new open file each, and copies of some: /proc/self/fd/N opens anew, so copies are made by the helper. */
function openMany(count: number): number[] {
  return Array.from({ length: count }, () => openSync('/dev/null', 'r'));
}

const reading = suite('descriptors');
reading('are read as /proc has them', () => withHelper((helper) => {
  const fds = [openSync('/dev/null', 'r'), openSync(process.execPath, 'r')];
  try {
    const all = readDescriptors(task, helper);
    assert.equal(all.map(({ fd }) => fd), [...all.map(({ fd }) => fd)].sort((a, b) => a - b), 'ascending');
    for (const fd of fds) assert.ok(all.some((one) => one.fd === fd), `${fd} is among them`);
    for (const { fd, info, link, stat } of all) {
      const door = `/proc/self/fd/${fd}`;
      assert.is(link, readlinkSync(door), `link of ${fd}`);
      const known = statSync(door, { bigint: true });
      // others may write to what is not the test's own
      const own = fds.includes(fd);
      for (const field of ['dev', 'ino', 'mode', 'nlink', 'uid', 'gid', 'rdev', ...(own ? ['size', 'blocks', 'mtimeNs', 'atimeNs'] as const : [])] as const) assert.is(stat[field], known[field], `${field} of ${fd}`);
      const told = parseFdInfo(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'));
      for (const field of ['flags', 'closeOnExec', 'mountId', 'inode', ...(own ? ['pos'] as const : [])] as const) assert.is(info[field], told[field], `${field} of ${fd}`);
      const names = (lines: readonly string[]): string[] => lines.map((line) => line.slice(0, line.indexOf(':')));
      if (!link.includes('eventpoll')) assert.equal(names(info.more), names(told.more), `further lines of ${fd}`);
    }
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}));
reading('some of them, in the order asked for', () => withHelper((helper) => {
  assert.equal(readDescriptors(task, helper, [2, 0, 1]).map(({ fd }) => fd), [2, 0, 1]);
  assert.equal(readDescriptors(task, helper, []), []);
}));
reading('one that is not open is named', () => withHelper((helper) => {
  assert.throws(() => readDescriptors(task, helper, [987_654]), /987654.*ENOENT/su);
}));
reading.run();

const grouping = suite('sameObjects');

/** The test's own open files and copies of them in the helper: `copies` lists which are copied. */
function grouped(count: number, copies: readonly number[], check: (groups: Descriptor[][], helper: Helper) => void, faults = false): void {
  const fds = openMany(count);
  try {
    withHelper((helper) => {
      const held = copies.map((i) => helper.putFd(fds[i]!));
      const items = [...readDescriptors(task, helper, fds), ...readDescriptors({ pid: helper.pid } as FrozenTask, helper, held)];
      check(sameObjects(helper, items, { type: () => KCMP.FILE, key: ({ key }) => key, pid: (one) => one.task.pid, index: ({ fd }) => fd }), helper);
    }, faults);
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

const ROWS: readonly (readonly [string, number, readonly number[]])[] = [
  ['nobody', 0, []], ['one', 1, []], ['two equal', 1, [0]], ['two different', 2, []], ['one that many have', 1, Array<number>(300).fill(0)],
  ['all different', 300, []], ['each twice', 150, Array.from({ length: 150 }, (_, i) => 149 - i)], ['some many times', 40, Array.from({ length: 200 }, (_, i) => (i * i) % 13)],
];
for (const [name, count, copies] of ROWS) {
  grouping(name, () => grouped(count, copies, (groups) => {
    assert.is(groups.length, count, 'a group an open file');
    assert.is(groups.flat().length, count + copies.length, 'everybody is in a group');
    groups.forEach((group, i) => assert.is(group.length, 1 + copies.filter((copied) => copied === i).length, `group ${i}, which is in the place of its first`));
  }));
}
grouping('thousands that look the same take no quadratic time', () => {
  const count = 2000;
  withHelper((helper) => {
    helper.fault({ request: 'SAME', nth: 0xffff_ffff, errno: 5 });
    const fds = openMany(count);
    try {
      sameObjects(helper, fds, { type: () => KCMP.FILE, key: () => 0, pid: () => process.pid, index: (fd) => fd });
    } finally {
      for (const fd of fds) closeSync(fd);
    }
    const points = helper.fault({ request: 'SAME', nth: 0, errno: 5 });
    assert.ok(points < count * Math.log2(count) + 2, `${points} comparisons`);
    assert.ok(points > count, 'they were compared');
  }, true);
});
grouping('those with different keys are never compared', () => withHelper((helper) => {
  helper.fault({ request: 'SAME', nth: 0xffff_ffff, errno: 5 });
  const groups = sameObjects(helper, [0, 1, 2, 3, 4, 5, 6, 7], { type: () => KCMP.FILE, key: (i) => i, pid: () => process.pid, index: () => 0 });
  assert.is(groups.length, 8);
  assert.is(helper.fault({ request: 'SAME', nth: 0, errno: 5 }), 1, 'only the request itself');
}, true));
grouping.run();
