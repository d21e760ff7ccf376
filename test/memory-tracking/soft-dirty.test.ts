/**
 * Soft-dirty bits as the tracker. This kernel may have none (and no userfaultfd is offered here), so their interface is simulated on top of the
 * real one: the bit of a page is whether its contents differ from what they were when the bits were last cleared.
 */
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { theCore } from '../../src/core/node.ts';
import { Helper } from '../../src/helper/client.ts';
import { PageIs, type Region } from '../../src/helper/protocol.ts';
import { SYSCALLS } from '../../src/kernel/syscalls.ts';
import type { Program, RanBlock } from '../../src/program/program.ts';
import { keeperOf, link, listening } from '../support/chain-of-dumps.ts';
import { TestProgram } from '../support/program.ts';
import { OURS, restore } from '../support/tool.ts';

const PAGE = 4096n;

/** What a kernel with soft-dirty bits knows: of which contents each page was when they were cleared. */
class SoftDirtyKernel {
  readonly #clean = new Map<number, Map<bigint, string>>();
  cleared = 0;

  start(): Helper {
    const helper = Helper.start();
    const [run, local, scan] = [helper.run.bind(helper), helper.local.bind(helper), helper.scan.bind(helper)];
    const whatIs = (pid: number, page: bigint): string => String(theCore().pages.hash(helper.peek(pid, page, Number(PAGE))));
    const pagesOf = (regions: readonly Region[]): bigint[] => regions.flatMap(({ start, end }) => Array.from({ length: Number((end - start) / PAGE) }, (_, i) => start + BigInt(i) * PAGE));
    helper.run = (tid, program, options) => run(tid, withoutUffd(program), options);
    helper.local = (program) => {
      const { resource } = program.steps[0]!;
      if (resource === 'soft-dirty bits') return yes();
      const task = /^soft-dirty bits of task (\d+)$/u.exec(resource)?.[1];
      if (task !== undefined) {
        const pid = Number(task);
        this.cleared++;
        const regions = scan(pid, [{ address: 0n, size: 0x7fff_ffff_f000n }], { anyOf: PageIs.PRESENT | PageIs.SWAPPED, noneOf: PageIs.FILE | PageIs.PFNZERO, report: 0n });
        this.#clean.set(pid, new Map(pagesOf(regions).map((page) => [page, whatIs(pid, page)])));
      }
      return local(program);
    };
    helper.scan = (pid, ranges, options) => {
      if ((options.report & PageIs.SOFT_DIRTY) === 0n) return scan(pid, ranges, options);
      const clean = this.#clean.get(pid);
      return scan(pid, ranges, { ...options, report: options.report & ~PageIs.SOFT_DIRTY }).flatMap((region) => pagesOf([region]).map((page) => ({
        start: page, end: page + PAGE, categories: region.categories | (clean?.get(page) === whatIs(pid, page) ? 0n : PageIs.SOFT_DIRTY),
      })));
    };
    return helper;
  }
}

/** An answer of the kernel's: the bit of a written page is set. */
function yes(): RanBlock {
  const answer = { check: () => answer, data: () => Buffer.alloc(8, 0xff) };
  return answer as unknown as RanBlock;
}

/** A kernel without userfaultfd. */
function withoutUffd(program: Program): Program {
  const at = program.steps.findIndex(({ nr }) => nr === SYSCALLS.userfaultfd);
  if (at >= 0) program.steps[at] = { ...program.steps[at]!, nr: 0x3fff };
  return program;
}

const soft = suite('soft-dirty bits');

soft('tell what changed when there is no userfaultfd; the chain restores right', async () => {
  const kernel = new SoftDirtyKernel();
  const startHelper = (): Helper => kernel.start();
  const program = new TestProgram('ballast', { args: ['2'] });
  const change = (): Promise<void> => program.ask('change');
  let good = false;
  try {
    await program.waitFor(/^ready$/m);
    await link('pre-dump', program.pid, join(program.dir, '1'), { startHelper });
    assert.is(keeperOf(program.pid)?.method, 'soft-dirty');
    assert.is(kernel.cleared, 1);
    await change();
    const log = listening();
    const stats = await link('dump -R', program.pid, join(program.dir, '2'), { parent: '../1', startHelper, log });
    assert.ok(log.lines.some((line) => line.includes('told by soft-dirty')), log.lines.join('\n'));
    assert.ok(stats.pages_written < 60n && stats.pages_skipped_parent > 450n, `${stats.pages_written} written, ${stats.pages_skipped_parent} left`);
    assert.is(kernel.cleared, 2);
    await change();
    // on a kernel that has neither: contents
    const second = listening();
    await link('dump', program.pid, join(program.dir, '3'), { parent: '../1', startHelper, log: second });
    assert.ok(second.lines.some((line) => line.includes('told by comparing contents')), 'a keeper that knows of another set is not asked');
    await program.gone();
    await restore(OURS, join(program.dir, '3'));
    await program.verdict();
    good = true;
  } finally {
    await program.stop(!good);
  }
});

soft.run();
