/** Credentials of a thread: ids, groups, capability sets, securebits, no_new_privs. */
import { create, shared } from '../../image/wire.ts';
import { creds_entry } from '../../image/schema/index.ts';
import type { ProcStatus } from '../../proc/status.ts';
import type { Program, RanBlock } from '../../program/program.ts';

const PR_GET_SECUREBITS = 27;

/** Steps of each thread: what /proc does not show. @returns the securebits */
export function askSecurebits(program: Program): (ran: RanBlock) => number {
  const bits = program.call('prctl', [PR_GET_SECUREBITS], { resource: 'credentials' });
  return (ran) => Number(ran.result(bits));
}

const pair = (set: bigint): number[] => [Number(set & 0xffffffffn), Number(set >> 32n)];

/** Those made last: threads of a process mostly have the same. */
let last: { status: ProcStatus; securebits: number; entry: creds_entry } | undefined;

export function credentials(status: ProcStatus, securebits: number): creds_entry {
  if (last === undefined || last.securebits !== securebits || !sameCredentials(last.status, status)) last = { status, securebits, entry: shared(makeEntry(status, securebits)) };
  return last.entry;
}

function sameCredentials(a: ProcStatus, b: ProcStatus): boolean {
  return a.uid === b.uid && a.gid === b.gid && a.groups === b.groups && a.capInh === b.capInh && a.capPrm === b.capPrm && a.capEff === b.capEff
    && a.capBnd === b.capBnd && a.capAmb === b.capAmb && a.noNewPrivs === b.noNewPrivs;
}

function makeEntry(status: ProcStatus, securebits: number): creds_entry {
  return create(creds_entry, {
    uid: status.uid[0], euid: status.uid[1], suid: status.uid[2], fsuid: status.uid[3],
    gid: status.gid[0], egid: status.gid[1], sgid: status.gid[2], fsgid: status.gid[3],
    cap_inh: pair(status.capInh), cap_prm: pair(status.capPrm), cap_eff: pair(status.capEff), cap_bnd: pair(status.capBnd), cap_amb: pair(status.capAmb),
    secbits: securebits, groups: [...status.groups],
    no_new_privs: status.noNewPrivs > 0 ? status.noNewPrivs : undefined,
  });
}
