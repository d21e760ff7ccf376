/**
 * Extended register state (NT_X86_XSTATE, the standard xsave format): where each component lies on a CPU, and the way between
 * these bytes and the image's `user_x86_fpregs_entry`. The order is in the Intel SDM, volume 1, chapter 13; the offsets differ between CPUs.
 */
import type { user_x86_fpregs_entry, user_x86_xsave_entry } from '../../image/schema/index.ts';

/** Component numbers: bits of XCR0 and of xstate_bv. */
export const X = { FP: 0, SSE: 1, AVX: 2, BNDREGS: 3, BNDCSR: 4, OPMASK: 5, ZMM_HI256: 6, HI16_ZMM: 7, PKRU: 9, CET_USER: 11 } as const;
const NAMES = ['x87', 'SSE', 'AVX', 'MPX bounds', 'MPX status', 'AVX-512 masks', 'AVX-512 upper', 'AVX-512 high registers', 'PT', 'protection keys', 'PASID', 'shadow stack', 'CET supervisor', 'HDC', 'UINTR', 'LBR', 'HWP', 'AMX configuration', 'AMX tiles', 'APX'];

export interface XstateLayout {
  /** Bytes of the whole area, as PTRACE_GETREGSET gives it. */
  readonly size: number;
  /** Components of user state this CPU and kernel have. */
  readonly features: bigint;
  /** Byte offset of each component from 2 on. */
  readonly offsets: ReadonlyMap<number, number>;
}

const SIZES = new Map<number, number>([[X.AVX, 256], [X.BNDREGS, 64], [X.BNDCSR, 64], [X.OPMASK, 64], [X.ZMM_HI256, 512], [X.HI16_ZMM, 1024], [X.PKRU, 8]]);
const LEGACY = 512;
const HEADER_END = 576;

/** The layout of an x86-64-v4 server of Intel's: what a plan assumes where there is no CPU to ask. */
export const ASSUMED_XSTATE: XstateLayout = {
  size: 2696,
  features: 0x2e7n,
  offsets: new Map([[X.AVX, 576], [X.BNDREGS, 960], [X.BNDCSR, 1024], [X.OPMASK, 1088], [X.ZMM_HI256, 1152], [X.HI16_ZMM, 1664], [X.PKRU, 2688]]),
};

/** The two families of layouts there are: Intel's, with room for MPX, and AMD's without. Offsets of PKRU depend on AVX-512. */
const FAMILIES: readonly (readonly (readonly [number, number])[])[] = [
  [[X.AVX, 576], [X.BNDREGS, 960], [X.BNDCSR, 1024], [X.OPMASK, 1088], [X.ZMM_HI256, 1152], [X.HI16_ZMM, 1664], [X.PKRU, 2688], [17, 2752], [18, 2816]],
  [[X.AVX, 576], [X.OPMASK, 832], [X.ZMM_HI256, 896], [X.HI16_ZMM, 1408], [X.PKRU, 2432]],
  [[X.AVX, 576], [X.PKRU, 832]],
];
const AMX_SIZES = new Map([[17, 64], [18, 8192]]);

/**
 * The layout of a CPU, from what the helper says of it: the family in which exactly its components fill its area.
 * Undefined: none does (a CPU that came later).
 */
export function layoutOf(size: number, features: bigint): XstateLayout | undefined {
  const has = (component: number): boolean => ((features >> BigInt(component)) & 1n) !== 0n;
  for (const family of FAMILIES) {
    const present = family.filter(([component]) => has(component));
    const known = present.reduce((bits, [component]) => bits | (1n << BigInt(component)), 3n);
    const end = present.reduce((last, [component, at]) => Math.max(last, at + (SIZES.get(component) ?? AMX_SIZES.get(component) ?? 0)), HEADER_END);
    if (end === size && (features & ~known) === 0n) return { size, features, offsets: new Map(present) };
  }
  return undefined;
}

export function featureNames(bits: bigint): string {
  const names: string[] = [];
  for (let i = 0; i < 64; i++) if ((bits >> BigInt(i)) & 1n) names.push(NAMES[i] ?? `component ${i}`);
  return names.join(', ');
}

/** The image's parts of the xsave area, by component: words as they lie in memory. */
function parts(xsave: user_x86_xsave_entry): [number, Buffer][] {
  const words32 = (words: readonly number[]): Buffer => Buffer.from(Uint32Array.from(words).buffer);
  const words64 = (words: readonly bigint[]): Buffer => Buffer.from(BigUint64Array.from(words).buffer);
  return [
    [X.AVX, words32(xsave.ymmh_space)],
    [X.BNDREGS, words64(xsave.bndreg_state)],
    [X.BNDCSR, words64(xsave.bndcsr_state)],
    [X.OPMASK, words64(xsave.opmask_reg)],
    [X.ZMM_HI256, words64(xsave.zmm_upper)],
    [X.HI16_ZMM, words64(xsave.hi16_zmm)],
    [X.PKRU, words32(xsave.pkru)],
  ];
}

/** Components in use in the image that this CPU does not have: 0n when the thread can run here. */
export function missingFeatures(fpregs: user_x86_fpregs_entry, layout: XstateLayout): bigint {
  const used = fpregs.xsave?.xstate_bv ?? 3n;
  return used & ~(layout.features | 3n);
}

/** The image's extended state as the bytes PTRACE_SETREGSET takes. */
export function encodeXstate(fpregs: user_x86_fpregs_entry, layout: XstateLayout): Buffer {
  const area = Buffer.alloc(Math.max(layout.size, HEADER_END));
  area.writeUInt16LE(fpregs.cwd & 0xffff, 0);
  area.writeUInt16LE(fpregs.swd & 0xffff, 2);
  area.writeUInt16LE(fpregs.twd & 0xffff, 4);
  area.writeUInt16LE(fpregs.fop & 0xffff, 6);
  area.writeBigUInt64LE(fpregs.rip, 8);
  area.writeBigUInt64LE(fpregs.rdp, 16);
  area.writeUInt32LE(fpregs.mxcsr, 24);
  area.writeUInt32LE(fpregs.mxcsr_mask, 28);
  fpregs.st_space.slice(0, 32).forEach((word, i) => area.writeUInt32LE(word >>> 0, 32 + 4 * i));
  fpregs.xmm_space.slice(0, 64).forEach((word, i) => area.writeUInt32LE(word >>> 0, 160 + 4 * i));
  const xsave = fpregs.xsave;
  area.writeBigUInt64LE((xsave?.xstate_bv ?? 3n) & (layout.features | 3n), LEGACY);
  if (xsave === undefined) return area;
  for (const [component, bytes] of parts(xsave)) {
    const at = layout.offsets.get(component);
    if (at === undefined || bytes.length === 0) continue;
    bytes.copy(area, at, 0, Math.min(bytes.length, SIZES.get(component) ?? 0, area.length - at));
  }
  return area;
}
