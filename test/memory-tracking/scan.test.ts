/** What `scanTracked` concludes must be what the page tables say: while a task does everything at random that changes them. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PageIs, type Region } from '../../src/helper/protocol.ts';
import { scanHeld, scanTracked, type KindRange } from '../../src/memory-tracking/scan.ts';
import { fixture, withHelper, withTask } from '../helper/tasks.ts';

const scan = suite('scanTracked');
const STEPS = Number(process.env['SCANS'] ?? 150);

/** Pages, and which of them were written. */
function pagesOf(regions: readonly Region[]): string[] {
  return regions.flatMap(({ start, end, categories }) => Array.from({ length: Number((end - start) / 4096n) }, (_, i) => `${(start + BigInt(i) * 4096n).toString(16)}${(categories & PageIs.WRITTEN) !== 0n ? ' written' : ''}`));
}

scan('tells the pages that scanHeld tells, and what was written of them', () => withTask(fixture('protected'), [], async (task) => {
  await task.says('ready');
  const ranges = ['area', 'file'].map((name): KindRange => {
    const [, address, pages] = new RegExp(`${name} (0x\\w+) (\\d+)`).exec(task.output)!;
    return { address: BigInt(address!), size: BigInt(pages!) * 4096n, file: name === 'file' };
  }).sort((a, b) => (a.address < b.address ? -1 : 1));
  await withHelper(async (helper) => {
    let written = 0, clean = 0;
    for (let step = 1; step <= STEPS; step++) {
      if (step % 3 === 1) scanHeld(helper, task.pid, ranges, { allOf: PageIs.WRITTEN, report: 0n, protect: 'tracked' });
      task.kill('SIGUSR1');
      await task.says(`step ${step}\n`);
      const report = { report: PageIs.PRESENT | PageIs.WRITTEN };
      const [told, concluded] = [pagesOf(scanHeld(helper, task.pid, ranges, report)), pagesOf(scanTracked(helper, task.pid, ranges, report))];
      assert.equal(concluded, told, `step ${step}`);
      const changed = told.filter((text) => text.endsWith('written')).length;
      written += changed;
      clean += told.length - changed;
    }
    assert.ok(written > STEPS * 20 && clean > STEPS * 20, `${written} written, ${clean} not`);
  });
}));

scan('or absent: what is not there within mappings, nothing of what lies between', () => withTask(fixture('mappings'), [], async (task) => {
  await task.says('ready');
  const [, hole] = /hole (0x\w+)/.exec(task.output)!;
  const [, sparse] = /sparse (0x\w+)/.exec(task.output)!;
  await withHelper((helper) => {
    const absent = (address: string, pages: bigint, oldKernel = false): Region[] => helper.scan(task.pid, [{ address: BigInt(address), size: pages * 4096n }], { anyOf: PageIs.SWAPPED, orAbsent: true, report: 0n, oldKernel });
    assert.equal(absent(hole!, 3n), []);
    // of four pages the first was written and the second read
    assert.equal(absent(sparse!, 64n).map(({ start, end }) => [Number(start - BigInt(sparse!)) / 4096, Number(end - start) / 4096]), Array.from({ length: 16 }, (_, i) => [4 * i + 2, 2]));
    assert.throws(() => absent(sparse!, 64n, true), /ENOTTY/);
    assert.throws(() => helper.scan(task.pid, [{ address: BigInt(sparse!), size: 4096n }], { anyOf: PageIs.PRESENT, orAbsent: true, report: 0n }), /EINVAL/);
  });
}));

scan.run();
