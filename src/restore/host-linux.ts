/** Reads what a restore has to know of this machine from /proc, and from what the helper says of the CPU. */
import { openSync, readFileSync, readSync, closeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { StillframeError } from '../errors.ts';
import type { Hello } from '../helper/protocol.ts';
import { RLIM_INFINITY, RLIMITS } from '../kernel/process.ts';
import { parseMountInfo } from '../proc/mountinfo.ts';
import { readTimeOffsets } from '../proc/timens.ts';
import { featureNames, layoutOf } from '../resources/registers/xstate.ts';
import { findModule } from '../resources/security-label/label.ts';
import type { VdsoImage } from '../resources/vdso/symbols.ts';
import { isTerminal } from '../terminal.ts';
import type { Host, Rlimit } from './host.ts';

/** Rows of /proc/PID/limits, by resource number. */
const LIMIT_ROWS = [
  'Max cpu time', 'Max file size', 'Max data size', 'Max stack size', 'Max core file size', 'Max resident set', 'Max processes', 'Max open files',
  'Max locked memory', 'Max address space', 'Max file locks', 'Max pending signals', 'Max msgqueue size', 'Max nice priority',
  'Max realtime priority', 'Max realtime timeout',
];

/** @throws StillframeError on a CPU whose register layout is unknown */
export function readHost(hello: Hello): Host {
  const xstate = layoutOf(hello.xstateSize, hello.xfeatures);
  if (xstate === undefined) {
    throw new StillframeError({
      doing: 'restore', where: 'this CPU', why: `its extended state (${hello.xstateSize} bytes: ${featureNames(hello.xfeatures)}) has a layout that is not known`,
      remedy: 'Please report it with the output of /proc/cpuinfo',
    });
  }
  const status = readFileSync('/proc/self/status', 'latin1');
  const stat = statNumbers();
  const [, , pgid = 0, sid = 0, , tpgid = 0] = stat;
  return {
    permitted: capability(status, 'CapPrm'),
    bounding: capability(status, 'CapBnd'),
    credentials: {
      uids: numbers(status, 'Uid'), gids: numbers(status, 'Gid'), groups: numbers(status, 'Groups'),
      inheritable: capability(status, 'CapInh'), effective: capability(status, 'CapEff'), ambient: capability(status, 'CapAmb'),
    },
    nice: stat[NICE_FIELD],
    rlimits: readLimits(),
    processors: availableParallelism(),
    pidMax: Number(readFileSync('/proc/sys/kernel/pid_max', 'latin1')) - 1,
    oomScoreAdj: Number(readFileSync('/proc/self/oom_score_adj', 'latin1')),
    loginuid: readLoginuid(),
    xstate,
    vdso: readVdso(),
    sid,
    pgid,
    terminal: [0, 1, 2].find((fd) => isTerminal(fd)),
    foreground: tpgid === pgid,
    securityModule: findModule(),
    clockOffsets: readTimeOffsets('self'),
    mounts: parseMountInfo(readFileSync('/proc/self/mountinfo', 'latin1')),
  };
}

/** Of /proc/PID/stat, counted from the state. */
const NICE_FIELD = 16;

const numbers = (status: string, name: string): number[] =>
  (new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1] ?? '').split(/\s+/).filter((word) => word !== '').map(Number);

/** A kernel without auditing has no such file. */
function readLoginuid(): number {
  try {
    return Number(readFileSync('/proc/self/loginuid', 'latin1'));
  } catch {
    return 0xffffffff;
  }
}

const capability = (status: string, name: string): bigint => BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)`, 'm').exec(status)?.[1] ?? '0'}`);

/** Fields of /proc/self/stat after the name: state, ppid, pgrp, session, tty_nr, tpgid. */
function statNumbers(): number[] {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ').map(Number);
}

function readLimits(): Rlimit[] {
  const rows = readFileSync('/proc/self/limits', 'latin1').split('\n');
  const value = (text: string | undefined): bigint => (text === undefined || text === 'unlimited' ? RLIM_INFINITY : BigInt(text));
  return RLIMITS.map((_, i) => {
    const row = rows.find((line) => line.startsWith(LIMIT_ROWS[i]!));
    const [cur, max] = row === undefined ? [] : row.slice(26).trim().split(/\s+/);
    return { cur: value(cur), max: value(max) };
  });
}

/** The kernel's vDSO as it lies in this process. */
function readVdso(): VdsoImage | undefined {
  let data: bigint | undefined;
  for (const line of readFileSync('/proc/self/maps', 'latin1').split('\n')) {
    const [, from, to, name] = /^([0-9a-f]+)-([0-9a-f]+) .* (\[v(?:var|var_vclock|dso)\])$/.exec(line) ?? [];
    if (from === undefined || to === undefined) continue;
    const [start, end] = [BigInt(`0x${from}`), BigInt(`0x${to}`)];
    if (name !== '[vdso]') {
      data ??= start;
      continue;
    }
    const fd = openSync('/proc/self/mem', 'r');
    const bytes = new Uint8Array(Number(end - start));
    try {
      readSync(fd, bytes, 0, bytes.length, start);
    } finally {
      closeSync(fd);
    }
    return { bytes, dataSize: Number(start - (data ?? start)) };
  }
  return undefined;
}
