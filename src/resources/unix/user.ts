/** Doing steps in the name of a user, with all capabilities kept: what a socket tells of its peer (SO_PEERCRED) is who did them. */
import { PR } from '../../kernel/process.ts';
import type { Program } from '../../program/program.ts';

export interface User { readonly uid: number; readonly gid: number }

/** Capabilities stay when the user changes. */
const SECBIT_NO_SETUID_FIXUP = 4;
const KEEP = -1;

export function asUser(p: Program, user: User | undefined, steps: () => void): void {
  if (user === undefined || (user.uid === 0 && user.gid === 0)) {
    steps();
    return;
  }
  const before = p.call('prctl', [PR.GET_SECUREBITS, 0, 0, 0, 0]);
  p.call('prctl', [PR.SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0], { keep: false });
  p.call('setresgid', [KEEP, user.gid, KEEP], { keep: false });
  p.call('setresuid', [KEEP, user.uid, KEEP], { keep: false });
  steps();
  p.call('setresuid', [KEEP, 0, KEEP], { keep: false });
  p.call('setresgid', [KEEP, 0, KEEP], { keep: false });
  p.call('prctl', [PR.SET_SECUREBITS, before, 0, 0, 0], { keep: false });
  // changing the user took it away
  p.call('prctl', [PR.SET_DUMPABLE, 1, 0, 0, 0], { keep: false });
}
