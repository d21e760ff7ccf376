/**
 * Action scripts (`--action-script`): programs that are run at fixed points of dump and restore.
 * CRIU's contract (man criu, "--action-script"): the script's environment has CRTOOLS_SCRIPT_ACTION (the point),
 * CRTOOLS_IMAGE_DIR, and CRTOOLS_INIT_PID (the root task's pid, once known); its working directory is the work
 * directory. A script that fails makes the verb fail, except at the points where it is too late (`TOO_LATE`): there it is
 * only logged. A failing post-dump script lets the tree run on, and the dump exits with the script's own exit code.
 */
import { spawnSync } from 'node:child_process';
import { StillframeError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ScriptAction, Scripts } from './hooks.ts';

const TOO_LATE: ReadonlySet<ScriptAction> = new Set(['network-unlock', 'pre-resume', 'post-resume'] as const);

export class ActionScripts implements Scripts {
  #initPid: number | undefined;

  /**
   * @param paths the scripts, in the order given; CRIU runs the last one first, and so do we
   * @param imagesDir absolute path of the image directory
   * @param workDir absolute path; the scripts' working directory, and what relative script paths are relative to
   */
  constructor(readonly paths: readonly string[], readonly imagesDir: string, readonly workDir: string, readonly log: Log) {}

  run(action: ScriptAction, { initPid }: { readonly initPid?: number } = {}): void {
    this.log.debug(`Running ${action} scripts`);
    this.#initPid = initPid ?? this.#initPid;
    const env: NodeJS.ProcessEnv = { ...process.env, CRTOOLS_SCRIPT_ACTION: action, CRTOOLS_IMAGE_DIR: this.imagesDir };
    if (this.#initPid !== undefined) env['CRTOOLS_INIT_PID'] = String(this.#initPid);
    const failures: { path: string; why: string; status: number }[] = [];
    for (const path of [...this.paths].reverse()) {
      this.log.debug(`\t[${path}]`);
      const failure = this.#runOne(path, env);
      if (failure === undefined) continue;
      this.log.error('action-script', `Script ${path} ${failure.why}`);
      failures.push({ path, ...failure });
    }
    if (failures.length > 0 && !TOO_LATE.has(action)) {
      throw new StillframeError({
        doing: 'action-script', where: action, why: failures.map(({ path, why }) => `${path} ${why}`).join('; '),
        exitCode: action === 'post-dump' ? failures[0]?.status ?? 1 : 1,
        remedy: `A script of --action-script must exit with 0 to let the ${action} point pass`,
      });
    }
  }

  #runOne(path: string, env: NodeJS.ProcessEnv): { why: string; status: number } | undefined {
    const { error, status, signal } = spawnSync(path, [], { cwd: this.workDir, env, stdio: 'inherit' });
    if (error !== undefined) return { why: `could not be started: ${'code' in error ? String(error.code) : error.message}`, status: 1 };
    if (signal !== null) return { why: `was killed by ${signal}`, status: 1 };
    return status === 0 || status === null ? undefined : { why: `exited with ${status}`, status };
  }
}
