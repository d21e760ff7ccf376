/** Resource limits. Without CAP_SYS_RESOURCE a hard limit can only be lowered: then the lower one is kept, and said. */
import type { rlimit_entry } from '../../image/schema/index.ts';
import { CAP, RLIM_INFINITY, RLIMITS } from '../../kernel/process.ts';
import type { Program } from '../../program/program.ts';
import type { RestoreContext } from '../../restore/context.ts';

const text = (limit: bigint): string => (limit === RLIM_INFINITY ? 'unlimited' : String(limit));

export function addLimits(p: Program, context: RestoreContext, limits: readonly rlimit_entry[], where: string): void {
  const raise = ((context.host.permitted >> BigInt(CAP.SYS_RESOURCE)) & 1n) !== 0n;
  limits.forEach((limit, resource) => {
    const name = RLIMITS[resource] ?? String(resource);
    const ours = context.host.rlimits[resource];
    let { cur, max } = limit;
    if (!raise && ours !== undefined && max > ours.max) {
      context.warnings.push(`${where}: its hard limit ${name} was ${text(max)}; it stays at ${text(ours.max)}, as raising one needs CAP_SYS_RESOURCE`);
      max = ours.max;
      if (cur > max) cur = max;
    }
    if (ours !== undefined && ours.cur === cur && ours.max === max) return; // inherited
    p.resource(`limit ${name}`);
    p.call('prlimit64', [0, resource, p.data(new Uint8Array(BigUint64Array.of(cur, max).buffer)), 0], {
      keep: false, remedy: { EPERM: 'A hard limit can only be raised with CAP_SYS_RESOURCE' },
    });
  });
}
