/** `/proc/PID/status` and that of a thread: credentials, signal sets, and what has no other place. */
export interface ProcStatus {
  /** Real, effective, saved, file system. */
  readonly uid: readonly [number, number, number, number];
  readonly gid: readonly [number, number, number, number];
  readonly groups: readonly number[];
  readonly umask: number;
  readonly tgid: number;
  /** 0: nobody. */
  readonly tracer: number;
  /** Pids of the thread in its pid namespaces, the reader's first; more than one: it lives in an inner one. */
  readonly nsPids: readonly number[];
  readonly sigIgn: bigint;
  readonly sigCgt: bigint;
  readonly capInh: bigint;
  readonly capPrm: bigint;
  readonly capEff: bigint;
  readonly capBnd: bigint;
  readonly capAmb: bigint;
  readonly noNewPrivs: number;
  /** 0 none, 1 strict, 2 filter. */
  readonly seccomp: number;
  readonly seccompFilters: number;
  /** Its returns are checked by a shadow stack (CET). */
  readonly shadowStack: boolean;
}

type Owners = Pick<ProcStatus, 'uid' | 'gid' | 'groups'>;
type Powers = Pick<ProcStatus, 'sigIgn' | 'sigCgt' | 'capInh' | 'capPrm' | 'capEff' | 'capBnd' | 'capAmb' | 'noNewPrivs' | 'seccomp' | 'seccompFilters'>;

/** Threads of a process mostly say the same: what was said last, and what it means. */
let owners: { text: string; meaning: Owners } | undefined;
let powers: { text: string; meaning: Powers } | undefined;

/** @throws RangeError naming the line that is missing */
export function parseStatus(text: string): ProcStatus {
  const tgid = Number(line(text, 'Tgid'));
  const own = between(text, '\nUid:', '\nNStgid:'), can = between(text, '\nSigIgn:', '\nvoluntary_ctxt_switches:');
  if (owners?.text !== own) owners = { text: own, meaning: ownersOf(own) };
  if (powers?.text !== can) powers = { text: can, meaning: powersOf(can) };
  return {
    ...owners.meaning, ...powers.meaning, umask: parseInt(find(text, 'Umask') ?? '0', 8), tgid,
    tracer: Number(line(text, 'TracerPid')), nsPids: numbers(find(text, 'NSpid') ?? String(tgid)),
    shadowStack: /\bshstk\b/.test(find(text, 'x86_Thread_features') ?? ''),
  };
}

function ownersOf(text: string): Owners {
  const four = (name: string): [number, number, number, number] => {
    const [a, b, c, d] = numbers(line(text, name));
    return [a!, b!, c!, d!];
  };
  return { uid: four('Uid'), gid: four('Gid'), groups: numbers(line(text, 'Groups')) };
}

function powersOf(text: string): Powers {
  const hex = (name: string): bigint => BigInt(`0x${line(text, name)}`);
  return {
    sigIgn: hex('SigIgn'), sigCgt: hex('SigCgt'),
    capInh: hex('CapInh'), capPrm: hex('CapPrm'), capEff: hex('CapEff'), capBnd: hex('CapBnd'), capAmb: BigInt(`0x${find(text, 'CapAmb') ?? '0'}`),
    noNewPrivs: Number(find(text, 'NoNewPrivs') ?? 0), seccomp: Number(find(text, 'Seccomp') ?? 0),
    seccompFilters: Number(find(text, 'Seccomp_filters') ?? 0),
  };
}

const numbers = (value: string): number[] => (value === '' ? [] : value.split(/\s+/u).map(Number));

/** The text from one line to another; all the rest where there is no second, all of it where there is no first. */
function between(text: string, from: string, to: string): string {
  const start = text.indexOf(from), end = text.indexOf(to, start < 0 ? 0 : start);
  return text.slice(Math.max(start, 0), end < 0 ? undefined : end);
}

function line(text: string, name: string): string {
  const value = find(text, name);
  if (value === undefined) throw new RangeError(`/proc/PID/status has no line ${name}`);
  return value;
}

/** The rest of the line that starts with `name:`, without white space around it. The first line (Name) can hold anything but a newline. */
function find(text: string, name: string): string | undefined {
  const key = `\n${name}:`;
  const at = text.indexOf(key);
  if (at < 0) return undefined;
  const end = text.indexOf('\n', at + 1);
  return text.slice(at + key.length, end < 0 ? text.length : end).trim();
}
