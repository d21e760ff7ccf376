/** A vDSO of another kernel is found out: by its size, its data pages, and where its functions are. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { join } from 'node:path';
import { openSet } from '../../src/image/node/directory.ts';
import { checkVdso } from '../../src/resources/vdso/check.ts';
import { sameVdso, vdsoFunctions } from '../../src/resources/vdso/symbols.ts';
import { cut, pageRuns, type SourceSet } from '../../src/restore/page-runs.ts';
import { readSets } from '../../src/restore/sets.ts';
import { readFileSync } from 'node:fs';
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

const check = suite('checkVdso');

check('the same kernel', () => {
  assert.equal(checkVdso(set, task, { bytes, dataSize: DATA }), []);
});

check('other sizes, other places, none', () => {
  const why = (host: { bytes: Uint8Array; dataSize: number } | undefined): string => checkVdso(set, task, host).map((reason) => reason.why).join();
  assert.match(why(undefined), /has none/);
  assert.match(why({ bytes, dataSize: 4096 }), /behind 4096/);
  assert.match(why({ bytes: bytes.subarray(0, 4096), dataSize: DATA }), /4096 behind/);
  const moved = Uint8Array.from(bytes);
  const at = findSymbol(moved, vdsoFunctions(bytes).get('__vdso_time')!);
  moved[at] = moved[at]! ^ 0x10;
  assert.is(sameVdso(bytes, moved), false);
  assert.match(why({ bytes: moved, dataSize: DATA }), /time/);
});

/** Where the symbol table has this value. */
function findSymbol(image: Uint8Array, value: number): number {
  const view = new DataView(image.buffer);
  for (let at = 0; at + 8 <= image.length; at += 8) if (view.getBigUint64(at, true) === BigInt(value)) return at;
  throw new Error('no such value');
}

functions.run();
check.run();
