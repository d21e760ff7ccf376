/**
 * What a restore has to know of the machine and of the process that restores. A plan is compiled against one; without a machine
 * to ask (another system, a browser) against `ASSUMED_HOST`.
 */
import { CAPABILITIES, RLIM_INFINITY, RLIMITS } from '../kernel/process.ts';
import type { Mount } from '../proc/mountinfo.ts';
import type { Clocks } from '../proc/timens.ts';
import { ASSUMED_XSTATE, type XstateLayout } from '../resources/registers/xstate.ts';
import type { Module } from '../resources/security-label/label.ts';
import type { VdsoImage } from '../resources/vdso/symbols.ts';

export interface Rlimit { readonly cur: bigint; readonly max: bigint }

/** As in /proc/PID/status. */
export interface HostCredentials {
  /** Real, effective, saved, file system. */
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  readonly groups: readonly number[];
  readonly inheritable: bigint;
  readonly effective: bigint;
  readonly ambient: bigint;
}

export interface Host {
  /** Capabilities the helper may use, and what its children may ever have: bit n is capability n. */
  readonly permitted: bigint;
  readonly bounding: bigint;
  /** By resource number. */
  readonly rlimits: readonly Rlimit[];
  readonly oomScoreAdj: number;
  /** Credentials and nice value that every task starts with, when known: what is the same needs no steps. */
  readonly credentials?: HostCredentials;
  readonly nice?: number;
  /** /proc/self/loginuid; 4294967295: not set. */
  readonly loginuid: number;
  /** How many processors may be used. */
  readonly processors: number;
  /** The highest pid there can be. */
  readonly pidMax: number;
  readonly xstate: XstateLayout;
  /** The kernel's vDSO; undefined: taken to be the one of the image. */
  readonly vdso: VdsoImage | undefined;
  /** Session and process group of the restoring process: those of a shell job (-j). */
  readonly sid: number;
  readonly pgid: number;
  /** Descriptor of the restoring process on which its terminal is; undefined when it has none. */
  readonly terminal: number | undefined;
  /** What is mounted; undefined: not known, and taken to be what the images say. `device` in the kernel's layout. */
  readonly mounts?: readonly Mount[];
  /** Whose labels there are here. */
  readonly securityModule?: Module | undefined;
  /** How far our clocks are from those of the first time namespace, in nanoseconds; undefined: the kernel has no time namespaces. */
  readonly clockOffsets?: Clocks | undefined;
  /** Whether the restoring process's group is that terminal's foreground group. */
  readonly foreground: boolean;
}

const ALL_CAPABILITIES = (1n << BigInt(CAPABILITIES.length)) - 1n;

export const ASSUMED_HOST: Host = {
  permitted: ALL_CAPABILITIES,
  bounding: ALL_CAPABILITIES,
  rlimits: RLIMITS.map(() => ({ cur: RLIM_INFINITY, max: RLIM_INFINITY })),
  oomScoreAdj: 0,
  loginuid: 0xffffffff,
  processors: 2,
  pidMax: 4194303,
  xstate: ASSUMED_XSTATE,
  vdso: undefined,
  sid: 0,
  pgid: 0,
  terminal: 0,
  foreground: true,
  clockOffsets: { monotonic: 0n, boottime: 0n },
};
