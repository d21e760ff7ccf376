/**
 * `/proc/PID/limits`: the resource limits, in the order of RLIMIT_* (`<asm-generic/resource.h>`), which is the order of the lines.
 * Unlike prlimit(2) of another user's process it needs no CAP_SYS_RESOURCE.
 */
export interface Limit {
  readonly soft: bigint;
  readonly hard: bigint;
}

export const RLIM_INFINITY = (1n << 64n) - 1n;
export const RLIM_NLIMITS = 16;

/** @throws RangeError when there are not 16 of them */
export function parseLimits(text: string): Limit[] {
  const limits = text.split('\n').slice(1).filter((line) => line !== '').map((line) => {
    // a 25 characters wide name, then two values 21 wide
    const [soft, hard] = line.slice(25).trim().split(/\s+/u);
    return { soft: limit(soft), hard: limit(hard) };
  });
  if (limits.length !== RLIM_NLIMITS) throw new RangeError(`/proc/PID/limits has ${limits.length} limits, ${RLIM_NLIMITS} are known`);
  return limits;
}

const limit = (text: string | undefined): bigint => (text === 'unlimited' ? RLIM_INFINITY : BigInt(text ?? 'missing'));
