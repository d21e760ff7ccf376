/**
 * Landlock: the domain that a thread confines itself to can neither be read nor be made again, and nothing tells that there is one. But a thread in a
 * domain may not look at a process outside of it, whatever its user and capabilities (security/landlock/task.c, PTRACE_MODE_READ). So each thread is
 * told to ask for the robust list of one that it could look at otherwise: of the helper when it has CAP_SYS_PTRACE, else of a process of its user
 * without capabilities, made for that. Where the helper is in a domain itself, the threads below it are in it again after a restore. A thread that
 * AppArmor or SELinux confines may be refused by these: it is not asked.
 */
import type { FrozenThread } from '../../dump/frozen.ts';
import type { Helper } from '../../helper/client.ts';
import { ERRNO } from '../../kernel/errno.ts';
import { CAP, CAPABILITY_VERSION_3, PR, WAIT } from '../../kernel/process.ts';
import { SIG } from '../../kernel/signals.ts';
import { Cond, Program, type RanBlock } from '../../program/program.ts';
import type { SecurityLabels } from '../security-label/dump.ts';

/** Low byte of a wait status (<bits/waitstatus.h>). */
const STOPPED = 0x7f;

export const CONFINED = {
  why: 'it is confined by Landlock: the kernel does not tell by which rules, and a restore would set it free',
  remedy: 'Start the program without its sandbox (its manual names the option), and confine whoever restores it instead',
} as const;

/** Step of a thread. @param pid whom it looks at; 0: nobody */
export function askConfined(program: Program, pid: number): (ran: RanBlock) => boolean {
  if (pid === 0) return () => false;
  const looked = program.resource('Landlock').call('get_robust_list', [pid, program.reserve(8), program.reserve(8)], { expect: 'any' });
  return (ran) => ran.result(looked) === BigInt(-ERRNO.EPERM);
}

/** Whom threads look at. */
export class LookedAt {
  readonly #helper: Pick<Helper, 'local' | 'pid'>;
  readonly #active: boolean;
  readonly #labels: Pick<SecurityLabels, 'of'> | undefined;
  readonly #made = new Map<string, number>();

  /** @param active whether this kernel has Landlock */
  constructor(helper: Pick<Helper, 'local' | 'pid'>, labels: Pick<SecurityLabels, 'of'> | undefined, active: boolean) {
    this.#helper = helper;
    this.#labels = labels;
    this.#active = active;
  }

  /** A process's number; 0 when the thread need not be asked, or there is none. */
  by({ tid, status: { capEff, uid: [uid], gid: [gid] } }: FrozenThread): number {
    if (!this.#active || this.#labels?.of(tid)?.current !== undefined) return 0;
    if ((capEff & (1n << BigInt(CAP.SYS_PTRACE))) !== 0n) return this.#helper.pid;
    const key = `${uid}:${gid}`;
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const pid = makeStopped(this.#helper, uid, gid);
    this.#made.set(key, pid);
    return pid;
  }

  /** Ends those that were made. */
  close(): void {
    const pids = [...this.#made.values()].filter((pid) => pid !== 0);
    if (pids.length === 0) return;
    const program = new Program('helper').resource('Landlock');
    for (const pid of pids) {
      program.call('kill', [pid, SIG.KILL], { expect: 'any', keep: false });
      program.call('wait4', [pid, 0, WAIT.WALL, 0], { expect: 'any', keep: false });
    }
    this.#helper.local(program).check('dump');
    this.#made.clear();
  }
}

/** A stopped child of the helper with these ids and no capabilities, which dies with it. @returns its number, 0 when the helper may not make one */
function makeStopped(helper: Pick<Helper, 'local'>, uid: number, gid: number): number {
  const p = new Program('helper').resource(`a process of user ${uid} for Landlock`);
  const waited = p.reserve(8);
  const child = p.call('clone', [SIG.CHLD, 0, 0, 0, 0]);
  const parent = { at: 0 };
  const end = { at: 0 };
  p.jump(child, Cond.NE, 0, () => parent.at);
  // a copy of the helper goes on from here: it must not get further than its end, whatever fails
  const any = { expect: 'any' } as const;
  for (const call of ['setresgid', 'setresuid'] as const) {
    const id = call === 'setresgid' ? gid : uid;
    p.jump(p.call(call, [id, id, id], any), Cond.LT, 0, () => end.at);
  }
  p.call('capset', [p.data(Buffer.from(Uint32Array.of(CAPABILITY_VERSION_3, 0).buffer)), p.data(new Uint8Array(24))], any);
  p.call('prctl', [PR.SET_DUMPABLE, 1, 0, 0, 0], any);
  p.call('prctl', [PR.SET_PDEATHSIG, SIG.KILL, 0, 0, 0], any);
  p.call('kill', [p.call('getpid', []), SIG.STOP], any);
  end.at = p.here;
  p.call('exit_group', [0], any);
  p.jump(0, Cond.EQ, 0, () => end.at);
  parent.at = p.here;
  p.call('wait4', [child, waited, WAIT.UNTRACED | WAIT.WALL, 0], { keep: false });
  const ran = helper.local(p).check('dump');
  return (ran.data(waited).readInt32LE(0) & 0xff) === STOPPED ? Number(ran.result(child)) : 0;
}
