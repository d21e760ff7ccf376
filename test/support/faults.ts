/** Making a restore fail at one place, in the test's own process, and looking for what it left. */
import * as assert from 'uvu/assert';
import { readdirSync } from 'node:fs';
import { NO_SCRIPTS } from '../../src/cli/hooks.ts';
import { AT } from '../../src/kernel/files.ts';
import { SYSCALLS } from '../../src/kernel/syscalls.ts';
import { SILENT } from '../../src/log.ts';
import { Cond, Deferred, Op, type Program } from '../../src/program/program.ts';
import type { RestoreOptions } from '../../src/restore/options.ts';
import type { RestorePlan } from '../../src/restore/plan.ts';
import { restore, type RestoreHooks } from '../../src/restore/restore.ts';
import { TestProgram, treeOf } from './program.ts';
import { OURS, dump } from './tool.ts';

const NO_SUCH_CALL = 0xfff;

export interface Dumped { readonly program: TestProgram; readonly pids: readonly number[]; readonly options: RestoreOptions }

/** A test program, dumped and gone. DUMP_WITH=/path/criu lets another tool dump it. */
export async function dumped(name: string, args: readonly string[] = []): Promise<Dumped> {
  const program = new TestProgram(name, { args });
  await program.waitFor(/^ready$/m);
  const pids = treeOf(program.pid);
  await dump(process.env['DUMP_WITH'] ?? OURS, program.pid, program.images);
  await program.gone(pids);
  return { program, pids, options: restoreOptions(program.images) };
}

/** A detached restore, as a verb takes it. */
export function restoreOptions(images: string): RestoreOptions {
  return {
    imagesDir: images, workDir: images, detach: true, sibling: false, leaveStopped: false, shellJob: false,
    pidfile: undefined, execCommand: undefined, scripts: NO_SCRIPTS, given: new Map(),
  };
}

/** What a restore that failed must not leave: processes, files. */
export async function nothingLeft({ program, pids }: Dumped, files: readonly string[], what: string): Promise<void> {
  try {
    await program.gone(pids);
  } catch (error) {
    throw new Error(`after ${what}: ${(error as Error).message}`);
  }
  assert.equal(readdirSync(program.dir), files, `files after ${what}`);
}

/** Restores with the hooks, which must fail. Returns the error's message. */
export function failing(job: Dumped, hooks: RestoreHooks, what: string): string {
  try {
    restore(job.options, SILENT, hooks);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error(`the restore did not fail: ${what}`);
}

/** The plan of a set, with nothing restored. */
export function planOf(job: Dumped): RestorePlan {
  let plan: RestorePlan | undefined;
  assert.is(failing(job, { planned: (p) => { plan = p; throw new Error('only looked'); } }, 'looking'), 'only looked');
  return plan!;
}

export const programsOf = (plan: RestorePlan): Program[] => [plan.context.local.program, ...plan.blocks.map(({ program }) => program), plan.context.late];

/** Steps for what is not the case here, behind a jump that is always taken; and what a killed task does not do. */
function jumpedOver(program: Program, step: number): boolean {
  const before = program.steps[step - 1];
  // a directory that had to be made is taken away again: here all are there
  const ifMade = before?.op === Op.JUMP && before.args[1] === Cond.LT && program.steps[step]!.nr === SYSCALLS.unlinkat && program.steps[step]!.args[2] === AT.REMOVEDIR;
  return ifMade || before?.nr === SYSCALLS.kill
    || program.steps.some(({ op, args }, at) => op === Op.JUMP && args[0] === 0 && args[3] instanceof Deferred && at < step && step < Number(args[3].value()));
}

/** A restore that went well, of which there will be another: it is ended. */
export async function endIt({ program, pids }: Dumped): Promise<void> {
  for (const pid of pids) {
    try { process.kill(pid, 'SIGKILL'); } catch { /* a zombie that went with its parent */ }
  }
  await program.gone(pids);
}

/**
 * Makes each step in turn fail whose resource is asked for, and checks that the error names it and nothing is left.
 * @returns how many steps did
 */
export async function failEachStep(job: Dumped, wanted: (resource: string) => boolean = () => true): Promise<number> {
  const files = readdirSync(job.program.dir);
  const plan = planOf(job);
  let done = 0;
  for (const [i, { steps }] of programsOf(plan).entries()) {
    for (let step = 0; step < steps.length; step++) {
      if (!wanted(steps[step]!.resource)) continue;
      let expected = '';
      const spoil = (p: RestorePlan): void => {
        const program = programsOf(p)[i]!;
        const old = program.steps[step]!;
        expected = `${program.subject}${old.resource === '' ? '' : `, ${old.resource}`}`;
        program.steps[step] = { ...old, op: Op.SYSCALL, nr: NO_SUCH_CALL, expect: undefined };
      };
      const what = `program ${i}, step ${step}`;
      if (jumpedOver(programsOf(plan)[i]!, step)) {
        restore(job.options, SILENT, { planned: spoil });
        await endIt(job);
        continue;
      }
      const message = failing(job, { planned: spoil }, what);
      assert.ok(message.includes(`restore: ${expected}: `) && message.includes('ENOSYS'), `${what}: says '${message}', should name '${expected}'`);
      await nothingLeft(job, files, `${what} (${expected})`);
      done++;
    }
  }
  return done;
}
