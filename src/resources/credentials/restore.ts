/** Credentials of a thread: groups, ids, capability sets, securebits, no_new_privs. The last thing a thread does before it parks. */
import type { creds_entry } from '../../image/schema/index.ts';
import { CAP, CAPABILITIES, CAPABILITY_VERSION_3, PR, PR_CAP_AMBIENT, SECBIT } from '../../kernel/process.ts';
import type { Program } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';

const KNOWN = (1n << BigInt(CAPABILITIES.length)) - 1n;

/** Two 32-bit words, the low one first, as one set. */
export const capSet = (words: readonly number[]): bigint => ((BigInt(words[1] ?? 0) << 32n) | BigInt((words[0] ?? 0) >>> 0)) & 0xffff_ffff_ffff_ffffn;

const capNames = (set: bigint): string =>
  [...Array(64).keys()].filter((i) => ((set >> BigInt(i)) & 1n) !== 0n).map((i) => `CAP_${CAPABILITIES[i] ?? i}`).join(', ');

/** Capabilities the thread had that nobody here can give it. */
export function checkCredentials(context: RestoreContext, creds: creds_entry, where: string): void {
  const { permitted, bounding } = context.host;
  const wanted = capSet(creds.cap_prm) | capSet(creds.cap_inh) | capSet(creds.cap_amb);
  const missing = wanted & KNOWN & ~permitted;
  if (missing !== 0n) {
    context.refuse(where, `it had capabilities that this process cannot give it: ${capNames(missing)}`, 'Run the restore with all the capabilities the tree had');
  }
  const lost = capSet(creds.cap_bnd) & KNOWN & ~bounding & ~missing;
  if (lost !== 0n) context.warnings.push(`${where}: its capability bounding set loses what this process's own lacks: ${capNames(lost)}`);
}

export function addCredentials(p: Program, context: RestoreContext, creds: creds_entry): void {
  const { bounding, permitted } = context.host;
  if (sameAsHost(context, creds)) {
    p.resource('capabilities').call('prctl', [PR.SET_SECUREBITS, 0, 0, 0, 0], { keep: false });
    if ((creds.no_new_privs ?? 0) !== 0) p.call('prctl', [PR.SET_NO_NEW_PRIVS, 1, 0, 0, 0], { keep: false });
    return;
  }
  const target = { inh: capSet(creds.cap_inh), prm: capSet(creds.cap_prm), eff: capSet(creds.cap_eff), bnd: capSet(creds.cap_bnd), amb: capSet(creds.cap_amb) };
  const uidRemedy = { EINVAL: 'The user namespace of the restore has no mapping for that id', EPERM: 'Run the restore as root' };
  p.resource('groups');
  p.call('setgroups', [creds.groups.length, creds.groups.length === 0 ? 0 : p.data(new Uint8Array(Uint32Array.from(creds.groups).buffer))], { keep: false, remedy: uidRemedy });
  p.resource('user and group ids');
  p.call('prctl', [PR.SET_SECUREBITS, SECBIT.NO_SETUID_FIXUP, 0, 0, 0], { keep: false });
  p.call('setresgid', [creds.gid, creds.egid, creds.sgid], { keep: false, remedy: uidRemedy });
  p.call('setfsgid', [creds.fsgid], { keep: false });
  p.call('setfsgid', [-1], { keep: false, expect: { equals: creds.fsgid } });
  p.call('setresuid', [creds.uid, creds.euid, creds.suid], { keep: false, remedy: uidRemedy });
  p.call('setfsuid', [creds.fsuid], { keep: false });
  p.call('setfsuid', [-1], { keep: false, expect: { equals: creds.fsuid } });
  p.resource('capabilities');
  const header = p.data(Buffer.from(Uint32Array.of(CAPABILITY_VERSION_3, 0).buffer));
  const all = permitted & KNOWN;
  p.call('capset', [header, p.data(encodeCaps(all, all, target.inh & all))], { keep: false });
  p.call('prctl', [PR.CAP_AMBIENT, PR_CAP_AMBIENT.CLEAR_ALL, 0, 0, 0], { keep: false });
  forEachCap(target.amb, (cap) => p.call('prctl', [PR.CAP_AMBIENT, PR_CAP_AMBIENT.RAISE, cap, 0, 0], { keep: false }));
  forEachCap(bounding & KNOWN & ~target.bnd, (cap) => p.call('prctl', [PR.CAPBSET_DROP, cap, 0, 0, 0], { keep: false }));
  p.call('prctl', [PR.SET_SECUREBITS, creds.secbits, 0, 0, 0], { keep: false, remedy: { EPERM: `Secure bits need CAP_${CAPABILITIES[CAP.SETPCAP]}` } });
  p.call('capset', [header, p.data(encodeCaps(target.eff & all, target.prm & all, target.inh & all))], { keep: false });
  if ((creds.no_new_privs ?? 0) !== 0) p.call('prctl', [PR.SET_NO_NEW_PRIVS, 1, 0, 0, 0], { keep: false });
}

/** Whether these are the credentials that every thread starts with here: the most usual case, of hundreds of threads. */
function sameAsHost({ host }: RestoreContext, creds: creds_entry): boolean {
  const own = host.credentials;
  if (own === undefined || creds.secbits !== 0) return false;
  const ids = [creds.uid, creds.euid, creds.suid, creds.fsuid].join() === own.uids.join()
    && [creds.gid, creds.egid, creds.sgid, creds.fsgid].join() === own.gids.join() && creds.groups.join() === own.groups.join();
  return ids && capSet(creds.cap_prm) === host.permitted && capSet(creds.cap_eff) === own.effective && capSet(creds.cap_inh) === own.inheritable
    && capSet(creds.cap_bnd) === host.bounding && capSet(creds.cap_amb) === own.ambient;
}

function forEachCap(set: bigint, use: (cap: number) => void): void {
  for (let cap = 0; cap < CAPABILITIES.length; cap++) if (((set >> BigInt(cap)) & 1n) !== 0n) use(cap);
}

/** Two `struct __user_cap_data_struct`: effective, permitted, inheritable of the low words, then of the high ones. */
function encodeCaps(eff: bigint, prm: bigint, inh: bigint): Buffer {
  const words = [0n, 32n].flatMap((shift) => [eff, prm, inh].map((set) => Number((set >> shift) & 0xffff_ffffn)));
  return Buffer.from(Uint32Array.from(words).buffer);
}
