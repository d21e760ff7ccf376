/** A vDSO of another kernel is found out, by its size, its data pages, and where its functions are, and led into this one's. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { join } from 'node:path';
import { openSet } from '../../src/image/node/directory.ts';
import { judgeVdso } from '../../src/resources/vdso/check.ts';
import { canGoOnAt, redirect } from '../../src/resources/vdso/redirect.ts';
import { vdsoFunctions } from '../../src/resources/vdso/symbols.ts';
import { cut, pageRuns, type SourceSet } from '../../src/restore/page-runs.ts';
import { readSets } from '../../src/restore/sets.ts';
import { readFileSync } from 'node:fs';
import { alteredVdso } from '../support/old-vdso.ts';
import { ROOT } from '../support/program.ts';

const directory = join(ROOT, 'test/fixtures/counter');
const opened = openSet(directory);
const set: SourceSet = readSets(opened, directory);
opened.close();
const task = [...set.tree.tasks.values()][0]!;
const code = task.mm!.vmas.find(({ status }) => (status & 8) !== 0)!;
const [run] = cut(pageRuns(set, { pid: task.pid }), [code]);
const bytes = new Uint8Array(readFileSync(join(directory, `pages-${run!.pagesId}.img`)).subarray(Number(run!.offset), Number(run!.offset + (run!.end - run!.start))));
const DATA = 6 * 4096;

const functions = suite('vdsoFunctions');

functions('of a committed set', () => {
  const found = vdsoFunctions(bytes);
  for (const name of ['__vdso_clock_gettime', '__vdso_gettimeofday', '__vdso_time', '__vdso_getcpu']) {
    assert.ok((found.get(name) ?? 0) > 0 && found.get(name)! < bytes.length, `${name} at ${found.get(name)}`);
  }
  assert.is(vdsoFunctions(bytes.subarray(0, 100)).size, 0);
  assert.is(vdsoFunctions(new Uint8Array(8192)).size, 0);
});

functions('any cut or changed byte is read without a crash', () => {
  for (let at = 0; at < 2048; at++) {
    const broken = Uint8Array.from(bytes);
    broken[at] = broken[at]! ^ 0xff;
    vdsoFunctions(broken);
    vdsoFunctions(bytes.subarray(0, at * 4));
  }
});

const judge = suite('judgeVdso');

judge('the same kernel', () => {
  assert.is(judgeVdso(set, task, { bytes, dataSize: DATA }), 'same');
});

judge('other sizes, other places: it is led here', () => {
  for (const host of [{ bytes, dataSize: 4096 }, { bytes: alteredVdso(bytes), dataSize: DATA }]) {
    const found = judgeVdso(set, task, host);
    if (typeof found === 'string') throw new Error(found);
    assert.is(found.dataSize, host.dataSize);
    assert.is(found.codeSize, host.bytes.length);
    const old = vdsoFunctions(bytes), here = vdsoFunctions(host.bytes);
    for (const name of ['__vdso_clock_gettime', '__vdso_getcpu', '__vdso_clock_getres']) {
      assert.is(found.detours.find(({ at }) => at === old.get(name))?.to, here.get(name), name);
    }
  }
});

judge('none here: system calls', () => {
  const found = judgeVdso(set, task, undefined);
  if (typeof found === 'string') throw new Error(found);
  assert.is(found.codeSize, 0);
  assert.ok(found.detours.every(({ code, to }) => code?.length === 8 && to === undefined));
});

judge('a function that is nowhere, code that is too small, and what is no vDSO, are refused', () => {
  const renamed = Uint8Array.from(bytes);
  const at = Buffer.from(renamed.buffer).indexOf('__vdso_getcpu\0');
  renamed[at] = 'x'.charCodeAt(0);
  assert.match(String(redirect(renamed, { bytes, dataSize: DATA })), /has no x_vdso_getcpu/);
  assert.match(String(redirect(new Uint8Array(8192), { bytes, dataSize: DATA })), /no vDSO/);
  const last = Math.max(...vdsoFunctions(bytes).values());
  assert.match(String(redirect(bytes.subarray(0, last + 8), undefined)), /no detour|no vDSO/);
});

judge('where a thread can go on', () => {
  const found = redirect(bytes, undefined);
  if (typeof found === 'string') throw new Error(found);
  const at = vdsoFunctions(bytes).get('__vdso_clock_gettime')!;
  assert.is(canGoOnAt(bytes, at, found), true, 'before its first instruction');
  assert.is(canGoOnAt(bytes, at + 4, found), false, 'on its way into it');
  const call = Buffer.from(bytes).indexOf(Buffer.from([0x0f, 0x05]), at + 16);
  assert.ok(call > 0);
  assert.is(canGoOnAt(bytes, call, found), true, 'at a system call');
  assert.is(canGoOnAt(bytes, call + 2, found), true, 'after it');
  assert.is(canGoOnAt(bytes, call - 1, found), false, 'elsewhere');
});

functions.run();
judge.run();
