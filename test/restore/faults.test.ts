/** Every step of a restore fails in turn: nothing is left, and the error names the step. Then the same set restores. */
// timeout: 300 s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { existsSync, readdirSync } from 'node:fs';
import { NO_SCRIPTS } from '../../src/cli/hooks.ts';
import type { FaultPlan } from '../../src/helper/client.ts';
import { SYSCALLS } from '../../src/kernel/syscalls.ts';
import { SILENT } from '../../src/log.ts';
import { Deferred, Op, type Program } from '../../src/program/program.ts';
import type { RestoreOptions } from '../../src/restore/options.ts';
import type { RestorePlan } from '../../src/restore/plan.ts';
import { restore, type RestoreHooks } from '../../src/restore/restore.ts';
import { TestProgram, treeOf } from '../support/program.ts';
import { OURS, THEIRS, dump } from '../support/tool.ts';

const NO_SUCH_CALL = 0xfff;

interface Dumped { readonly program: TestProgram; readonly pids: readonly number[]; readonly options: RestoreOptions }

/** The program, dumped and gone. */
async function dumped(name: string): Promise<Dumped> {
  const program = new TestProgram(name);
  await program.waitFor(/^ready$/m);
  const pids = treeOf(program.pid);
  await dump(process.env['DUMP_WITH'] === 'criu' ? THEIRS! : OURS, program.pid, program.images);
  await program.gone(pids);
  const options: RestoreOptions = {
    imagesDir: program.images, workDir: program.images, detach: true, sibling: false, leaveStopped: false, shellJob: false,
    pidfile: undefined, execCommand: undefined, scripts: NO_SCRIPTS, given: new Map(),
  };
  return { program, pids, options };
}

/** What a restore that failed must not leave: processes, files. */
async function nothingLeft({ program, pids }: Dumped, files: readonly string[], what: string): Promise<void> {
  try {
    await program.gone(pids);
  } catch (error) {
    throw new Error(`after ${what}: ${(error as Error).message}`);
  }
  assert.equal(readdirSync(program.dir), files, `files after ${what}`);
}

/** Restores with the hooks, which must fail. Returns the error's message. */
function failing(job: Dumped, hooks: RestoreHooks, what: string): string {
  try {
    restore(job.options, SILENT, hooks);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error(`the restore did not fail: ${what}`);
}

async function finish(job: Dumped): Promise<void> {
  restore(job.options, SILENT);
  assert.ok(existsSync(`/proc/${job.program.pid}`));
  assert.ok((await job.program.verdict()) >= 10);
}

const programsOf = (plan: RestorePlan): Program[] => [plan.context.local.program, ...plan.blocks.map(({ program }) => program), plan.context.late];

/** Steps for when a name is taken, which is not the case here: behind a jump that is always taken. And what a killed task does not do. */
function jumpedOver(program: Program, step: number): boolean {
  return program.steps[step - 1]?.nr === SYSCALLS.kill || program.steps.some(({ op, args }, at) => op === Op.JUMP && args[0] === 0 && args[3] instanceof Deferred && at < step && step < Number(args[3].value()));
}

const steps = suite('a step that fails');

steps('each in turn', async () => {
  const job = await dumped('assorted');
  try {
    const files = readdirSync(job.program.dir);
    let plan: RestorePlan | undefined;
    assert.is(failing(job, { planned: (p) => { plan = p; throw new Error('only looked'); } }, 'looking'), 'only looked');
    const counts = programsOf(plan!).map(({ steps: all }) => all.length);
    assert.ok(counts.length >= 8 && counts.every((count, i) => count > 0 || i === counts.length - 1), `programs have steps: ${counts}`);
    let done = 0;
    for (const [i, count] of counts.entries()) {
      for (let step = 0; step < count; step++) {
        let expected = '';
        const spoil = (p: RestorePlan): void => {
          const program = programsOf(p)[i]!;
          const old = program.steps[step]!;
          expected = `${program.subject}${old.resource === '' ? '' : `, ${old.resource}`}`;
          program.steps[step] = { ...old, op: Op.SYSCALL, nr: NO_SUCH_CALL, expect: undefined };
        };
        const what = `program ${i}, step ${step}`;
        if (jumpedOver(programsOf(plan!)[i]!, step)) {
          restore(job.options, SILENT, { planned: spoil });
          await restoredBy(job);
          continue;
        }
        const message = failing(job, { planned: spoil }, what);
        assert.ok(message.includes(`restore: ${expected}: `) && message.includes('ENOSYS'), `${what}: says '${message}', should name '${expected}'`);
        await nothingLeft(job, files, `${what} (${expected})`);
        done++;
      }
    }
    assert.ok(done > 400, `${done} steps`);
    await finish(job);
  } finally {
    await job.program.stop();
  }
});

steps('each last call of a thread in turn', async () => {
  const job = await dumped('assorted');
  try {
    const files = readdirSync(job.program.dir);
    let calls: { block: number; call: number }[] = [];
    assert.is(failing(job, { planned: (p) => {
      calls = p.blocks.flatMap(({ takeover }, block) => (takeover?.calls ?? []).map((_, call) => ({ block, call })));
      throw new Error('only looked');
    } }, 'looking'), 'only looked');
    assert.ok(calls.length >= 10, `${calls.length} calls`);
    for (const { block, call } of calls) {
      let expected = '';
      const spoil = (p: RestorePlan): void => {
        const { takeover, program } = p.blocks[block]!;
        expected = `${program.subject}, ${takeover!.calls[call]!.resource}`;
        (takeover!.calls as { name: string; args: unknown[]; resource: string }[])[call] = { name: 'dup', args: [-1], resource: takeover!.calls[call]!.resource };
      };
      const message = failing(job, { planned: spoil }, `call ${call} of block ${block}`);
      assert.ok(message.includes(expected) && message.includes('EBADF'), `'${message}' should name '${expected}'`);
      await nothingLeft(job, files, expected);
    }
    await finish(job);
  } finally {
    await job.program.stop();
  }
});

const requests = suite('a request to the helper that fails');

for (const errno of [12, 0]) {
  requests(errno === 0 ? 'the helper is killed at each point' : 'with an error at each point', async () => {
    const job = await dumped('assorted');
    try {
      const files = readdirSync(job.program.dir);
      let done = 0;
      for (const request of ['LOCAL', 'ARENA', 'SPAWN', 'AWAIT', 'TAKEOVER', 'DETACH'] as const) {
        for (let nth = 1; ; nth++) {
          const fault: FaultPlan = { request, nth, errno };
          let seen = nth;
          const what = `${request} ${nth}, errno ${errno}`;
          try {
            restore(job.options, SILENT, { fault, faultPoints: (points) => { seen = points; } });
            assert.ok(seen < nth, `${what} did nothing`);
            await restoredBy(job);
            await nothingLeft(job, files, `the end of ${request}`);
            break;
          } catch (error) {
            if (seen < nth) throw error;
            await nothingLeft(job, files, what);
            done++;
          }
        }
      }
      assert.ok(done > 20, `${done} points`);
      await finish(job);
    } finally {
      await job.program.stop();
    }
  });
}

/** A restore that went well, of which there will be another: it is ended. */
async function restoredBy({ program, pids }: Dumped): Promise<void> {
  for (const pid of pids) {
    try { process.kill(pid, 'SIGKILL'); } catch { /* a zombie that went with its parent */ }
  }
  await program.gone(pids);
}

steps.run();
requests.run();
